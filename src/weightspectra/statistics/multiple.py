"""Many tests at once: p-values corrected for how many there are. What is not a number stays so and does not count.

Two kinds of error are kept apart and never mixed. Claims that a sentence makes of
one model (against its random control, about a role, about where weights changed)
are held to 1 %, family by family (Holm). Long lists of cuts, of which a reader
picks out those that stand out, are held to a false discovery rate of 5 %
(Benjamini and Hochberg). Lists of singular vectors, heads and single matrices are held to the
level of the configuration, at which noise is simulated.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

LEVEL = 0.01
"""Error rate of what is said of a model or a role."""

SIGNIFICANT = 0.05
"""False discovery rate of lists of cuts."""


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


class FamilyOfTests(NamedTuple):
    """Tests that are corrected together.

    Attributes
    ----------
    name : str
        What they are, in words.
    over : tuple of str
        Columns in which they agree.
    correction : str
        A key of ``CORRECTIONS``.
    level : float
        Error rate; not a number: the level of the configuration, at which noise is simulated.
    """

    name: str
    over: tuple[str, ...]
    correction: str
    level: float

    def corrected(self, p_values: np.ndarray) -> np.ndarray:
        """Return the p-values of one such family corrected, in the same shape; what is not a number does not count."""
        found = np.asarray(p_values, dtype=np.float64)
        return CORRECTIONS[self.correction](found.ravel()).reshape(found.shape)


CUTS = FamilyOfTests("cuts of an experiment", ("model", "experiment", "metric"), "benjamini_hochberg", SIGNIFICANT)
"""Changes after cuts, controls and compressions."""

VECTORS = FamilyOfTests("vectors of a matrix", ("model", "layer", "role", "expert"), "benjamini_hochberg", float("nan"))
"""Singular vectors of both sides against random directions, each statistic by itself."""

HEADS = FamilyOfTests(
    "vectors and heads of a matrix", ("model", "layer", "role", "expert"), "benjamini_hochberg", float("nan")
)
"""Pairs of a singular vector and an attention head against random directions."""


def consistent(p_values: Any, level: Any) -> Any:
    """Return whether single tests, one or an array, leave their null standing; what is not a number does not."""
    return p_values >= level


def significant(corrected: Any, level: Any) -> Any:
    """Return whether corrected p-values, one or an array, are significant at a level; what is not a number is not."""
    return corrected <= level


def smallest_p(n_units: int) -> float:
    """Return the smallest p-value of a test that changes the signs of so many documents or items.

    No correction over several tests makes it smaller.
    """
    return float(2.0 ** (1 - n_units))


def can_be_told(n_units: int) -> bool:
    """Return whether so many documents or items can show that a change is significant."""
    return bool(significant(smallest_p(n_units), CUTS.level))
