"""Tests of counts: how often something happens, beside how often it would by chance."""

import numpy as np
from scipy import stats


def sign_test(more: int, fewer: int) -> float:
    """Return the one-sided p-value of "more than fewer" over pairs, ties left out; 1 if there is nothing to test."""
    return float(stats.binomtest(more, more + fewer, alternative="greater").pvalue) if more + fewer else 1.0


def so_many_or_more(counts: np.ndarray | int, n: np.ndarray | int, chance: float) -> np.ndarray:
    """Return the binomial probability of these counts, or larger ones, of ``n`` that each have this chance."""
    return np.asarray(stats.binom.sf(np.asarray(counts) - 1, n, chance))


def mean_of_uniforms(n: int) -> tuple[float, float]:
    """Return where the mean of ``n`` independent uniform p-values lies with 95 % probability (Bates's distribution)."""
    low, high = (float(stats.irwinhall.ppf(p, n)) / n for p in (0.025, 0.975))
    return low, high
