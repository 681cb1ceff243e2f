"""The finding on noisier copies: which conclusions move when the quantiser's noise is added once more."""

import numpy as np
import pandas as pd
from scipy import stats

from weightspectra.report.cuts import costs
from weightspectra.report.cuts.cut_findings import MAX_NAMED, worse
from weightspectra.report.kit import wording
from weightspectra.report.kit.finding import LEVEL, Finding
from weightspectra.report.kit.measurements import Measurements

FEWEST = 5
"""Cuts from which on a rank correlation is worth a number."""


def renoised(data: Measurements) -> Finding | None:
    """Compare the verdicts on the same cuts of a model and of its copy with more noise."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    n_cuts, n_moved = 0, 0
    for copy, original in data.copies.items():
        for before, after in _pairs(data.evaluations, original, copy):
            both = beside(before, after)
            if both.empty or costs.too_few_units(before):
                continue
            experiment = str(before["experiment"].iloc[0])
            moved = both[both["verdict"] != both["verdict_of_copy"]]
            n_cuts, n_moved = n_cuts + len(both), n_moved + len(moved)
            numbers |= {f"{copy}/{experiment}/n_cuts": len(both), f"{copy}/{experiment}/n_moved": len(moved)}
            lines.append(
                f"{data.titles[copy]} beside {data.titles[original]}, {experiment}: {_untouched(before, after)}"
            )
            lines.append(_moved(both, moved) + _order(both))
            lines += _roles(before, after)
    if not lines:
        return None
    headline = f"With the quantiser's noise added once more, {n_moved} of {n_cuts} verdicts on cuts move"
    return Finding(
        headline if n_moved else f"{headline.split(',')[0]}, no verdict on {n_cuts} cuts moves", lines, numbers
    )


def beside(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Put the changes that cuts make to a model beside those that they make to its copy.

    Parameters
    ----------
    before, after : DataFrame
        Rows of ``contracts.EVALUATIONS`` of both models, of one experiment and metric.

    Returns
    -------
    DataFrame
        Indexed by cut, without matched controls: ``difference`` and ``verdict``
        (1: significantly worse, -1: significantly better, 0: neither), and both ``_of_copy``.
    """
    found = []
    for rows in (before, after):
        cuts = rows[(rows["cut"] != costs.UNTOUCHED) & (rows["control_of"] == "")]
        sign = np.where(worse(cuts), 1, -1) * (cuts["q_value"] <= costs.SIGNIFICANT)
        found.append(cuts.assign(verdict=sign).set_index("cut")[["difference", "verdict"]])
    return found[0].join(found[1], how="inner", rsuffix="_of_copy")


def _pairs(evaluations: pd.DataFrame, original: str, copy: str) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    of_model = {
        model: {
            rows["experiment"].iloc[0]: rows for rows in costs.experiments(evaluations[evaluations["model"] == model])
        }
        for model in (original, copy)
    }
    return [(rows, of_model[copy][name]) for name, rows in of_model[original].items() if name in of_model[copy]]


def _untouched(before: pd.DataFrame, after: pd.DataFrame) -> str:
    one, other = costs.untouched(before), costs.untouched(after)
    return (
        f"{costs.metric_title(one['metric'])} {wording.number(one['value'])} untouched, "
        f"{wording.number(other['value'])} with more noise."
    )


def _moved(both: pd.DataFrame, moved: pd.DataFrame) -> str:
    """Count the verdicts that stay, and name those that move with the change in both models."""
    kept = f"{len(both) - len(moved)} of {len(both)} cuts keep their verdict (significantly worse, better, or neither)"
    named = [
        f"{cut} ({wording.signed_number(row['difference'])} → {wording.signed_number(row['difference_of_copy'])})"
        for cut, row in moved.head(MAX_NAMED).iterrows()
    ]
    named += [f"{len(moved) - MAX_NAMED} others"] if len(moved) > MAX_NAMED else []
    return f"{kept}{'; those that move: ' + wording.listing(named) if named else ''}."


def _order(both: pd.DataFrame) -> str:
    if len(both) < FEWEST:
        return ""
    rho = stats.spearmanr(both["difference"], both["difference_of_copy"]).statistic
    return f" Rank correlation of the changes: {rho:.2f}."


def _roles(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Say in which roles decile 1 costs significantly more than a middle one, in both models."""
    said = []
    for rows in (before, after):
        middle = costs.smallest_against_middle(rows)
        if middle.empty:
            return []
        dearer = middle.loc[(middle["p_value"] < LEVEL) & (middle["excess"] > 0), "role"]
        said.append(wording.roles(dearer) or "no role")
    return [f"Decile 1 costs significantly more than a middle one in {said[0]}; with more noise, in {said[1]}."]
