"""The law of the smallest singular value of noise that is square or nearly so: that of the hard edge at zero.

References
----------
Edelman, SIAM J. Matrix Anal. Appl. 9, 543 (1988); Forrester, Nonlinearity 19, 2989 (2006).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator
from scipy.special import jv

UP_TO = 40
"""Excess of the long over the short side up to which the smallest values obey the hard edge's law."""

N_NODES = 48


def probability(points: ArrayLike, excess: int) -> np.ndarray:
    """Return the probability that the smallest level at a hard edge lies below each point.

    Parameters
    ----------
    points : array
        In the hard edge's own unit: (sqrt(long_side) + sqrt(short_side))**2 times the squared singular value of a
        matrix whose entries have variance one.
    excess : int
        long_side - short_side of the noise matrix.

    Notes
    -----
    1 - det(1 - K) with K(x, y) = sqrt(s) / 2 * J_a(sqrt(s x y)) on (0, 1), where a is the excess. For a square matrix
    this is 1 - exp(-s / 8 - sqrt(s) / 2), which is Edelman's law.
    """
    s = np.asarray(points, dtype=np.float64)
    if excess == 0:
        return -np.expm1(-s / 8 - np.sqrt(s) / 2)
    table = _table(excess)
    first, last = table.x[0], table.x[-1]
    with np.errstate(divide="ignore"):
        roots = 0.5 * np.log(s)
    # Far below the table the probability is a power of s, which the table's first slope continues.
    beyond = np.minimum(roots - first, 0) * float(table(first, 1))
    with np.errstate(under="ignore"):
        return np.where(roots > last, 1.0, np.minimum(np.exp(table(np.clip(roots, first, last)) + beyond), 1.0))


def unit(long_side: int, short_side: int) -> float:
    """Return what turns squared singular values of unit noise into the hard edge's unit.

    The textbook's 4 * short_side would do for square matrices only; this choice puts the edge of slightly longer ones
    where it is.
    """
    return (long_side**0.5 + short_side**0.5) ** 2


@lru_cache(maxsize=UP_TO + 1)
def _table(excess: int) -> PchipInterpolator:
    """Tabulate the logarithm of the probability over the logarithm of sqrt(s)."""
    roots = np.linspace(np.log(0.05), np.log(2.0 * excess + 14), 320)
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    x, halves = (nodes + 1) / 2, np.sqrt(weights / 2)
    s = np.exp(2 * roots)[:, None, None]
    kernels = np.sqrt(s) / 2 * jv(excess, np.sqrt(s * x[:, None] * x)) * halves[:, None] * halves
    survival = np.log1p(-np.minimum(np.linalg.eigvalsh(kernels), 1 - 1e-16)).sum(axis=1)
    known = -np.expm1(survival)
    return PchipInterpolator(roots, np.log(np.minimum(known, 1.0)))
