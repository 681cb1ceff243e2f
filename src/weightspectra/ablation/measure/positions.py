"""How a text was read, window by window, and where in its windows the loss lies.

A cut may act through the first positions of a window alone, where attention has
little else to look at: what it costs then depends on how many windows there are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from weightspectra.activations.windows import Window

NOT_IN_WINDOWS: dict[str, Any] = {
    **{"window": 0, "stride": 0, "bos": False, "unknown_tokens": float("nan")},
    **{"positions": [], "position_tokens": [], "position_losses": []},
}
"""What ``contracts.EVALUATIONS`` says of a metric that is not measured on windows of a text."""


def octave(positions: np.ndarray) -> np.ndarray:
    """Return the group of each position, counted from 0: 0 for position 1, 1 for 2 and 3, 2 for 4 to 7, and so on.

    Nothing is predicted at position 0, the window's first token.
    """
    return np.floor(np.log2(np.maximum(positions, 1))).astype(int)


def scored_by_position(windows: Sequence[Window]) -> np.ndarray:
    """Return how many tokens windows score at each position, whose last ``n_scored`` tokens are scored."""
    counts = np.zeros(max(len(window.input_ids) for window in windows))
    for window in windows:
        counts[len(window.input_ids) - window.n_scored : len(window.input_ids)] += 1
    return counts


def profile(nll: np.ndarray, n_scored: np.ndarray) -> dict[str, list[float]]:
    """Divide a loss by position in the window, in octaves.

    Parameters
    ----------
    nll : ndarray of shape (n_positions,)
        Negative log-likelihood of all tokens at each position, in nats.
    n_scored : ndarray of shape (n_positions,)
        How many tokens that are.

    Returns
    -------
    dict
        ``positions`` (the first of each group that holds any token), ``position_tokens`` and
        ``position_losses`` (nats per token), as in ``contracts.EVALUATIONS``.
    """
    groups = octave(np.arange(len(nll)))
    sums, counts = np.bincount(groups, nll), np.bincount(groups, n_scored)
    held = np.flatnonzero(counts)
    return {
        "positions": (2**held).tolist(),
        "position_tokens": counts[held].astype(int).tolist(),
        "position_losses": (sums[held] / counts[held]).tolist(),
    }
