"""Level statistics: how unfolded singular values are spaced, against the Gaussian orthogonal ensemble (GOE).

Inside the bulk of a real noise matrix, the singular values of any entry
distribution repel each other as the eigenvalues of the GOE do. Independent
values, which is what unrelated structures would leave, do not repel.

References
----------
Mehta, *Random Matrices*, 3rd ed. (2004), chapters 7 and 16; Brody, Lett. Nuovo
Cimento 7, 482 (1973); Oganesyan and Huse, Phys. Rev. B 75, 155111 (2007), and Atas
et al., Phys. Rev. Lett. 110, 084101 (2013), for the gap ratio; Guhr,
Mueller-Groeling and Weidenmueller, Phys. Rep. 299, 189 (1998).
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.special import gammaln, sici

LENGTHS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
"""Lengths of the intervals in which levels are counted, in mean distances of levels."""

LARGEST_SHARE = 0.2
"""Of all levels, the longest interval holds no more than this share."""

N_RESAMPLES = 1000

_EXPONENTS = np.linspace(0, 3, 61)


def statistics(unfolded: np.ndarray, unfolding: str) -> dict[str, float]:
    """Return the statistics of unfolded levels that are held against simulated noise.

    Parameters
    ----------
    unfolded : ndarray of shape (n,)
        Ascending.
    unfolding : str
        How they were unfolded; part of the names.

    Returns
    -------
    dict from str to float
        For example ``'spacing distance/drop'``, ``'gap ratio/drop'``, and for each
        length that fits ``'number variance/drop/5'``.
    """
    spacings = np.diff(unfolded)
    lengths = fitting_lengths(unfolded)
    variances = number_variance(unfolded, lengths)
    return {
        f"spacing distance/{unfolding}": wigner_distance(spacings),
        f"gap ratio/{unfolding}": gap_ratio(spacings),
        **{
            f"number variance/{unfolding}/{length:g}": float(variance)
            for length, variance in zip(lengths, variances, strict=True)
        },
    }


class Brody(NamedTuple):
    """Brody's exponent, and the ends of its 95 % bootstrap interval."""

    exponent: float
    low: float
    high: float


def wigner_distance(spacings: ArrayLike) -> float:
    """Return the Kolmogorov-Smirnov distance of spacings to Wigner's surmise, 1 - exp(-pi s**2 / 4).

    Parameters
    ----------
    spacings : array of shape (n,)
        Distances of neighbouring unfolded levels, in any order.

    Notes
    -----
    Its null distribution has to be simulated. The tables of Kolmogorov's test
    do not hold: spacings are not independent (a large one follows a small one),
    their mean was set to 1 from the data themselves, the local unfolding pulls
    each towards that mean, and the surmise is itself only nearly the law of
    large matrices.
    """
    s = np.sort(np.asarray(spacings, dtype=np.float64))
    probabilities = -np.expm1(-np.pi / 4 * s**2)
    ranks = np.arange(s.size)
    return float(max((probabilities - ranks / s.size).max(), ((ranks + 1) / s.size - probabilities).max()))


def gap_ratio(spacings: ArrayLike) -> float:
    """Return the mean over neighbouring pairs of spacings of the smaller over the larger one.

    The local density cancels, so that this depends little on the unfolding.
    GOE: 0.5307 (Atas et al., Table I); independent levels: 2 ln 2 - 1 = 0.386.

    Parameters
    ----------
    spacings : array of shape (n,), n >= 2
        In the order of the levels, not all zero. Where three levels are equal,
        their two spacings have no ratio and do not count.
    """
    s = np.asarray(spacings, dtype=np.float64)
    larger, smaller = np.maximum(s[1:], s[:-1]), np.minimum(s[1:], s[:-1])
    return float((smaller[larger > 0] / larger[larger > 0]).mean())


def brody(spacings: ArrayLike, rng: np.random.Generator, n_resamples: int = N_RESAMPLES) -> Brody:
    """Fit Brody's distribution by maximum likelihood: exponent 0 for independent levels, near 1 for GOE.

    Parameters
    ----------
    spacings : array of shape (n,)
        In any order, with mean 1.
    rng : Generator
        For the bootstrap.
    n_resamples : int
        Bootstrap resamples of the spacings.

    Returns
    -------
    Brody
        The exponent lies between 0 and 3.

    Notes
    -----
    p(s) = (b + 1) c s**b exp(-c s**(b + 1)) with c = Gamma((b + 2) / (b + 1))**(b + 1);
    b = 0 is Poisson's law and b = 1 Wigner's surmise. GOE matrices give 0.96, since
    the surmise is not quite their law. The likelihood is evaluated on a grid of
    exponents, and its maximum interpolated by a parabola. Least squares on the
    distribution function, the other usual fit, has a standard error a seventh
    larger. A resample is a weighted sum of log-densities that are known already,
    so that all of them are one matrix product.
    """
    s = np.asarray(spacings, dtype=np.float64)
    likelihoods = brody_log_density(s, _EXPONENTS)
    [exponent] = _maximum(likelihoods.sum(axis=1)[None])
    drawn = rng.integers(s.size, size=(n_resamples, s.size), dtype=np.int32)
    drawn += s.size * np.arange(n_resamples, dtype=np.int32)[:, None]
    weights = np.bincount(drawn.ravel(), minlength=n_resamples * s.size).reshape(n_resamples, s.size)
    low, high = np.quantile(_maximum(weights.astype(np.float64) @ likelihoods.T), [0.025, 0.975])
    return Brody(float(exponent), float(low), float(high))


