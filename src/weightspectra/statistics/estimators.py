"""How the contributions of independent units give a metric, and how much each unit moves it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.stats import rankdata


class Statistic(Protocol):
    """A metric as a function of its units.

    All that follows from the units is computed from their *contributions*,
    of which means over models make sense: the mean of a cut's controls is the
    statistic of their mean contributions.
    """

    def contributions(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return what each unit contributes, shape (n_units,)."""

    def estimate(self, contributions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the metric for contributions of shape (..., n_units)."""

    def influence(self, contributions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return how much each unit moves the metric to first order, shape (..., n_units); their sum is 0."""

    def resampled(self, contributions: np.ndarray, weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the metric of resamples, shape (n_resamples, n_models).

        ``counts`` of shape (n_resamples, n_units) says how often each unit was drawn.
        """

    def strata(self, weights: np.ndarray) -> list[np.ndarray]:
        """Return the positions of units that are drawn together, whose number is fixed."""


@dataclass(frozen=True)
class Ratio:
    """A function of the ratio R of the summed values to the summed weights.

    The influence of unit d is ``f'(R) (v_d - R w_d) / sum(w)`` (ratio
    estimator: W. G. Cochran, Sampling Techniques, 3rd ed., Wiley 1977,
    Eq. 6.13, with the delta method for ``f``).

    Parameters
    ----------
    function, slope : callable
        ``f`` and its derivative.
    """

    function: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]

    def contributions(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the values themselves."""
        return np.asarray(values, dtype=np.float64)

    def estimate(self, contributions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return f(R); infinite where float64 overflows."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self.function(contributions.sum(axis=-1) / weights.sum())

    def influence(self, contributions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return f'(R) (v - R w) / sum(w)."""
        total = weights.sum()
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = contributions.sum(axis=-1, keepdims=True) / total
            return self.slope(ratio) * (contributions - ratio * weights) / total

    def resampled(self, contributions: np.ndarray, weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return f of the resampled sums' ratio."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self.function((counts @ contributions.T) / (counts @ weights)[:, None])

    def strata(self, weights: np.ndarray) -> list[np.ndarray]:
        """Return all units as one stratum."""
        return [np.arange(len(weights))]


class AreaUnderCurve:
    """The area A under the ROC curve of scores: how often one of class 1 exceeds one of class 0.

    A unit's contribution is its *placement*: the share of the other class on
    its right side, ties counting half. Their mean over either class is A, and
    ``var(A)`` is the sum over both classes of the placements' variance divided
    by the size of the class (E. R. DeLong, D. M. DeLong and D. L.
    Clarke-Pearson, Biometrics 44, 837 (1988)). Resamples draw placements, within
    each class, instead of computing them anew: exact but for terms of order 1/n.
    """

    def contributions(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the placements."""
        ranks, placements = rankdata(values), np.empty(len(values))
        positives, negatives = self.strata(weights)
        for own, others in ((positives, negatives), (negatives, positives)):
            placements[own] = (ranks[own] - rankdata(values[own])) / len(others)
        placements[negatives] = 1 - placements[negatives]
        return placements

    def estimate(self, contributions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the mean placement of class 1."""
        return contributions[..., weights == 1].mean(axis=-1)

    def influence(self, contributions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the placements less their mean, divided by the size of the class."""
        sizes = np.where(weights == 1, (weights == 1).sum(), (weights == 0).sum())
        return (contributions - self.estimate(contributions, weights)[..., None]) / sizes

    def resampled(self, contributions: np.ndarray, weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return A plus what the drawn units' influences add up to."""
        moved = counts @ self.influence(contributions, weights).T
        return self.estimate(contributions, weights) + moved

    def strata(self, weights: np.ndarray) -> list[np.ndarray]:
        """Return the units of class 1 and those of class 0."""
        return [np.flatnonzero(weights == 1), np.flatnonzero(weights == 0)]


STATISTICS: Mapping[str, Statistic] = {
    "exp_ratio": Ratio(np.exp, np.exp),
    "bits_ratio": Ratio(lambda ratio: ratio / np.log(2), lambda ratio: np.full_like(ratio, 1 / np.log(2))),
    "mean": Ratio(lambda ratio: ratio, np.ones_like),
    "auc": AreaUnderCurve(),
}
"""How units give a metric, by name.

``exp_ratio`` exp(sum of values / sum of weights): a perplexity. ``bits_ratio`` the
same ratio in bits instead of nats. ``mean`` the ratio itself: a mean if all
weights are 1. ``auc`` the area under the ROC curve of the values as scores of
units whose weights are their classes.
"""
