"""How well the Marchenko-Pastur law describes the values that are taken for noise."""

import numpy as np
from numpy.typing import ArrayLike

from weightspectra.spectra.law import marchenko_pastur


def bulk_distance(noise_values: ArrayLike, long_side: int, short_side: int, noise_std: float, n_lost: int = 0) -> float:
    """Return the Kolmogorov-Smirnov distance of singular values to the Marchenko-Pastur law.

    Parameters
    ----------
    noise_values : array
        Singular values within the bounds, in any order.
    long_side, short_side : int
        Shape of the noise matrix.
    noise_std : float
        Standard deviation of its entries.
    n_lost : int
        Of the values, those below the rounding floor: how many there are counts, where they lie does not.

    Notes
    -----
    Singular values repel each other, so that the distance of pure noise shrinks
    like 1 / short_side (times a logarithm), not like its root: the tables for
    independent values would never reject. Its null distribution is simulated
    (:mod:`weightspectra.randomness.noise.nulls`), with the scale fitted each time.
    """
    values = np.sort(np.asarray(noise_values, dtype=np.float64))
    n = values.size
    probabilities = marchenko_pastur.cdf(values, long_side / short_side, noise_std * long_side**0.5)
    probabilities, ranks = probabilities[n_lost:], np.arange(n)[n_lost:]
    return float(max((probabilities - ranks / n).max(), ((ranks + 1) / n - probabilities).max()))
