"""The edges of noise in a finite matrix: how large and how small its singular values can be by chance.

The largest squared singular value of noise follows the Tracy-Widom law of order 1
around the upper edge. At the lower end there are two laws: where the matrix is
clearly longer than wide, Tracy and Widom's again, mirrored; where it is square or
nearly so, the smallest values crowd at zero, and their law is the hard edge's.

References
----------
Johnstone, Ann. Statist. 29, 295 (2001), and Ma, Bernoulli 18, 322 (2012), for the
centring and scaling of the soft edges; Edelman, SIAM J. Matrix Anal. Appl. 9, 543
(1988), and Forrester, Nonlinearity 19, 2989 (2006), for the hard edge; Kritchman
and Nadler, IEEE Trans. Signal Process. 57, 3930 (2009), for counting signals so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from weightspectra.spectra.law import hard_edge, tracy_widom
from weightspectra.spectra.law.goodness import bulk_distance
from weightspectra.spectra.law.marchenko_pastur import count_outside
from weightspectra.spectra.law.noise_scale import LOWER_HALF, entry_std_by_trimming

MISFIT = 6
"""Levels by which noise is never displaced from its law: their number times
:func:`weightspectra.spectra.law.goodness.bulk_distance`."""

Outliers = tuple[int, int]
"""Numbers of values below and above the bulk."""

Fitted = TypeVar("Fitted")

MAX_ROUNDS = 50


@dataclass(frozen=True)
class NoiseBounds:
    """What noise explains of one spectrum, and what it does not.

    Attributes
    ----------
    noise_std : float
        Standard deviation of the noise entries, the outliers left out.
    noise_rank : int
        Number of singular values left to the noise.
    converged : bool
        Whether scale and outliers agree with each other.
    bound_lower, bound_upper : float
        Noise alone has a value below, or above, with probability level / 2 each.
    n_below, n_above : int
        Values beyond the bounds, those below the rounding floor left out.
    p_below, p_above : ndarray of shape (n_values,)
        For each singular value, in the order given: the probability that the
        smallest value of the noise is smaller, or the largest larger. These
        p-values are family-wise: they need no correction within the matrix. NaN below the rounding floor.
    """

    noise_std: float
    noise_rank: int
    converged: bool
    bound_lower: float
    bound_upper: float
    n_below: int
    n_above: int
    p_below: np.ndarray
    p_above: np.ndarray


def fit(singular_values: ArrayLike, n_out: int, n_in: int, *, level: float = 0.05, n_lost: int = 0) -> NoiseBounds:
    """Separate a spectrum into noise and outliers at both ends.

    Parameters
    ----------
    singular_values : array of shape (min(n_out, n_in),)
        Largest first.
    n_out, n_in : int
        Shape of the matrix.
    level : float
        Probability that a matrix of noise alone has any outlier; half of it at each end.
    n_lost : int
        Of the values, those below the rounding floor: less than half. They are no outliers, and have no p-values.

    Notes
    -----
    Scale and outliers depend on each other: an outlier widens the bulk that it is
    measured against. From no outliers on, the scale is fitted to the values that
    are left and the outliers are counted against it, until the counts repeat. A
    direction above the bulk takes one row and one column from the noise matrix; one
    below it is a direction of the short side in which the noise is weaker, and
    takes one from the short side alone. So does a value lost in rounding that lies
    below the bound; above it, it may be the noise's own, whose ranks it keeps.

    When more than a quarter of the values are spikes, the bulk that they widen can
    swallow them all. Where the fit is this bad, it begins once more from the scale
    of the lower half of the values, and the end that fits better counts. Noise never
    fits so badly, and keeps its error level.

    Examples
    --------
    Noise with entries of 0.02, and one direction that is stronger:

    >>> matrix = np.random.default_rng(0).normal(0, 0.02, (400, 100)) + 0.005
    >>> found = fit(np.linalg.svd(matrix, compute_uv=False), 400, 100)
    >>> found.n_below, found.n_above, round(found.noise_std, 3), round(found.bound_upper, 2)
    (0, 1, 0.02, 0.61)
    """
    values = np.asarray(singular_values, dtype=np.float64)
    long_side, short_side = max(n_out, n_in), min(n_out, n_in)
    found = _settle(values, long_side, short_side, level, (0, 0), n_lost)
    if found.misfit * found.shape[1] > MISFIT:
        scale = entry_std_by_trimming(values, long_side, short_side, LOWER_HALF, n_lost)
        start = count_outside(values, *bounds(scale, long_side, short_side, level))
        some_left = max(start[0], n_lost) + start[1] < short_side
        other = _settle(values, long_side, short_side, level, start, n_lost) if some_left else found
        found = min(found, other, key=lambda one: one.misfit)
    n_below, n_above = found.outliers
    kept = np.where(np.arange(values.size) < values.size - n_lost, values, np.nan)
    return NoiseBounds(
        found.noise_std,
        found.shape[1],
        found.converged,
        *found.bounds,
        max(n_below - n_lost, 0),
        n_above,
        # Without noise, everything that is there is structure.
        p_below=p_below(kept, found.noise_std, *found.shape) if found.noise_std > 0 else np.ones_like(values),
        p_above=p_above(kept, found.noise_std, *found.shape) if found.noise_std > 0 else (values == 0).astype(float),
    )


class _Fixed(NamedTuple):
    """Where the iteration of scale and outliers ended; outliers are counted below and above."""

    noise_std: float
    shape: tuple[int, int]
    bounds: tuple[float, float]
    outliers: Outliers
    converged: bool
    misfit: float


def _settle(
    values: np.ndarray, long_side: int, short_side: int, level: float, outliers: Outliers, n_lost: int
) -> _Fixed:
    """Fit scale and outliers in turn, from these outliers on."""

    def fit_without(below: int, above: int) -> tuple[Outliers, tuple[np.ndarray, float, tuple[float, float]]]:
        inside = values[above : short_side - below]
        lost = max(n_lost - below, 0)
        noise_std = entry_std_by_trimming(inside, long_side - above, inside.size, n_lost=lost)
        limits = bounds(noise_std, long_side - above, inside.size, level)
        return count_outside(values, *limits), (inside, noise_std, limits)

    left_out, found, (inside, noise_std, limits) = settle(fit_without, short_side, outliers, n_lost)
    shape = long_side - left_out[1], inside.size
    lost = max(n_lost - left_out[0], 0)
    misfit = bulk_distance(inside, *shape, noise_std, lost) if noise_std > 0 else 0.0
    return _Fixed(noise_std, shape, limits, found, found == left_out, misfit)


def settle(
    fit_without: Callable[[int, int], tuple[Outliers, Fitted]],
    n_values: int,
    outliers: Outliers = (0, 0),
    n_lost: int = 0,
) -> tuple[Outliers, Outliers, Fitted]:
    """Fit noise and count outliers in turn, until the counts agree or begin to repeat.

    Parameters
    ----------
    fit_without : callable
        From the numbers of values left out below and above to those then found
        outside, and whatever was fitted.
    n_values : int
        Singular values in all; when as many are outside, there is nothing left to fit.
    outliers : tuple of int
        The numbers to begin with.
    n_lost : int
        Of the values, those below the rounding floor, to which nothing can be fitted either.

    Returns
    -------
    left_out, found : tuple of int
        Equal where scale and outliers agree.
    fitted
        With the first of them left out.
    """
    seen: set[Outliers] = set()
    while True:
        seen.add(outliers)
        found, fitted = fit_without(*outliers)
        if found in seen or len(seen) == MAX_ROUNDS or max(found[0], n_lost) + found[1] >= n_values:
            return outliers, found, fitted
        outliers = found


def bounds(noise_std: float, long_side: int, short_side: int, level: float) -> tuple[float, float]:
    """Return the bounds that a noise matrix's singular values leave with probability ``level``, half at each end.

    Parameters
    ----------
    noise_std : float
        Standard deviation of the entries.
    long_side, short_side : int
    level : float
    """
    centre, width = _upper_law(long_side, short_side)
    upper = centre + width * tracy_widom.quantile(1 - level / 2)
    return noise_std * _lower_bound(long_side, short_side, level / 2), noise_std * float(np.sqrt(upper))


def p_above(singular_values: ArrayLike, noise_std: float, long_side: int, short_side: int) -> np.ndarray:
    """Return the probability that the largest singular value of noise exceeds each of the given ones."""
    centre, width = _upper_law(long_side, short_side)
    return tracy_widom.survival(((np.asarray(singular_values) / noise_std) ** 2 - centre) / width)


def p_below(singular_values: ArrayLike, noise_std: float, long_side: int, short_side: int) -> np.ndarray:
    """Return the probability that the smallest singular value of noise is below each of the given ones."""
    squares = (np.asarray(singular_values, dtype=np.float64) / noise_std) ** 2
    if long_side - short_side > hard_edge.UP_TO:
        centre, width = _lower_law(long_side, short_side)
        with np.errstate(divide="ignore"):
            return tracy_widom.survival((centre - np.log(squares)) / width)
    return hard_edge.probability(squares * hard_edge.unit(long_side, short_side), long_side - short_side)


def _upper_law(long_side: int, short_side: int) -> tuple[float, float]:
    """Return centre and width of the largest squared singular value of noise with unit variance (Johnstone)."""
    a, b = (long_side - 0.5) ** 0.5, (short_side - 0.5) ** 0.5
    return (a + b) ** 2, (a + b) * (1 / a + 1 / b) ** (1 / 3)


def _lower_law(long_side: int, short_side: int) -> tuple[float, float]:
    """Return centre and width of the logarithm of the smallest squared singular value (Ma)."""
    a, b = (long_side - 0.5) ** 0.5, (short_side - 0.5) ** 0.5
    width = (1 / b - 1 / a) ** (1 / 3) / (a - b)
    return 2 * float(np.log(a - b)) + width**2 / 8, width


@lru_cache(maxsize=4096)
def _lower_bound(long_side: int, short_side: int, probability: float) -> float:
    """Return what the smallest singular value of unit noise is below with this probability."""
    excess = long_side - short_side
    if excess > hard_edge.UP_TO:
        centre, width = _lower_law(long_side, short_side)
        return float(np.exp((centre - width * tracy_widom.quantile(1 - probability)) / 2))
    unit = hard_edge.unit(long_side, short_side)
    root = brentq(lambda r: float(hard_edge.probability(r**2, excess)) - probability, 0, 4.0 * (excess + 4))
    return float(root / np.sqrt(unit))
