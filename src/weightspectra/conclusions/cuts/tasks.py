"""What cuts do to tasks and probes, metric by metric."""

import pandas as pd

from weightspectra.conclusions.cuts.experiments import UNTOUCHED, by_metric, is_task, names_of, scores
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row, verdict

CHANCE_OF_AUC = 0.5


def conclude(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Say what every cut changes in every metric of a task or probe, and where there is nothing to lose.

    Parameters
    ----------
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``; likelihoods of text are left out.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``.
    """
    rows: list[Row] = []
    for part in by_metric(evaluations[is_task(evaluations["metric"])]):
        rows += [*scores(part), *_above_chance(part)]
    return judge(rows, "tasks")


def _above_chance(rows: pd.DataFrame) -> list[Row]:
    """Hold an AUC of the untouched model against chance: two standard errors above one half, or not."""
    found = []
    for untouched in rows[(rows["cut"] == UNTOUCHED) & (rows["statistic"] == "auc")].to_dict("records"):
        low, high = (untouched["value"] + 2 * sign * untouched["standard_error"] for sign in (-1, 1))
        found.append(
            row(
                "untouched_above_chance",
                untouched["value"],
                **names_of(untouched),
                standard_error=untouched["standard_error"],
                low=low,
                high=high,
                reference=CHANCE_OF_AUC,
                reference_kind="chance",
                resampled=untouched["unit"],
                n=len(untouched["units"]),
                verdict=verdict(not low <= CHANCE_OF_AUC),
            )
        )
    return found
