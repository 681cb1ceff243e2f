"""What the calibration measures: matrices of noise, matrices with planted structure, and their singular values."""

import math

import numpy as np
import torch

from weightspectra.base import seeds

SEED = 20410
"""Every random number of the calibration follows from this seed and from what it is drawn for."""

ENTRY_STD = 0.02
"""Standard deviation of noise entries: that of most models before training."""

HEAVY_TAILED = "t(5), fp32"
KINDS = ("Gaussian, fp32", "Gaussian, bf16", "uniform, fp32", "uniform, bf16")


def generator(*purpose: object) -> np.random.Generator:
    """Return the random generator for one purpose."""
    return seeds.generator(SEED, *(str(word) for word in purpose))


def noise(kind: str, n_matrices: int, short_side: int, long_side: int, rng: np.random.Generator) -> torch.Tensor:
    """Draw matrices of independent entries, as a checkpoint would hold them.

    Parameters
    ----------
    kind : str
        One of ``KINDS``, or ``HEAVY_TAILED``: distribution and storage format.
    n_matrices, short_side, long_side : int
    rng : Generator

    Returns
    -------
    Tensor of shape (n_matrices, short_side, long_side), float32 or bfloat16
    """
    distribution, storage = kind.split(", ")
    shape = (n_matrices, short_side, long_side)
    if distribution == "Gaussian":
        entries = rng.standard_normal(shape, dtype=np.float32)
    elif distribution == "uniform":
        entries = (rng.random(shape, dtype=np.float32) - np.float32(0.5)) * np.float32(math.sqrt(12))
    else:
        entries = (rng.standard_t(5, shape) * math.sqrt(3 / 5)).astype(np.float32)
    entries *= np.float32(ENTRY_STD)
    return torch.from_numpy(entries).to({"fp32": torch.float32, "bf16": torch.bfloat16}[storage])


def singular_values(matrices: torch.Tensor) -> np.ndarray:
    """Return the singular values of a stack of matrices, largest first, in float64.

    Parameters
    ----------
    matrices : Tensor of shape (n_matrices, short_side, long_side)

    Notes
    -----
    Roots of the Gram matrix's eigenvalues, without vectors. Their relative error is
    eps * condition**2: for noise of these sizes at most 1e-6 in the smallest value
    of a square matrix, which is nothing beside the width of its law.
    """
    wide = matrices.double()
    squares = torch.linalg.eigvalsh(wide @ wide.mT).flip(-1).clamp(min=0)
    return squares.sqrt().numpy()


def directions(dimension: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw orthonormal directions, uniformly over all such sets; shape (dimension, count)."""
    basis, triangle = np.linalg.qr(rng.standard_normal((dimension, count)))
    return basis * np.sign(np.diag(triangle))


def threshold(n_out: int, n_in: int) -> float:
    """Return the strength above which a planted direction leaves the bulk of unit noise: (n_out * n_in)**(1/4).

    Unit noise has entries of standard deviation 1 / sqrt(long side).
    """
    return (n_out * n_in) ** 0.25 / max(n_out, n_in) ** 0.5


def planted(n_out: int, n_in: int, strengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw unit noise with planted rank-one spikes along random orthonormal directions.

    Parameters
    ----------
    n_out, n_in : int
    strengths : array of shape (n_spikes,)
        Singular values of what is planted, in units of :func:`threshold`.
    rng : Generator

    Returns
    -------
    ndarray of shape (n_out, n_in), float64
    """
    matrix = rng.standard_normal((n_out, n_in)) / max(n_out, n_in) ** 0.5
    if len(strengths):
        left, right = (directions(n, len(strengths), rng) for n in (n_out, n_in))
        matrix += (left * (np.asarray(strengths) * threshold(n_out, n_in))) @ right.T
    return matrix
