"""What training changed in a weight matrix: the spectrum of the difference, and where in the base's it lies."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import beta

from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.randomness import bulk
from weightspectra.spectra import rounding, svd
from weightspectra.spectra.deciles import decile_ranks

DECILES = range(1, 11)

N_LEADING = 10
"""Leading directions of a difference; a fine-tuning's changes are mostly of a rank like this."""

BAND = (0.025, 0.975)
"""Probabilities of the quantiles between which a share lies by chance."""

SIDES = ("left", "right")


def compare(
    base: np.ndarray,
    tuned: np.ndarray,
    short_vectors: np.ndarray,
    *,
    level: float = 0.05,
    rounding_stds: tuple[float, float] = (0.0, 0.0),
    device: torch.device | str | None = None,
    name: str = "matrix",
) -> dict[str, Any]:
    """Decompose the difference of two matrices, and find it in the singular directions of the first.

    Parameters
    ----------
    base, tuned : ndarray of shape (n_out, n_in)
        Before and after.
    short_vectors : ndarray of shape (n_values, n_values)
        Singular vectors of the base's short side, one per row, largest first.
    level : float
        Family-wise error level of the bound on the difference's singular values.
    rounding_stds : (float, float)
        Of either matrix, as in ``contracts.MATRICES``; NaN where it is unknown.
    device : torch device, optional
    name : str
        For errors.

    Returns
    -------
    dict
        The columns of ``contracts.COMPARISONS`` that say something of the matrix.

    Raises
    ------
    UserError
        When the shapes differ, or an entry is not finite.

    Notes
    -----
    With D the difference and V_d the base's right singular vectors of decile d
    (rows), ``right_shares`` are ``|D V_d'|_F^2 / |D|_F^2``, and ``left_shares``
    ``|U_d D|_F^2 / |D|_F^2``. On the long side, the base's n_values vectors do
    not span the whole space: there the shares add up to less than one, by the
    energy in directions that the base does not read or write at all.
    ``leading`` shares are those of a matrix with the difference's ten leading
    singular vectors and equal singular values, so that one large direction
    does not outweigh nine others. Bounds: :func:`weightspectra.randomness.bulk.bounds_above_rounding`,
    the errors of both matrices added.
    """
    if base.shape != tuned.shape:
        found_shapes = f"found shapes {base.shape} and {tuned.shape}"
        raise UserError(f"{name}: {found_shapes}; only models of one shape can be compared")
    before, after = (torch.tensor(weight, dtype=torch.float64, device=device) for weight in (base, tuned))
    change = after - before
    found = svd.decompose(change, device=device, name=f"difference of {name}")
    columns = _of_whole(before, change, found.singular_values.cpu().numpy(), level, rounding_stds)
    for side in SIDES:
        vectors = svd.vectors_of_side(side, before, short_vectors, device=device)
        columns |= _shares_of_side(side, vectors, change, found)
    return columns


def check_same_matrices(base: Collection[MatrixKey], tuned: Collection[MatrixKey], name: str) -> None:
    """Refuse two models that have not the same matrices.

    Raises
    ------
    UserError
        Naming the first that one of them lacks.
    """
    for one, other, which in ((base, tuned, "second"), (tuned, base, "first")):
        lacking = [key for key in one if key not in other]
        if lacking:
            raise UserError(
                f"{name}: the {which} model lacks {len(lacking)} of the other's {len(one)} matrices, the first "
                f"{lacking[0]}; only models of one architecture can be compared"
            )


def decile_shares(vectors: torch.Tensor, reached: torch.Tensor) -> np.ndarray:
    """Return the share of a matrix's energy that lies in the directions of each decile.

    Parameters
    ----------
    vectors : Tensor of shape (n_values, N)
        Orthonormal directions, one per row, those of the largest singular value first.
    reached : Tensor of shape (N, anything)

    Returns
    -------
    ndarray of float64, shape (10,)
        Decile 1, the smallest tenth, first; NaN for a matrix of zeros.
    """
    by_direction = torch.linalg.vector_norm(vectors @ reached, dim=1).square().cpu().numpy()
    total = float(reached.square().sum())
    by_decile = [by_direction[decile_ranks(len(vectors), decile)].sum() for decile in DECILES]
    return np.array(by_decile) / total if total else np.full(len(DECILES), np.nan)


