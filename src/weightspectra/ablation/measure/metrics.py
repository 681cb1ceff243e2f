"""What is measured on a model: one interface for perplexities, tasks and probes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from weightspectra.ablation.measure.positions import NOT_IN_WINDOWS


class Measurement(NamedTuple):
    """One metric of one model, with what each independent unit contributes to it.

    Attributes
    ----------
    metric : str
        Its name, for example ``"perplexity_per_token"``.
    statistic : str
        How the units give the value: a key of ``estimators.STATISTICS``.
    higher_is_better : bool
    unit : str
        What is independent: ``"document"`` or ``"item"``.
    units : sequence of str
        Names of the units.
    values : ndarray of float64, shape (n_units,)
        What each contributes: a negative log-likelihood in nats, or a score.
    weights : ndarray of float64, shape (n_units,)
        Its tokens, words or bytes; 1 for a score; its class, 0 or 1, for an AUC.
    read : mapping
        How the text was read, and where in its windows the loss lies, as in ``contracts.EVALUATIONS``.
    """

    metric: str
    statistic: str
    higher_is_better: bool
    unit: str
    units: Sequence[str]
    values: np.ndarray
    weights: np.ndarray
    read: Mapping[str, Any] = NOT_IN_WINDOWS


class Metric(Protocol):
    """Something that can be measured on a model, again and again."""

    def measure(self, model: Any, first_layer: int = 0) -> list[Measurement]:
        """Measure a model.

        Parameters
        ----------
        model : transformers model
            In evaluation mode; the same object every time, with other weights.
        first_layer : int
            The blocks before this one have their untouched weights, as in
            every earlier call, so that what they compute may be kept.

        Returns
        -------
        list of Measurement
            The same metrics on the same units every time.
        """
