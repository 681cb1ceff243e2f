"""The ten equal groups of singular values by rank, in which the paper removes them."""

import numpy as np


def decile_ranks(n_values: int, decile: int) -> np.ndarray:
    """Return the ranks of one decile, ascending in rank; 1 holds the smallest tenth, 10 the largest.

    Ranks are shared out from the smallest value upwards as ``numpy.array_split``
    does it: every rank is in exactly one decile, and where ten does not divide
    the count, the first ``n_values % 10`` deciles (the smallest values) hold one
    more than the others. Below ten values the last deciles are empty.

    Examples
    --------
    >>> decile_ranks(12, 1)
    array([10, 11])
    >>> decile_ranks(12, 10)
    array([0])
    """
    smallest_first = np.arange(n_values - 1, -1, -1)
    return np.array_split(smallest_first, 10)[decile - 1][::-1].copy()
