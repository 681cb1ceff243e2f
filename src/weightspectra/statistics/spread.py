"""Means over runs and their spread."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

Row = Mapping[Hashable, Any]
"""One row of a summary, from the names of its columns."""


class Spread(NamedTuple):
    """A mean over runs.

    Attributes
    ----------
    mean, sd : float
        Mean and standard deviation from run to run; NaN without any run, or
        with only one.
    n : int
        Runs that have the number.
    n_runs : int
        Runs.
    """

    mean: float
    sd: float
    n: int
    n_runs: int

    @classmethod
    def of_row(cls, row: Row, name: str, n: str) -> "Spread":
        """Take a column of a summary, its spread and numbers of runs (columns ``n`` and ``n_runs``) from one row."""
        return cls(row[name], row[f"{name}_sd"], int(row[n]), int(row["n_runs"]))


def spread(values: Iterable[float]) -> Spread:
    """Average over runs; those without a number (NaN) are counted, not averaged."""
    found = np.asarray(list(values), dtype=float)
    there = found[~np.isnan(found)]
    if not len(there):
        return Spread(float("nan"), float("nan"), 0, len(found))
    # Equal decimals need not have a mean that is equal to them to the last bit.
    equal = np.ptp(there) <= 1e-12 * np.abs(there).max()
    sd = float("nan") if len(there) < 2 else 0.0 if equal else float(there.std(ddof=1))
    return Spread(float(there[0] if equal else there.mean()), sd, len(there), len(found))