def brody_log_density(spacings: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Return the logarithm of Brody's density, of shape (n_exponents, n_spacings).

    Equal levels have a spacing of zero, whose density is zero unless the
    exponent is: they count as the smallest number instead, so that a likelihood
    stays finite, though very small.
    """
    b = exponents[:, None]
    log_s = np.log(np.maximum(spacings, np.finfo(np.float64).tiny))
    log_c = (b + 1) * gammaln((b + 2) / (b + 1))
    with np.errstate(under="ignore"):
        return np.log(b + 1) + log_c + b * log_s - np.exp(log_c + (b + 1) * log_s)


def fitting_lengths(unfolded: ArrayLike, lengths: tuple[float, ...] = LENGTHS) -> tuple[float, ...]:
    """Return the lengths that are short enough for the number variance of these levels."""
    levels = np.asarray(unfolded)
    longest = LARGEST_SHARE * (levels[-1] - levels[0]) if levels.size else 0.0
    return tuple(length for length in lengths if length <= longest)


def number_variance(unfolded: ArrayLike, lengths: ArrayLike) -> np.ndarray:
    """Return the variance of the number of levels in an interval, over all its positions within the levels.

    Parameters
    ----------
    unfolded : array of shape (n,)
        Unfolded levels, ascending.
    lengths : array of shape (n_lengths,)
        Lengths of the interval, shorter than the range of the levels.

    Raises
    ------
    ValueError
        When an interval is longer than that range.

    Notes
    -----
    The interval [x, x + L] slides over all x with both ends between the first level
    and the last. The mean count and the mean number of pairs are integrals over
    x: a pair of levels is in the interval for L minus its distance, less what the
    ends cut off. So the variance is exact, with no random positions.
    """
    levels = np.asarray(unfolded, dtype=np.float64)
    return np.array([_number_variance(levels, float(length)) for length in np.atleast_1d(lengths)])


def goe_number_variance(lengths: ArrayLike) -> np.ndarray:
    """Return the number variance of the GOE in the limit of large matrices.

    Parameters
    ----------
    lengths : array
        Positive lengths, in mean distances of levels.

    Notes
    -----
    With the sine and cosine integrals Si and Ci and Euler's constant g, that of the
    unitary ensemble is
    V(L) = (ln(2 pi L) + g + 1 - cos(2 pi L) - Ci(2 pi L)) / pi**2 + L (1 - 2 Si(2 pi L) / pi),
    and this is 2 V(L) + (Si(pi L) / pi)**2 - Si(pi L) / pi (Mehta, section 16.1). For
    large L it is (2 / pi**2) (ln(2 pi L) + g + 1 - pi**2 / 8).
    """
    length = np.asarray(lengths, dtype=np.float64)
    si, ci = sici(2 * np.pi * length)
    logarithm = np.log(2 * np.pi * length) + np.euler_gamma + 1
    unitary = (logarithm - np.cos(2 * np.pi * length) - ci) / np.pi**2 + length * (1 - 2 / np.pi * si)
    half = sici(np.pi * length)[0] / np.pi
    return 2 * unitary + half**2 - half


def _number_variance(levels: np.ndarray, length: float) -> float:
    """Return the variance for one length; see :func:`number_variance`."""
    first, last = levels[0], levels[-1] - length
    if not first < last:
        raise ValueError(f"an interval of length {length:g} does not fit into levels from {first:g} to {levels[-1]:g}")
    most = int((np.searchsorted(levels, levels + length, side="right") - np.arange(levels.size)).max())
    # Column o holds, for each level, the one that is o places further up.
    upper = sliding_window_view(np.pad(levels, (0, most - 1), constant_values=np.inf), most)
    shared = np.minimum(levels, last)[:, None] - np.maximum(upper - length, first)
    np.maximum(shared, 0, out=shared)
    singles, pairs = shared[:, 0].sum(), shared[:, 1:].sum()
    mean = singles / (last - first)
    return float((singles + 2 * pairs) / (last - first) - mean**2)


def _maximum(likelihoods: np.ndarray) -> np.ndarray:
    """Return the exponent of the largest likelihood in each row, by a parabola through the best point and its two."""
    best = np.clip(likelihoods.argmax(axis=1), 1, _EXPONENTS.size - 2)
    rows = np.arange(len(likelihoods))
    left, middle, right = (likelihoods[rows, best + offset] for offset in (-1, 0, 1))
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    return np.clip(_EXPONENTS[best] + (_EXPONENTS[1] - _EXPONENTS[0]) * shift, _EXPONENTS[0], _EXPONENTS[-1])
