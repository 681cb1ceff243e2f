"""The permutation null: what the extreme singular values of a matrix are once its entries are shuffled.

Shuffling keeps every entry and destroys every direction. Where entries are far
from Gaussian, so that a few large ones make outliers of their own, this null
hypothesis holds its level and the Tracy-Widom law does not.
"""

import numpy as np
from numpy.typing import ArrayLike

from weightspectra.randomness.noise import nulls


def p_values(
    smallest_value: float, largest_value: float, noise_std: float, *, largest: ArrayLike, smallest: ArrayLike
) -> tuple[float, float]:
    """Return the p-values of a matrix's smallest and largest singular value.

    Parameters
    ----------
    smallest_value, largest_value, noise_std : float
        Of the original matrix.
    largest, smallest : array of shape (n_permutations,)
        From :func:`weightspectra.randomness.noise.shuffling.extremes`.
    """
    lower = nulls.p_value(-smallest_value / noise_std, -np.asarray(smallest))
    return lower, nulls.p_value(largest_value / noise_std, largest)


def bounds(noise_std: float, level: float, *, largest: ArrayLike, smallest: ArrayLike) -> tuple[float, float]:
    """Return the bounds that a shuffled matrix leaves with probability ``level`` at most, half at each end.

    With fewer than 2 / level - 1 shuffles no bound can promise that: they are 0 and infinity then.
    """
    lows, highs = np.sort(np.asarray(smallest)), np.sort(np.asarray(largest))
    allowed = int(np.floor((highs.size + 1) * level / 2 + 1e-9))
    if allowed == 0:
        return 0.0, float("inf")
    return noise_std * float(lows[allowed - 1]), noise_std * float(highs[-allowed])
