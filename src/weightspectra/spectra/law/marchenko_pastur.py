"""The Marchenko-Pastur law for singular values: what the spectrum of pure noise looks like.

For a matrix of independent entries with mean zero and standard deviation
``entry_std``, with q = long side / short side >= 1 and
``scale`` = entry_std * sqrt(long side), the singular values fill the interval
scale * (1 -+ q**-0.5) as the matrix grows. Everything here is in units of
``scale`` or takes it as a parameter; nothing needs the matrix itself.

References
----------
Marchenko and Pastur, Math. USSR Sb. 1, 457 (1967); Staats, Thamm and Rosenow,
arXiv 2410.17770v3, Eqs 4-5.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq


@dataclass(frozen=True)
class Bulk:
    """The Marchenko-Pastur law fitted to one spectrum, and what lies outside it.

    Attributes
    ----------
    aspect_ratio : float
        q = long side / short side, >= 1.
    entry_std, scale : float
        Standard deviation of the noise entries, and that times sqrt(long side).
    edge_lower, edge_upper : float
        The asymptotic edges.
    n_values, n_below, n_above : int
        Singular values in all, below the lower edge (those below the rounding floor left out), and above the upper one.
    """

    aspect_ratio: float
    entry_std: float
    scale: float
    edge_lower: float
    edge_upper: float
    n_values: int
    n_below: int
    n_above: int


def fit(singular_values: ArrayLike, n_out: int, n_in: int, n_lost: int = 0) -> Bulk:
    """Fit the law by its median and count the values outside its asymptotic edges.

    Parameters
    ----------
    singular_values : array of shape (min(n_out, n_in),)
        All of them, in any order.
    n_out, n_in : int
        Shape of the matrix.
    n_lost : int
        Of them, those below the rounding floor: less than half. They are in their ranks, and counted nowhere.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.02, (400, 100))
    >>> bulk = fit(np.linalg.svd(noise, compute_uv=False), 400, 100)
    >>> round(bulk.entry_std, 3), round(bulk.edge_lower, 2), round(bulk.edge_upper, 2)
    (0.02, 0.2, 0.6)
    """
    values = np.asarray(singular_values, dtype=np.float64)
    entry_std = entry_std_by_median(values, n_out, n_in)
    lower, upper = edges(entry_std, n_out, n_in)
    n_below, n_above = count_outside(values, lower, upper, n_lost)
    scale = entry_std * max(n_out, n_in) ** 0.5
    return Bulk(aspect_ratio(n_out, n_in), entry_std, scale, lower, upper, values.size, n_below, n_above)


def aspect_ratio(n_out: int, n_in: int) -> float:
    """Return q = long side / short side, >= 1."""
    return max(n_out, n_in) / min(n_out, n_in)


def entry_std_by_median(singular_values: ArrayLike, n_out: int, n_in: int) -> float:
    """Estimate the standard deviation of the noise entries from the median of the squared singular values.

    A few outliers, at either end, hardly move a median. This is the estimator of
    the paper: sqrt(median(s**2) / (max(n_out, n_in) * mu)), where mu is
    :func:`median_eigenvalue` (Azadkia, arXiv 1801.10015).

    Raises
    ------
    ValueError
        When the number of values is not min(n_out, n_in): the median of a part
        of the spectrum would be another quantile of the law.
    """
    values = np.asarray(singular_values, dtype=np.float64)
    if values.shape != (min(n_out, n_in),):
        raise ValueError(f"expected all {min(n_out, n_in)} singular values, found an array of shape {values.shape}")
    variance = np.median(values**2) / (max(n_out, n_in) * median_eigenvalue(aspect_ratio(n_out, n_in)))
    return float(np.sqrt(variance))


def edges(entry_std: float, n_out: int, n_in: int) -> tuple[float, float]:
    """Return the asymptotic edges of the bulk: entry_std * (sqrt(long side) -+ sqrt(short side))."""
    long, short = max(n_out, n_in), min(n_out, n_in)
    return entry_std * (long**0.5 - short**0.5), entry_std * (long**0.5 + short**0.5)


def count_outside(singular_values: ArrayLike, lower: float, upper: float, n_lost: int = 0) -> tuple[int, int]:
    """Return how many values are below ``lower`` and how many are above ``upper``; an edge itself is inside.

    The ``n_lost`` smallest, those below the rounding floor, do not count.
    """
    values = np.asarray(singular_values)
    return max(int(np.count_nonzero(values < lower)) - n_lost, 0), int(np.count_nonzero(values > upper))


def density(singular_values: ArrayLike, aspect_ratio: float, scale: float = 1.0) -> np.ndarray:
    """Return the probability density of singular values, zero outside the edges.

    Notes
    -----
    P(nu) = q / (pi scale**2 nu) * sqrt((nu+**2 - nu**2) (nu**2 - nu-**2)) with
    nu-+ = scale * (1 -+ q**-0.5). For q = 1 this is a quarter circle.
    """
    nu = np.asarray(singular_values, dtype=np.float64) / scale
    lower, upper = 1 - aspect_ratio**-0.5, 1 + aspect_ratio**-0.5
    inside = (nu >= lower) & (nu <= upper)
    safe = np.where(inside, nu, upper)
    # A square matrix has no lower edge: the second factor is 1 then, at zero too.
    fraction = np.divide(lower, safe, out=np.zeros_like(safe), where=safe > 0)
    values = np.sqrt((upper**2 - safe**2) * (1 - fraction**2))
    return np.where(inside, aspect_ratio / (np.pi * scale) * values, 0.0)


def cdf(singular_values: ArrayLike, aspect_ratio: float, scale: float = 1.0) -> np.ndarray:
    """Return the probability that a singular value of pure noise is at most the given one.

    Notes
    -----
    With g = 1/q and nu**2 = scale**2 * (1 + g - 2 sqrt(g) cos(t)), the edges are
    t = 0 and t = pi, and the density of t is
    (2/pi) sin(t)**2 / (1 + g - 2 sqrt(g) cos(t)), which has an elementary integral.
    """
    g = 1 / aspect_ratio
    squares = (np.asarray(singular_values, dtype=np.float64) / scale) ** 2
    angle = np.arccos(np.clip((1 + g - squares) / (2 * g**0.5), -1, 1))
    half = np.arctan2((1 + g**0.5) * np.sin(angle / 2), (1 - g**0.5) * np.cos(angle / 2))
    return (2 * g**0.5 * np.sin(angle) + (1 + g) * angle - 2 * (1 - g) * half) / (2 * np.pi * g)


@lru_cache(maxsize=256)
def median_eigenvalue(aspect_ratio: float) -> float:
    """Return the median of the squared singular values in units of ``scale``: the paper's mu.

    It falls from 1 for a very long matrix, where all values are equal, to 0.6528
    for a square one.
    """
    lower, upper = 1 - aspect_ratio**-0.5, 1 + aspect_ratio**-0.5
    return float(brentq(lambda nu: float(cdf(nu, aspect_ratio)) - 0.5, lower, upper, xtol=1e-15, rtol=1e-14)) ** 2
