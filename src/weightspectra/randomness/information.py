"""One number for a region of a spectrum: the share of its directions that noise does not explain.

Two kinds of evidence are added up, and no direction counts twice: singular values
beyond the calibrated bounds, and, among the others, singular vectors that are
less random than chance allows.

References
----------
Storey, J. R. Stat. Soc. B 64, 479 (2002), for the share of true null hypotheses.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import nbinom

from weightspectra.spectra.deciles import decile_ranks

CONFIDENCE = 0.95

REGIONS = {"smallest tenth": (1,), "middle": tuple(range(2, 10)), "largest tenth": (10,)}
"""From the name of each region to its deciles; 1 holds the smallest singular values."""


class Share(NamedTuple):
    """The share of a region's directions that noise does not explain.

    Attributes
    ----------
    n_directions, n_outliers : int
        Singular values in the region, and those beyond the bounds.
    information, information_low, information_high : float
        The share and the ends of its 95 % interval; NaN for an empty region.
    """

    n_directions: int
    n_outliers: int
    information: float
    information_low: float
    information_high: float


def region_ranks(n_values: int, region: str, n_tested: int) -> np.ndarray:
    """Return the ranks of a region, ascending; 0 is the largest singular value.

    Tenths are those of all values; ranks from ``n_tested`` on, which lie below the rounding floor, are left out.
    """
    ranks = np.sort(np.concatenate([decile_ranks(n_values, decile) for decile in REGIONS[region]]))
    return ranks[ranks < n_tested]


def share(p_values: ArrayLike, is_outlier: ArrayLike) -> Share:
    """Estimate the share of directions that noise does not explain.

    Parameters
    ----------
    p_values : array of shape (n_directions,)
        Of the direction's vectors, uniform for random ones
        (:func:`weightspectra.randomness.cleaning.combine_sides`).
    is_outlier : array of bool, shape (n_directions,)
        Whether the singular value is beyond the bounds.

    Notes
    -----
    Of the m directions that are no outliers, N have p > 1/2. Random directions
    do so with probability 1/2 and, at best, informative ones never: 2 N
    directions are random (Storey's estimate with lambda = 1/2), and

        information = (n_outliers + m - 2 N) / n_directions.

    Noise gives 0 on average and a negative number half of the time; nothing is
    cut off, so that means over matrices are not biased. Informative
    directions whose vectors look random are missed: the estimate is a lower bound.

    The interval holds the numbers m0 of random directions for which neither
    N or more nor N or fewer of Binomial(m0, 1/2) is rarer than 2.5 %. There are no
    more of them than directions without outliers and, as the bounds let
    one value through in a few percent of matrices, one more if there are outliers; an
    estimate below that is its own lower end. Vectors of one matrix are orthogonal,
    which makes N vary less than the binomial does: the interval is on the wide side.
    """
    outliers = np.asarray(is_outlier, dtype=bool)
    p_tested = np.asarray(p_values, dtype=np.float64)[~outliers]
    n_directions, n_outliers = len(outliers), int(outliers.sum())
    if not n_directions:
        return Share(0, 0, np.nan, np.nan, np.nan)
    n_tested, n_large = len(p_tested), int(np.count_nonzero(p_tested > 0.5))
    fewest, most = _random_directions(n_large)
    most = min(most, max(n_tested + min(n_outliers, 1), 2 * n_large))
    estimate, low, high = ((n_directions - n_random) / n_directions for n_random in (2 * n_large, most, fewest))
    return Share(n_directions, n_outliers, estimate, low, high)


def _random_directions(n_large: int) -> tuple[int, int]:
    """Return the interval of numbers of trials, of probability 1/2, from which so many succeed.

    The k-th success comes at trial k + NegativeBinomial(k, 1/2), and there are k
    or more successes in n trials if it has come by then.
    """
    tail = (1 - CONFIDENCE) / 2
    fewest = n_large + int(nbinom.ppf(tail, n_large, 0.5)) if n_large else 0
    return fewest, n_large + int(nbinom.ppf(1 - tail, n_large + 1, 0.5))
