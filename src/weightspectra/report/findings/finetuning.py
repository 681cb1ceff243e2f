"""The finding on fine-tuning: whether removal before or after it hurts."""

from collections.abc import Sequence

import pandas as pd

from weightspectra.report.findings.finding import Conclusions, Finding, Row, each, holds
from weightspectra.report.finetuning.finetuning_tables import ORDERS
from weightspectra.report.kit import wording


def finetuning(found: Conclusions) -> Finding | None:
    """Say for both orders what removing each end of the spectrum does to a classifier, and where else it hurts."""
    lines: list[str] = []
    verdicts = []
    for model, name, runs in each(found.of("accuracy_change"), "model", "experiment"):
        last = runs[runs["setting"] == runs["setting"].max()]
        epoch = last["setting"].iloc[0]
        untouched = found.one("untouched_accuracy", model=model, experiment=name, setting=epoch)
        tested = found.one("tested", model=model, experiment=name)
        if untouched and tested:
            lines.append(
                f"{found.title(model)}, {name}, after {wording.count(int(epoch), 'epoch')}: untouched accuracy "
                f"{wording.measurement(untouched['number'], untouched['sd'])} (standard deviation over "
                f"{wording.count(int(untouched['n']), 'run')}; {int(tested['number']):,} test examples)."
            )
        for order, rows in last.groupby("detail", sort=True):
            lines.append(_order(str(order), rows, runs[(runs["detail"] == order) & (runs["decile"] == 1)]))
        verdicts.append(_verdict(last))
    return Finding(_headline(verdicts), lines) if lines else None


def _order(order: str, rows: pd.DataFrame, smallest: pd.DataFrame) -> str:
    """Spell one order: where accuracy falls significantly at the last epoch, and decile 1 epoch by epoch."""
    if rows["p_corrected"].isna().all():
        return f"{ORDERS[order].capitalize()}: {rows['why'].iloc[0]}."
    lower = rows[holds(rows) & (rows["number"] < 0)]
    changes = [f"decile {row['decile']} ({_points(row)})" for row in lower.sort_values("decile").to_dict("records")]
    where = f"significantly lower without {wording.listing(changes)}" if changes else "significantly lower without none"
    text = f"{ORDERS[order].capitalize()}: {where}; of {len(rows)} deciles, in percentage points."
    if len(smallest) > 1:
        ordered = smallest.assign(told=holds(smallest)).sort_values("setting")
        course = [
            f"{int(row['setting'])}: {_points(row)}{'' if row['told'] else ', not significant'}"
            for row in ordered.to_dict("records")
        ]
        text += f" Decile 1 by epoch: {'; '.join(course)}."
    return text


def _points(row: Row) -> str:
    return wording.interval(*(100 * row[name] for name in ("number", "low", "high")))


def _verdict(last: pd.DataFrame) -> dict[str, bool]:
    """Return for each order whether removing decile 1 lowers accuracy significantly."""
    smallest = last[(last["decile"] == 1) & last["p_corrected"].notna()]
    lower = holds(smallest) & (smallest["number"] < 0)
    return {str(order): bool(low) for order, low in zip(smallest["detail"], lower, strict=True)}


def _headline(verdicts: Sequence[dict[str, bool]]) -> str:
    """Say what removing the smallest tenth does, if all fine-tunings agree."""
    if any(verdict != verdicts[0] or len(verdict) != len(ORDERS) for verdict in verdicts):
        return "What removing singular values before or after fine-tuning does"
    before, after = verdicts[0]["remove_first"], verdicts[0]["remove_last"]
    if before and after:
        return "Removing the smallest tenth lowers accuracy, both before and after fine-tuning"
    if after:
        return "Removing the smallest tenth after fine-tuning lowers accuracy; before it, not significantly"
    if before:
        return "Removing the smallest tenth before fine-tuning lowers accuracy; after it, not significantly"
    return "Removing the smallest tenth lowers accuracy significantly neither before nor after fine-tuning"
