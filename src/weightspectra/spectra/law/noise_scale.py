"""The scale of the noise: three ways to estimate the standard deviation of a noise matrix's entries.

``marchenko_pastur.entry_std_by_median`` matches the median of all singular
values (the paper's rule). It errs when many values are structure: with a tenth of
them above the bulk, the median of all is the 56 % quantile of the noise, and the
bulk of a square matrix comes out 6 % too wide. :func:`entry_std_by_trimming`
leaves out those known to be structure and averages over the central part of the
others; :func:`initial_entry_std` asks no spectrum at all.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from weightspectra.spectra.law import marchenko_pastur

CENTRAL = (0.1, 0.9)
"""Quantiles of the noise between which squared singular values are averaged."""

LOWER_HALF = (0.1, 0.5)
"""The same where the larger half of the values is not to be trusted."""

N_ANGLES = 2049


def initial_entry_std(n_out: int, n_in: int) -> float:
    """Return 1 / sqrt(short side): the standard deviation that version 1 of arXiv 2410.17770 took for granted.

    It fails wherever training, weight decay or another initialisation changed the scale.
    """
    return min(n_out, n_in) ** -0.5


def entry_std_by_trimming(
    noise_values: ArrayLike,
    long_side: int,
    short_side: int,
    quantiles: tuple[float, float] = CENTRAL,
    n_lost: int = 0,
) -> float:
    """Estimate the noise entries' standard deviation from the central part of the squared singular values.

    Parameters
    ----------
    noise_values : array of shape (short_side,)
        The singular values of the noise, in any order; those of structure left out.
    long_side, short_side : int
        Shape of the noise matrix.
    quantiles : tuple of float
        Between which the part lies; by default eight tenths of the values.
    n_lost : int
        Of the values, those below the rounding floor: the part begins above them.

    Raises
    ------
    ValueError
        When the number of values is not ``short_side``.

    Notes
    -----
    sqrt(mean of s**2 between the quantiles / (long_side * the same mean of the
    Marchenko-Pastur law)). Its standard error is a half of the median's, because
    the levels repel each other and sums of them hardly fluctuate. Structure that
    hides inside the bulk still widens it.
    """
    squares = np.sort(np.asarray(noise_values, dtype=np.float64)) ** 2
    if squares.shape != (short_side,):
        raise ValueError(f"expected {short_side} singular values, found an array of shape {squares.shape}")
    first, last = central_ranks(short_side, quantiles, n_lost)
    expected = central_mean(long_side / short_side, first / short_side, last / short_side)
    return float(np.sqrt(squares[first:last].mean() / (long_side * expected)))


def central_ranks(n_values: int, quantiles: tuple[float, float] = CENTRAL, n_lost: int = 0) -> tuple[int, int]:
    """Return the first rank of the central part of ascending values, none of the lost, and the one after its last."""
    first, last = (round(quantile * n_values) for quantile in quantiles)
    first = max(first, n_lost)
    return (first, last) if last > first else (n_lost, n_values)


@lru_cache(maxsize=4096)
def central_mean(aspect_ratio: float, low: float, high: float) -> float:
    """Return the mean squared singular value of the Marchenko-Pastur law between two of its quantiles.

    In units of ``scale``; the whole law has mean 1.
    """
    g = 1 / aspect_ratio
    squares = 1 + g - 2 * g**0.5 * np.cos(np.linspace(0, np.pi, N_ANGLES))
    probabilities = marchenko_pastur.cdf(np.sqrt(np.maximum(squares, 0)), aspect_ratio)
    # Mean of the quantile function: the integral of squares over probability.
    wanted = np.concatenate([[low], probabilities[(probabilities > low) & (probabilities < high)], [high]])
    return float(np.trapezoid(np.interp(wanted, probabilities, squares), wanted) / (high - low))
