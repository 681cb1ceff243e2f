"""How a text was read, window by window, and where in its windows the loss lies.

A cut may act through the first positions of a window alone, where attention has
little else to look at: what it costs then depends on how many windows there are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weightspectra.activations.windows import Window
from weightspectra.statistics.paired import standard_error

NOT_IN_WINDOWS: dict[str, Any] = {
    **{"window": 0, "stride": 0, "bos": False, "unknown_tokens": float("nan")},
    **{"positions": [], "position_tokens": [], "position_losses": []},
    **{"position_errors": [], "position_change_errors": []},
}
"""What ``contracts.EVALUATIONS`` says of a metric that is not measured on windows of a text."""

PER_UNIT = ("position_unit_nll", "position_unit_tokens")
"""What a measurement holds of each unit and octave, and no contract."""


def octave(positions: np.ndarray) -> np.ndarray:
    """Return the group of each position, counted from 0: 0 for position 1, 1 for 2 and 3, 2 for 4 to 7, and so on.

    Nothing is predicted at position 0, the window's first token.
    """
    return np.floor(np.log2(np.maximum(positions, 1))).astype(int)


def scored_by_octave(windows: Sequence[Window]) -> np.ndarray:
    """Return how many tokens each window scores in each octave, shape (n_windows, n_octaves); the last are scored."""
    longest = max(len(window.input_ids) for window in windows)
    counts = np.zeros((len(windows), 1 + octave(np.array(longest - 1))))
    for row, window in zip(counts, windows, strict=True):
        length = len(window.input_ids)
        row += np.bincount(octave(np.arange(length - window.n_scored, length)), minlength=len(row))
    return counts


def profile(nll: np.ndarray, n_scored: np.ndarray) -> dict[str, list[Any]]:
    """Divide a loss by position in the window, in octaves.

    Parameters
    ----------
    nll : ndarray of shape (n_units, n_octaves)
        Negative log-likelihood of all tokens of each unit in each octave, in nats.
    n_scored : ndarray of shape (n_units, n_octaves)
        How many tokens that are.

    Returns
    -------
    dict
        ``positions`` (the first of each octave that holds any token), ``position_tokens`` and
        ``position_losses`` (nats per token), as in ``contracts.EVALUATIONS``; and ``PER_UNIT``, what :func:`errors`
        reads: ``nll`` and ``n_scored`` of these octaves.
    """
    held = np.flatnonzero(n_scored.sum(axis=0))
    sums, counts = nll[:, held], n_scored[:, held]
    return {
        "positions": (2**held).tolist(),
        "position_tokens": counts.sum(axis=0).astype(int).tolist(),
        "position_losses": (sums.sum(axis=0) / counts.sum(axis=0)).tolist(),
        **dict(zip(PER_UNIT, (sums.tolist(), counts.tolist()), strict=True)),
    }


def errors(read: Mapping[str, Any], untouched: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the standard errors of a profile, and of its difference to that of the untouched model.

    Parameters
    ----------
    read, untouched : mapping
        What :func:`profile` returns, of the same units.

    Returns
    -------
    dict
        ``position_errors`` and ``position_change_errors``, as in ``contracts.EVALUATIONS``: over the units that have a
        token in the octave, the second paired. NaN where one unit has.
    """
    nll, n_scored, before = (np.array(part, dtype=np.float64) for part in (*_per_unit(read), _per_unit(untouched)[0]))
    found: dict[str, list[float]] = {"position_errors": [], "position_change_errors": []}
    with np.errstate(invalid="ignore"):
        for one, tokens, other in zip(nll.T, n_scored.T, before.T, strict=True):
            held = tokens > 0
            for name, values in zip(found, (one, one - other), strict=True):
                found[name].append(standard_error("mean", values[held], tokens[held]))
    return found


def _per_unit(read: Mapping[str, Any]) -> list[Any]:
    return [read.get(name, []) for name in PER_UNIT]
