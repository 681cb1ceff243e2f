"""Removing singular values from the matrices of a live model, and putting them back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch

from weightspectra.contracts import MatrixKey


class Writable(Protocol):
    """A weight matrix inside a live model, in canonical orientation (n_out, n_in)."""

    def read(self) -> torch.Tensor:
        """Return a copy of the matrix."""

    def write(self, values: torch.Tensor) -> None:
        """Replace the matrix in place."""


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
    vectors = vectors.to(exact)
    left = weight.shape[0] <= weight.shape[1]
    part = vectors.T @ (vectors @ exact) if left else (exact @ vectors.T) @ vectors
    return exact.sub_(part).to(weight.dtype)


@contextmanager
def removed(
    matrices: Mapping[MatrixKey, Writable],
    indices: Mapping[MatrixKey, np.ndarray],
    vectors: Callable[[MatrixKey], np.ndarray],
) -> Iterator[None]:
    """Remove singular values while a block runs; afterwards every weight has its old bits again.

    The originals of the matrices that lose something are held in memory
    meanwhile, and nothing else. They return however the block ends, by an
    error or Ctrl-C as well.

    Parameters
    ----------
    matrices : mapping from MatrixKey to a live matrix
    indices : mapping from MatrixKey to ndarray of int
        Ranks to remove.
    vectors : callable from MatrixKey to ndarray of shape (n_values, n_values)
        All singular vectors of the short side, one per row, largest value first.
    """
    originals: dict[MatrixKey, torch.Tensor] = {}
    try:
        for key, ranks in indices.items():
            if len(ranks):
                weight = matrices[key].read()
                originals[key] = weight
                chosen = torch.from_numpy(np.array(vectors(key)[ranks]))
                matrices[key].write(truncated(weight, chosen))
        yield
    finally:
        for key, weight in reversed(originals.items()):
            matrices[key].write(weight)
