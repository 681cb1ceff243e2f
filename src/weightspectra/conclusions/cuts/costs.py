"""What cuts cost in the likelihood of text, and whether the smallest singular values cost more than the middle ones."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from weightspectra.conclusions.cuts.experiments import by_metric, groups, is_task, names_of, scores, tested
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row, verdict
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.statistics.multiple import significant
from weightspectra.statistics.paired import compare

MIDDLE_DECILES = (5, 6)
DEARER, CHEAPER = "smallest_costs_more_than_middle", "smallest_costs_less_than_middle"


def conclude(evaluations: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Say what every cut changes, and compare decile 1 with the middle ones.

    Parameters
    ----------
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``; tasks and probes are left out.
    seed : int
        Of resamples and signs.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``.
    """
    text = evaluations[~is_task(evaluations["metric"])]
    rows: list[Row] = []
    for part in by_metric(text):
        rows += [*scores(part), *smallest_against_middle(part, seed=seed)]
    found = judge(rows, "costs")
    return pd.concat([found, judge(_cheaper(found), "costs")], ignore_index=True)


def _cheaper(found: pd.DataFrame) -> Iterator[Row]:
    """Yield the other side of each judged comparison with the middle deciles: whether the smallest cost less."""
    for told in found[found["claim"] == DEARER].to_dict("records"):
        less = significant(told["p_corrected"], told["level"]) and told["number"] < 0
        known = told["verdict"] if told["verdict"] == CANNOT_BE_TOLD else verdict(less)
        yield {str(name): value for name, value in told.items()} | {"claim": CHEAPER, "verdict": known}


def one_role_deciles(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cuts that take one decile of one role out of all layers touched, with a column ``role``."""
    cuts = rows[(rows["decile"] > 0) & (rows["scope"] == "role") & (rows["control_of"] == "")]
    cuts = cuts[cuts["roles"].map(len) == 1]
    return cuts.assign(role=[roles[0] for roles in cuts["roles"]])


def smallest_against_middle(rows: pd.DataFrame, *, seed: int) -> Iterator[Row]:
    """Compare what removing decile 1 costs with what removing a middle decile costs, role by role.

    The quantity is the difference in log-perplexity (nats per token), paired
    document by document; the middle is the mean over deciles 5 and 6. Error,
    interval and test are those of :func:`weightspectra.statistics.paired.compare`.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.EVALUATIONS``, all of one model, experiment and metric.
    seed : int
        Of resamples and signs.

    Yields
    ------
    dict
        None where the metric is no perplexity, and where the experiment has no
        such deciles or only one document.
    """
    cuts = one_role_deciles(rows[rows["statistic"] == "exp_ratio"])
    for group in groups(cuts.assign(touched=cuts["layers"].map(tuple)), ["role", "touched"]):
        by_decile = {cut["decile"]: cut for cut in group.to_dict("records")}
        tokens = np.asarray(group["unit_weights"].iloc[0], dtype=float)
        if not {1, *MIDDLE_DECILES} <= set(by_decile) or len(tokens) < 2:
            continue
        smallest, *middle = (np.asarray(by_decile[d]["unit_values"], dtype=float) for d in (1, *MIDDLE_DECILES))
        found = compare("mean", smallest, np.mean(middle, axis=0), tokens, seed=seed)
        difference, *numbers = (float(column[0]) for column in found)
        yield row(
            DEARER,
            difference,
            **names_of(by_decile[1]),
            reference=0.0,
            reference_kind="deciles 5 and 6",
            n_reference=len(MIDDLE_DECILES),
            in_favour=difference > 0,
            **tested(by_decile[1], *numbers),
        )
