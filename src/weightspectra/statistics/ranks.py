"""Rank correlations."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's rank correlation; infinities are the largest, and a constant makes it not a number."""
    if len(set(first)) == 1 or len(set(second)) == 1:
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)


def spearman_interval(rho: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a rank correlation over ``n`` independent pairs, at least four.

    Notes
    -----
    That of Fisher's z with the variance (1 + rho^2 / 2) / (n - 3) of D. G. Bonett
    and T. A. Wright, Psychometrika 65, 23 (2000).
    """
    reach = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    middle = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    low, high = np.tanh([middle - reach, middle + reach])
    return float(low), float(high)
