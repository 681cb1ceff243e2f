"""How well predicted damage ranks measured damage, and how well the noise of the measurement lets any prediction do."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from results import Check
from scipy.stats import spearmanr

WANTED = 0.9
"""The rank correlation that a law of damage should reach."""

N_SPLITS = 200


class Measured(NamedTuple):
    """Cuts that were evaluated.

    Attributes
    ----------
    increases : ndarray of shape (n_cuts, n_units)
        Increase of the summed loss of each unit (document, window or item), in nats.
    weights : ndarray of shape (n_units,)
        Scored tokens or items of each unit.
    predictors : dict from name to ndarray of shape (n_cuts,)
        The first is the law; the others are what it is compared with.
    groups : ndarray of str, shape (n_cuts,)
        Within which the law is tested as well: roles.
    """

    increases: np.ndarray
    weights: np.ndarray
    predictors: Mapping[str, np.ndarray]
    groups: np.ndarray

    @property
    def damage(self) -> np.ndarray:
        """Increase of the loss per token, one for each cut."""
        return np.asarray(self.increases.sum(axis=1) / self.weights.sum())

    @property
    def error(self) -> np.ndarray:
        """Its standard error over units (ratio estimator)."""
        n_units, total = len(self.weights), self.weights.sum()
        residuals = (self.increases - np.outer(self.damage, self.weights)) / total
        return np.asarray(np.sqrt(n_units / (n_units - 1) * np.square(residuals).sum(axis=1)))

    def only(self, chosen: np.ndarray) -> "Measured":
        """Return some of the cuts."""
        predictors = {name: values[chosen] for name, values in self.predictors.items()}
        return Measured(self.increases[chosen], self.weights, predictors, self.groups[chosen])


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's correlation; not a number where there are fewer than three cuts."""
    return float(spearmanr(one, other)[0]) if len(one) > 2 else float("nan")


def repeated(measured: Measured) -> float:
    """Return the rank correlation that this measurement would have with another one of as many units.

    Notes
    -----
    Two halves of the units, drawn at random, rank the cuts with correlation r;
    all units together with R = 2 r / (1 + r) (Spearman and Brown). The true
    damages would reach sqrt(R).
    """
    generator, n_units, found = np.random.default_rng(0), len(measured.weights), []
    for _ in range(N_SPLITS):
        order = generator.permutation(n_units)
        halves = [order[: n_units // 2], order[n_units // 2 :]]
        one, other = (measured.increases[:, half].sum(axis=1) / measured.weights[half].sum() for half in halves)
        found.append(rank_correlation(one, other))
    r = max(float(np.mean(found)), 0.0)
    return 2 * r / (1 + r)


def checks(name: str, measured: Measured) -> list[Check]:
    """Return two rows: all cuts, and those whose damage is larger than twice its standard error."""
    resolved = np.abs(measured.damage) > 2 * measured.error
    return [
        _check(f"{name}, all {len(resolved)} cuts", measured),
        _check(f"{name}, {resolved.sum()} cuts beyond two standard errors", measured.only(resolved)),
    ]


def _check(what: str, measured: Measured) -> Check:
    found = {label: rank_correlation(values, measured.damage) for label, values in measured.predictors.items()}
    law, *others = found
    again = repeated(measured)
    groups = dict.fromkeys(measured.groups.tolist())
    within = {group: _of_law(measured.only(measured.groups == group)) for group in groups}
    ours = (
        f"{law} {found[law]:.3f}; within {', '.join(f'{group} {value:.2f}' for group, value in within.items())}; "
        f"median factor between predicted and found {_factor(measured):.2f}"
    )
    expected = f"{WANTED} or more; measuring again {again:.3f}, the truth {again**0.5:.3f}; " + ", ".join(
        f"{label} {found[label]:.3f}" for label in others
    )
    verdict = "holds" if found[law] >= WANTED else "falls short"
    if verdict != "holds" and found[law] >= again - 0.01:
        verdict = "falls short, and so does measuring again"
    return Check(f"{what}: rank correlation of predicted with measured increase of the loss", ours, expected, verdict)


def _of_law(measured: Measured) -> float:
    return rank_correlation(next(iter(measured.predictors.values())), measured.damage)


def _factor(measured: Measured) -> float:
    """Return the median of the larger over the smaller of prediction and measurement, where both are positive."""
    law, damage = next(iter(measured.predictors.values())), measured.damage
    both = (law > 0) & (damage > 0)
    return float(np.exp(np.median(np.abs(np.log(damage[both] / law[both])))))
