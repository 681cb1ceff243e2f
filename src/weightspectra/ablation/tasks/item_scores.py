"""What each item contributes to a metric of lm-eval, so that differences can be paired and have errors."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from lm_eval.api import metrics

Aggregation = Callable[[Sequence[Any]], float]


class ItemScores(NamedTuple):
    """A metric as a statistic (see ``estimators.STATISTICS``) of items: shape (n_items,) each."""

    statistic: str
    values: np.ndarray
    weights: np.ndarray


def item_scores(items: Sequence[Any], aggregation: Aggregation) -> ItemScores:
    """Divide a metric among its items.

    Parameters
    ----------
    items : sequence
        What the task logs for each item: a score, or what its aggregation takes.
    aggregation : callable
        lm-eval's way from the items to the metric.

    Returns
    -------
    ItemScores
        Of which the statistic is the metric as lm-eval aggregates it.

    Notes
    -----
    Means, perplexities and bits per byte are taken apart exactly. Where the metric
    is the mean of what each item gives alone, these are its items' values. Any
    other (F1, Matthews' correlation, BLEU) gets the jackknife's pseudo-values
    ``n T - (n - 1) T_(-i)``, shifted by a constant so that their mean is the
    metric itself: their variance over n is the jackknife's estimate of its
    variance, and pairs of models differ item by item. That holds for smooth
    functions of means; a median is none.

    References
    ----------
    J. W. Tukey, Ann. Math. Stat. 29, 614 (1958); B. Efron and C. Stein, Ann.
    Stat. 9, 586 (1981).
    """
    ones = np.ones(len(items))
    if aggregation is metrics.mean:
        return ItemScores("mean", np.array(items, dtype=np.float64), ones)
    if aggregation is metrics.nanmean:
        values = np.array(items, dtype=np.float64)
        return ItemScores("mean", np.where(np.isnan(values), 0.0, values), (~np.isnan(values)).astype(np.float64))
    if aggregation is metrics.perplexity:
        return ItemScores("exp_ratio", -np.array(items, dtype=np.float64), ones)
    if aggregation in (metrics.weighted_perplexity, metrics.bits_per_byte):
        scores, weights = np.array(items, dtype=np.float64).T
        return ItemScores("exp_ratio" if aggregation is metrics.weighted_perplexity else "bits_ratio", -scores, weights)
    whole = float(aggregation(items))
    alone = _alone(items, aggregation)
    if alone is not None and np.isclose(alone.mean(), whole, rtol=1e-12, atol=1e-12):
        return ItemScores("mean", alone, ones)
    return ItemScores("mean", _pseudo_values(items, aggregation, whole), ones)


def is_score(value: Any) -> bool:
    """Say whether something that a task logs is a number (a truth value counts as 0 or 1)."""
    return isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating))


def _alone(items: Sequence[Any], aggregation: Aggregation) -> np.ndarray | None:
    """Return the metric of each item alone; nothing where it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a single item is an odd sample
            return np.array([float(aggregation([item])) for item in items])
    except (ArithmeticError, IndexError, TypeError, ValueError):
        return None


def _pseudo_values(items: Sequence[Any], aggregation: Aggregation, whole: float) -> np.ndarray:
    """Leave out each item in turn; items that are alike are left out once."""
    without: dict[str, float] = {}
    kinds = [repr(item) for item in items]
    for index, kind in enumerate(kinds):
        if kind not in without:
            without[kind] = float(aggregation([*items[:index], *items[index + 1 :]]))
    left_out = np.array([without[kind] for kind in kinds])
    pseudo = len(items) * whole - (len(items) - 1) * left_out
    shifted: np.ndarray = pseudo - pseudo.mean() + whole
    return shifted
