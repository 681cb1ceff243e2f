"""Many tests at once: p-values corrected for how many there are. What is not a number stays so and does not count."""

from collections.abc import Callable, Mapping

import numpy as np


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values corrected by Holm's step-down method, which holds for dependent tests too.

    References
    ----------
    S. Holm, Scandinavian Journal of Statistics 6, 65 (1979).
    """
    found = np.array(p_values, dtype=np.float64)
    tested = np.flatnonzero(np.isfinite(found))
    order = tested[np.argsort(found[tested], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    found[order] = np.minimum(np.maximum.accumulate(found[order] * steps), 1.0)
    return found


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Return Benjamini and Hochberg's q-values.

    References
    ----------
    Y. Benjamini and Y. Hochberg, Journal of the Royal Statistical Society B 57, 289 (1995).
    """
    found = np.array(p_values, dtype=np.float64)
    tested = np.isfinite(found)
    if tested.any():
        # Here, since it takes a second to load and many a job needs no more of this module than a level.
        from scipy.stats import false_discovery_control

        found[tested] = false_discovery_control(found[tested])
    return found


def uncorrected(p_values: np.ndarray) -> np.ndarray:
    """Return the p-values as they are."""
    return np.array(p_values, dtype=np.float64)


CORRECTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "holm": holm,
    "benjamini_hochberg": benjamini_hochberg,
    "none": uncorrected,
}
"""From each name of a correction to what does it."""
