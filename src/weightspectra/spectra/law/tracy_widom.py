"""The Tracy-Widom law of real matrices: how far the largest singular value of noise strays beyond its edge.

The law of order 1 is F1(s) = det(1 - V) with V(x, y) = Ai((x + y) / 2) / 2 on
(s, infinity), a determinant that Gauss and Legendre's quadrature gives to
rounding. It is tabulated once, when first asked for.

References
----------
Tracy and Widom, Commun. Math. Phys. 177, 727 (1996); Ferrari and Spohn, J. Phys.
A 38, L557 (2005), for the determinant; Bornemann, Markov Process. Relat. Fields
16, 803 (2010), for its quadrature.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import airy

LOWEST, HIGHEST = -10.0, 30.0
"""Where the table begins and ends: below, the survival is 1 to rounding; above, its asymptotic form is right to 1 %."""

KNOTS = np.concatenate([np.arange(LOWEST, 4, 0.125), np.arange(4, HIGHEST + 0.25, 0.5)])
"""Where it is computed; further up its logarithm hardly bends."""

N_NODES = 28


def survival(points: ArrayLike) -> np.ndarray:
    """Return the probability that a variable of the Tracy-Widom law of order 1 exceeds each point.

    The relative accuracy holds far into the tail: 1e-7 up to 30, where the
    probability is 1e-49, and about 1 % beyond.
    """
    s = np.asarray(points, dtype=np.float64)
    beyond = np.maximum(s, HIGHEST)
    # 1 - F1(s) ~ s**-3/4 exp(-2/3 s**3/2) / (4 sqrt(pi))
    with np.errstate(under="ignore"):
        asymptotic = np.exp(-2 / 3 * beyond**1.5) / (4 * np.sqrt(np.pi) * beyond**0.75)
        tabulated = np.exp(_log_survival()(np.clip(s, LOWEST, HIGHEST)))
    return np.where(s > HIGHEST, asymptotic, np.minimum(tabulated, 1.0))


@lru_cache(maxsize=64)
def quantile(probability: float) -> float:
    """Return the point that a variable of the Tracy-Widom law of order 1 stays below with this probability.

    Raises
    ------
    ValueError
        Unless 1e-9 < probability < 1.
    """
    if not 1e-9 < probability < 1:
        raise ValueError(f"a probability between 1e-9 and 1 is needed, not {probability}")
    return float(brentq(lambda s: float(survival(s)) - (1 - probability), LOWEST, HIGHEST, xtol=1e-12))


@lru_cache(maxsize=1)
def _log_survival() -> CubicSpline:
    """Tabulate log(1 - F1)."""
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    # The kernel has died out twelve units to the right of zero, and sixteen to the right of any point.
    half = np.maximum(16.0, 12.0 - KNOTS) / 2
    x = KNOTS[:, None] + half[:, None] * (nodes + 1)
    roots = np.sqrt(half[:, None] * weights)
    kernels = 0.5 * airy((x[:, :, None] + x[:, None, :]) / 2)[0] * roots[:, :, None] * roots[:, None, :]
    eigenvalues = np.minimum(np.linalg.eigvalsh(kernels), 1 - 1e-16)
    # log det(1 - V) keeps its relative accuracy where V is small.
    return CubicSpline(KNOTS, np.log(-np.expm1(np.log1p(-eigenvalues).sum(axis=1))))
