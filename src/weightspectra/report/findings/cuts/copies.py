"""The finding on noisier copies: which conclusions move when the quantiser's noise is added once more."""

import pandas as pd

from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.report.cuts.costs import metric_title
from weightspectra.report.findings.cuts.costs import DEARER
from weightspectra.report.findings.cuts.scores import untouched
from weightspectra.report.findings.finding import MAX_NAMED, Conclusions, Finding, each, holds
from weightspectra.report.kit import wording


def renoised(found: Conclusions) -> Finding | None:
    """Compare the verdicts on the same cuts of a model and of its copy with more noise."""
    lines: list[str] = []
    told = found.of("verdict_moves")
    told = told[told["verdict"] != CANNOT_BE_TOLD]
    for copy, original, experiment, rows in each(told, "model", "beside", "experiment"):
        first = rows.to_dict("records")[0]
        one, other = untouched(found, {**first, "model": original}), untouched(found, first)
        lines.append(
            f"{found.title(copy)} beside {found.title(original)}, {experiment}: {metric_title(first['metric'])} "
            f"{wording.number(one['number'])} untouched, {wording.number(other['number'])} with more noise."
        )
        order = found.one("order_of_changes", model=copy, beside=original, experiment=experiment)
        lines.append(_moved(rows) + (f" Rank correlation of the changes: {order['number']:.2f}." if order else ""))
        lines += _roles(found, original, copy, experiment)
    if not lines:
        return None
    n_moved = int(holds(told).sum())
    moved = f"{n_moved} of {len(told)} verdicts on cuts move" if n_moved else f"no verdict on {len(told)} cuts moves"
    return Finding(f"With the quantiser's noise added once more, {moved}", lines)


def _moved(rows: pd.DataFrame) -> str:
    """Count the verdicts that stay, and name those that move with the change in both models."""
    moved = rows[holds(rows)]
    kept = f"{len(rows) - len(moved)} of {len(rows)} cuts keep their verdict (significantly worse, better, or neither)"
    named = [
        f"{row['cut']} ({wording.signed_number(row['reference'])} → {wording.signed_number(row['number'])})"
        for row in moved.head(MAX_NAMED).to_dict("records")
    ]
    named += [f"{len(moved) - MAX_NAMED} others"] if len(moved) > MAX_NAMED else []
    return f"{kept}{'; those that move: ' + wording.listing(named) if named else ''}."


def _roles(found: Conclusions, original: str, copy: str, experiment: str) -> list[str]:
    """Say in which roles decile 1 costs significantly more than a middle one, in both models."""
    said = []
    for model in (original, copy):
        middle = found.of(DEARER, model=model, experiment=experiment, metric="perplexity_per_token")
        if middle.empty:
            return []
        said.append(wording.roles(middle.loc[holds(middle), "role"]) or "no role")
    return [f"Decile 1 costs significantly more than a middle one in {said[0]}; with more noise, in {said[1]}."]
