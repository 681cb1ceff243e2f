"""What one probe found, and how shares and means over the positions of sequences get their errors."""

from typing import NamedTuple

import numpy as np

from weightspectra.statistics import paired


class ProbeValue(NamedTuple):
    """What one probe found at one checkpoint; the fields are columns of ``contracts.PROBES``.

    Attributes
    ----------
    probe : str
        Its name.
    value : float
        What was found.
    chance : float
        What random weights would give; not a number where no formula tells.
    n : int
        Positions, or memories, that were tested.
    standard_error : float
        Over sequences; not a number for probes of weights alone.
    outputs : str
        Test outputs, ``'uniform'`` or ``'bigram'``; empty for those of the training, or none.
    layer, head : int
        Whose attention is probed, counted from 0; -1 if none is.
    """

    probe: str
    value: float
    n: int
    chance: float = float("nan")
    standard_error: float = float("nan")
    outputs: str = ""
    layer: int = -1
    head: int = -1


def mean_over(
    name: str,
    values: np.ndarray,
    tested: np.ndarray,
    *,
    chance: float = float("nan"),
    outputs: str = "",
    at: tuple[int, int] = (-1, -1),
) -> list[ProbeValue]:
    """Return the mean of some positions' values as a probe, or nothing if no position was tested.

    Parameters
    ----------
    name : str
    values : ndarray of shape (n_sequences, length)
        Numbers, or truth values, whose mean is a share.
    tested : ndarray of bool, shape (n_sequences, length)
        Which positions count.
    chance, outputs
        As in :class:`ProbeValue`.
    at : tuple of int
        Layer and head of the probe.

    Notes
    -----
    All tested positions count alike, and sequences have different numbers of
    them, so that the mean is a ratio of sums over sequences; its error is that
    of a ratio (:class:`weightspectra.statistics.estimators.Ratio`). Positions of
    one sequence are not independent, sequences are.
    """
    n = int(tested.sum())
    if n == 0:
        return []
    sums = np.where(tested, values, 0).sum(axis=1, dtype=np.float64)
    counts = tested.sum(axis=1).astype(np.float64)
    found = paired.estimate("mean", sums, counts)
    error = paired.standard_error("mean", sums, counts)
    return [ProbeValue(name, found, n, chance, error, outputs, *at)]
