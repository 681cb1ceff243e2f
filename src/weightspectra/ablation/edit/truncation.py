"""Editing the matrices of a live model, above all removing singular values, and putting them back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from weightspectra.contracts import MatrixKey


class Writable(Protocol):
    """A weight matrix inside a live model, in canonical orientation (n_out, n_in)."""

    def read(self) -> torch.Tensor:
        """Return a copy of the matrix."""

    def write(self, values: torch.Tensor) -> None:
        """Replace the matrix in place."""


class Stored(NamedTuple):
    """What an edit may read of a matrix, by its key.

    Attributes
    ----------
    vectors : callable from MatrixKey to ndarray of shape (n_values, n_values)
        All singular vectors of the short side, one per row, largest value first.
    moments : callable from MatrixKey to second moments of the layer's input, or None
        For edits that weigh directions by the data.
    """

    vectors: Callable[[MatrixKey], np.ndarray]
    moments: Callable[[MatrixKey], Any] | None = None


class Edit(Protocol):
    """One change of one matrix."""

    @property
    def n_removed(self) -> int:
        """Singular values that go; an edit with none is not applied."""

    @property
    def n_parameters(self) -> int | None:
        """Parameters of the edited matrix as two factors; None if it takes no fewer than whole."""

    def __call__(self, key: MatrixKey, weight: torch.Tensor, stored: Stored) -> torch.Tensor:
        """Return the new matrix, in the shape, number format and on the device of ``weight``, which stays as it is."""


@dataclass(frozen=True, eq=False)
class Removal:
    """Some singular values of a matrix go.

    Attributes
    ----------
    ranks : ndarray of int
        Which; 0 is the largest value.
    n_out, n_in : int
        Shape of the matrix.
    rows, columns : slice or None
        Only what is removed from these rows or columns goes, for the part of
        one attention head; the parts of all heads add up to the whole removal.
    """

    ranks: np.ndarray
    n_out: int
    n_in: int
    rows: slice | None = None
    columns: slice | None = None

    @property
    def n_removed(self) -> int:
        """Singular values that go, in part if there are ``rows`` or ``columns``."""
        return len(self.ranks)

    @property
    def n_parameters(self) -> int | None:
        """Parameters of two factors of the rank that is left, if these are fewer than the matrix has."""
        n_kept = min(self.n_out, self.n_in) - len(self.ranks)
        factorised = n_kept * (self.n_out + self.n_in)
        is_part = self.rows is not None or self.columns is not None
        return None if is_part or factorised >= self.n_out * self.n_in else factorised

    def __call__(self, key: MatrixKey, weight: torch.Tensor, stored: Stored) -> torch.Tensor:
        """Return the matrix without these values."""
        found = without(weight, stored.vectors(key), self.ranks)
        if self.rows is None and self.columns is None:
            return found
        part = (slice(None) if self.rows is None else self.rows, slice(None) if self.columns is None else self.columns)
        restricted = weight.clone()
        restricted[part] = found[part]
        return restricted


def without(weight: torch.Tensor, vectors: np.ndarray, ranks: np.ndarray) -> torch.Tensor:
    """Return a matrix without the singular values of some ranks, by what goes or by what stays, whichever is less.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
    vectors : ndarray of shape (n_values, n_values)
        All singular vectors of the short side, one per row, largest value first.
    ranks : ndarray of int
        Which values go; 0 is the largest.
    """
    if 2 * len(ranks) <= len(vectors):
        return truncated(weight, torch.from_numpy(vectors[ranks]))
    kept = np.setdiff1d(np.arange(len(vectors)), ranks)
    return spanned(weight, torch.from_numpy(vectors[kept]))


def truncated(weight: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Return a matrix without some of its singular values.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
    vectors : Tensor of shape (n_removed, min(n_out, n_in))
        Singular vectors of the short side that belong to the values to remove,
        one per row: left vectors if n_out <= n_in, else right vectors.

    Returns
    -------
    Tensor of shape (n_out, n_in)
        Of the weight's own number format and device.

    Notes
    -----
    ``W' = W - U_r U_r' W`` for left vectors, ``W' = W - W V_r V_r'`` for right
    ones, in float64, rounded once. Subtracting from the untouched matrix
    instead of rebuilding it from the values kept leaves everything that is not
    removed as it was: removing nothing returns the same bits.

    Vectors stored in float32 leave the result within 3e-8 of the largest
    singular value from exact truncation (spectral norm; 576 x 1536 to
    1024 x 1024, condition 1e2 to 1e8, smallest and largest decile), where
    rounding the exact result to float32 alone costs 1e-8. Making them
    orthogonal again in float64 changes that by a tenth at most.
    """
    if not len(vectors):
        return weight
    exact = weight.to(torch.float64, copy=True)
    return exact.sub_(_part(exact, vectors)).to(weight.dtype)


def spanned(weight: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Return of a matrix only some of its singular values: ``U_k U_k' W`` or ``W V_k V_k'``.

    Parameters and precision are those of :func:`truncated`, of which this is
    the complement; the rank is exactly the number of vectors (before rounding).
    """
    return _part(weight.to(torch.float64), vectors).to(weight.dtype)


def _part(exact: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Project a float64 matrix on vectors of its short side."""
    vectors = vectors.to(exact)
    left = exact.shape[0] <= exact.shape[1]
    return vectors.T @ (vectors @ exact) if left else (exact @ vectors.T) @ vectors


class Change(NamedTuple):
    """What edits did to the matrices that they name.

    Attributes
    ----------
    removed_energy : float
        ``sum |W - W'|^2 / sum |W|^2`` in Frobenius norms, over all matrices named.
    kept_parameters : float
        Parameters that these matrices need afterwards, each as two factors
        where that takes fewer.
    """

    removed_energy: float
    kept_parameters: float


@contextmanager
def edited(
    matrices: Mapping[MatrixKey, Writable],
    edits: Mapping[MatrixKey, Edit],
    stored: Stored,
) -> Iterator[Change]:
    """Edit matrices while a block runs; afterwards every weight has its old bits again.

    The originals of the matrices that lose something are held in memory
    meanwhile, and nothing else. They return however the block ends, by an
    error or Ctrl-C as well.

    Parameters
    ----------
    matrices : mapping from MatrixKey to a live matrix
    edits : mapping from MatrixKey to Edit
    stored : Stored

    Yields
    ------
    Change
    """
    originals: dict[MatrixKey, torch.Tensor] = {}
    lost = total = n_kept = 0.0
    try:
        for key, edit in edits.items():
            weight = matrices[key].read()
            if edit.n_removed:
                originals[key] = weight
                new = edit(key, weight, stored)
                matrices[key].write(new)
                lost += _energy(weight - new)
            total += _energy(weight)
            n_kept += weight.numel() if edit.n_parameters is None else edit.n_parameters
        yield Change(lost / total if total else 0.0, n_kept)
    finally:
        for key, weight in reversed(originals.items()):
            matrices[key].write(weight)


def _energy(weight: torch.Tensor) -> float:
    """Return the squared Frobenius norm, summed in float64."""
    return float(torch.linalg.vector_norm(weight, dtype=torch.float64)) ** 2