def null_shares(n_directions: int, dimension: int, energies: np.ndarray) -> tuple[float, float, float]:
    """Return mean and 2.5 % and 97.5 % quantiles of the share that a random matrix has in given directions.

    Parameters
    ----------
    n_directions : int
        Orthonormal directions, m.
    dimension : int
        Of the space, N.
    energies : ndarray
        Squared singular values of the random matrix; its singular vectors are
        random (Haar) on the side of the directions.

    Notes
    -----
    The share is tr(P Q A Q') with a projection P of rank m, A of trace one with
    eigenvalues p_j, and a random orthogonal Q. Its mean is m / N. Without their
    means, A becomes B and P becomes R; the second and third central moments
    can only be proportional to tr B^2 tr R^2 and tr B^3 tr R^3, and what they
    are for one direction, where the share follows Beta(m / 2, (N - m) / 2),
    gives the factors ``2 / ((N - 1)(N + 2))`` and ``8 N / ((N - 1)(N - 2)(N +
    2)(N + 4))``. The quantiles are those of the Beta law with this mean and
    variance, moved by what its third moment lacks (E. A. Cornish and R. A.
    Fisher, Rev. Inst. Int. Stat. 5, 307 (1938)); for one direction they are exact.
    """
    m, n, share = n_directions, dimension, n_directions / dimension
    if not 0 < m < n or n < 3 or not energies.any():
        return share, share, share
    p = energies / energies.sum()
    second = float(np.square(p).sum()) - 1 / n
    third = float((p**3).sum()) - 3 * (second + 1 / n) / n + 2 / n**2
    variance = 2 / ((n - 1) * (n + 2)) * second * m * (1 - share)
    if variance <= np.finfo(float).eps * share:
        return share, share, share
    size = share * (1 - share) / variance - 1
    law = beta(share * size, (1 - share) * size)
    skewness = (
        8 * n / ((n - 1) * (n - 2) * (n + 2) * (n + 4)) * third * m * (1 - share) * (1 - 2 * share) / variance**1.5
    )
    lacking = (skewness - float(law.stats("s"))) * variance**0.5 / 6
    low, high = (float(law.ppf(q) + lacking * (ndtri(q) ** 2 - 1)) for q in BAND)
    return share, low, high


def _of_whole(
    before: torch.Tensor, change: torch.Tensor, values: np.ndarray, level: float, rounding_stds: tuple[float, float]
) -> dict[str, Any]:
    """Return the columns on the change as a whole, of which ``values`` are the singular values."""
    energy, norm = float(np.square(values).sum()), float(torch.linalg.vector_norm(before))
    shape = before.shape[0], before.shape[1]
    floor = rounding.rounding_floor(float(np.sqrt(np.nansum(np.square(rounding_stds)))), *shape, values[0])
    noise = bulk.bounds_above_rounding(values, *shape, level, floor) if energy > 0 else None
    return {
        "relative_change": float(np.sqrt(energy)) / norm if norm else float("nan"),
        "stable_rank": energy / values[0] ** 2 if energy else float("nan"),
        "n_above": noise.n_above if noise else 0,
        "bound_upper": noise.bound_upper if noise else 0.0,
        "alignment": float((before * change).sum()) / (norm * np.sqrt(energy)) if norm and energy else float("nan"),
        "singular_values": values,
    }


def _shares_of_side(
    side: str, vectors: torch.Tensor, change: torch.Tensor, found: svd.Decomposition
) -> dict[str, np.ndarray]:
    """Return the columns of one side: shares of a change, which ``found`` decomposes, and of its leading directions."""
    leading = (found.short_vectors if side == found.short_side else found.long_vectors)[:N_LEADING]
    against = change if side == "left" else change.T
    values = found.singular_values.cpu().numpy()
    return {
        **_shares(side, vectors, against, np.square(values)),
        **_shares(f"{side}_leading", vectors, leading.T, np.ones(len(leading))),
    }


def _shares(name: str, vectors: torch.Tensor, reached: torch.Tensor, energies: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of one side and kind: shares, their mean by chance (of all energy only), and the band."""
    n_values, dimension = vectors.shape
    sizes = [len(decile_ranks(n_values, decile)) for decile in DECILES]
    expected, low, high = np.transpose([null_shares(size, dimension, energies) for size in sizes])
    band = {f"{name}_low": low, f"{name}_high": high}
    if name in SIDES:
        return {f"{name}_shares": decile_shares(vectors, reached), f"{name}_expected": expected, **band}
    return {name: decile_shares(vectors, reached), **band}
