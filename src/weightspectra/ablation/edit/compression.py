"""Low-rank copies of matrices at a given size: which rank each one gets, and which directions it keeps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
import torch

from weightspectra.ablation.edit.truncation import Stored
from weightspectra.ablation.edit.whitening import leading_outputs
from weightspectra.ablation.settings import Compress
from weightspectra.contracts import MatrixKey

Shapes = Mapping[MatrixKey, tuple[int, int]]
"""(n_out, n_in) by matrix."""

Ranks = dict[MatrixKey, int]


@dataclass(frozen=True)
class LowRank:
    """A matrix becomes the nearest one of a lower rank.

    Attributes
    ----------
    rank : int
        min(n_out, n_in) leaves the matrix as it is.
    n_out, n_in : int
        Shape of the matrix.
    whitened : bool
        Nearest in what the layer puts out, not in the entries.

    Notes
    -----
    Plain: the singular values behind the first ``rank`` go, which leaves the
    smallest possible ``|W - W'|_F`` (Eckart and Young).

    Whitened: of all matrices of this rank, ``W' = U_r U_r' W`` leaves the
    smallest ``E|(W - W') x|^2``, where the rows of ``U_r'`` are the leading left
    singular vectors of ``W S``, ``S S' = M = E x x'``. Proof: the error is
    ``|W S - W' S|_F^2``, and no ``W' S`` of this rank comes closer to ``W S`` than
    its truncation ``U_r U_r' W S``. What goes is the sum of the squared singular
    values of ``W S`` behind the first ``rank``. For an invertible ``S`` this is
    ``(W S)_r S^-1``, truncation-aware whitening as in SVD-LLM; written as a
    projection of the output, it needs no inverse, and so neither bounds on the
    condition of ``M`` nor the roundings that an inverse would amplify. All
    matrices are edited with the moments of the untouched model's inputs, as
    there: no layer hears of the errors that those before it now make.

    References
    ----------
    X. Wang, Y. Zheng, Z. Wan, M. Zhang, SVD-LLM (ICLR 2025), arXiv 2403.07378,
    section 3.1. A. J. Izenman, J. Multivariate Anal. 5, 248 (1975) for the same
    minimum as a reduced-rank regression.
    """

    rank: int
    n_out: int
    n_in: int
    whitened: bool = False

    @property
    def n_removed(self) -> int:
        """Singular values that go."""
        return min(self.n_out, self.n_in) - self.rank

    @property
    def n_parameters(self) -> int | None:
        """Parameters of the two factors, if these are fewer than the matrix has."""
        factorised = self.rank * (self.n_out + self.n_in)
        return factorised if factorised < self.n_out * self.n_in else None

    def __call__(self, key: MatrixKey, weight: torch.Tensor, stored: Stored) -> torch.Tensor:
        """Return the matrix of lower rank, computed in float64 and rounded once."""
        if not self.n_removed:
            return weight
        exact = weight.to(torch.float64)
        if self.whitened:
            if stored.moments is None:
                raise ValueError(f"{key}: whitening needs the moments of the layer's input")
            left = leading_outputs(exact, stored.moments(key), self.rank)
            return (left.T @ (left @ exact)).to(weight.dtype)
        vectors = torch.from_numpy(np.array(stored.vectors(key)[: self.rank])).to(exact)
        kept = vectors.T @ (vectors @ exact) if self.n_out <= self.n_in else (exact @ vectors.T) @ vectors
        return kept.to(weight.dtype)


@dataclass(frozen=True)
class Compression:
    """Turns ``compress`` of the configuration into edits, one set for each method and size.

    Attributes
    ----------
    shapes : mapping from MatrixKey to (n_out, n_in)
    n_informative : mapping from MatrixKey to float
        Directions that noise does not explain, as :func:`informative_directions`
        finds them; only the methods that go by the boundary ask for them.
    """

    shapes: Shapes
    n_informative: Mapping[MatrixKey, float]

    def __call__(self, wanted: Compress, keys: Sequence[MatrixKey]) -> Iterator[tuple[str, dict[MatrixKey, LowRank]]]:
        """Yield each method and size by name, ``"whitened to 0.8"``, with its edits of one group of matrices."""
        shapes = {key: self.shapes[key] for key in keys}
        for size in wanted.sizes:
            for method in wanted.methods:
                ranks = uniform_ranks(shapes, size)
                if method in ("boundary", "whitened_boundary"):
                    ranks = shared_ranks(shapes, {key: self.n_informative[key] for key in keys}, ranks)
                whitened = method in ("whitened", "whitened_boundary")
                yield f"{method} to {size:g}", {key: LowRank(ranks[key], *shapes[key], whitened) for key in keys}


def informative_directions(information: pd.DataFrame) -> dict[MatrixKey, float]:
    """Return how many singular directions of each matrix noise does not explain, at least one.

    Parameters
    ----------
    information : DataFrame
        Rows of ``contracts.INFORMATION``; the shares of the three regions, times
        their directions, add up to an unbiased count for the matrix.
    """
    rows = information.assign(found=information["information"] * information["n_directions"])
    counts = rows.groupby(list(MatrixKey._fields), as_index=False)["found"].sum()
    return {MatrixKey(row.layer, row.role, row.expert): max(row.found, 1.0) for row in counts.itertuples()}


def uniform_ranks(shapes: Shapes, size: float) -> Ranks:
    """Return the largest rank of each matrix whose two factors fit into the share ``size`` of it.

    ``rank (n_out + n_in) <= size n_out n_in``; a size of 1 leaves the matrix whole.
    """
    share = Fraction(str(size))
    return {
        key: min(n_out, n_in) if share >= 1 else int(share * n_out * n_in // (n_out + n_in))
        for key, (n_out, n_in) in shapes.items()
    }


def shared_ranks(shapes: Shapes, weights: Mapping[MatrixKey, float], like: Ranks) -> Ranks:
    """Divide the parameters that some ranks take among the same matrices in other proportions.

    Parameters
    ----------
    shapes : mapping from MatrixKey to (n_out, n_in)
    weights : mapping from MatrixKey to float
        Positive; ranks are proportional to them.
    like : mapping from MatrixKey to int
        The ranks whose parameters are divided.

    Returns
    -------
    dict from MatrixKey to int
        A matrix whose factors would take as much as itself stays whole, and
        what it cannot use goes to the others. Ranks are rounded down, and the
        parameters that this leaves go, one rank each, to the largest remainders
        that they suffice for. Fewer are left in the end than one rank of any
        matrix that is not whole takes.
    """
    budget = sum(_n_parameters(shapes[key], rank) for key, rank in like.items())
    exact = _proportional(shapes, weights, budget)
    ranks = {key: _whole_if_no_smaller(shapes[key], int(rank)) for key, rank in exact.items()}
    left = budget - sum(_n_parameters(shapes[key], rank) for key, rank in ranks.items())
    order = sorted(shapes, key=lambda key: ranks[key] - exact[key])
    for key in [*order, *order]:
        more = _whole_if_no_smaller(shapes[key], min(ranks[key] + 1, min(shapes[key])))
        price = _n_parameters(shapes[key], more) - _n_parameters(shapes[key], ranks[key])
        if price <= left:
            ranks[key], left = more, left - price
    return ranks


def _proportional(shapes: Shapes, weights: Mapping[MatrixKey, float], budget: int) -> dict[MatrixKey, float]:
    """Return real ranks proportional to the weights, matrices that reach their own size cut off there."""
    full = {key: n_out * n_in / (n_out + n_in) for key, (n_out, n_in) in shapes.items()}
    capped: dict[MatrixKey, float] = {}
    while True:
        free = [key for key in shapes if key not in capped]
        spent = sum(rank * sum(shapes[key]) for key, rank in capped.items())
        unit = sum(weights[key] * sum(shapes[key]) for key in free)
        found = {key: weights[key] * (budget - spent) / unit for key in free}
        over = {key: full[key] for key in free if found[key] >= full[key]}
        if not over:
            return {**capped, **found}
        capped.update(over)


def _whole_if_no_smaller(shape: tuple[int, int], rank: int) -> int:
    """Return the rank, or the full one if factors of this rank take as many parameters as the matrix."""
    n_out, n_in = shape
    return min(shape) if rank * (n_out + n_in) >= n_out * n_in else rank


def _n_parameters(shape: tuple[int, int], rank: int) -> int:
    n_out, n_in = shape
    return min(rank * (n_out + n_in), n_out * n_in)
