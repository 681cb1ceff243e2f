"""Findings on fine-tuning: whether removal before or after it hurts, and where it changes the weights."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from weightspectra.finetuning.effects import finetuning_effects
from weightspectra.report.cuts import costs
from weightspectra.report.finetuning import differences
from weightspectra.report.finetuning.finetuning_tables import ORDERS
from weightspectra.report.kit import wording
from weightspectra.report.kit.finding import LEVEL, Finding
from weightspectra.report.kit.measurements import Measurements

CHANCE = 0.025
"""Share of random differences on either side of their band."""


def finetuning(data: Measurements) -> Finding | None:
    """Say for both orders what removing each end of the spectrum does to a classifier, and where else it hurts."""
    if data.finetunings.empty:
        return None
    effects = finetuning_effects(data.finetunings)
    lines: list[str] = []
    numbers: dict[str, float] = {}
    verdicts = []
    for (model, name), runs in effects.groupby(["model", "finetuning"], sort=False):
        last = runs[runs["epoch"] == runs["epoch"].max()]
        first = last.iloc[0]
        lines.append(
            f"{data.titles[str(model)]}, {name}, after {wording.count(first['epoch'], 'epoch')}: untouched accuracy "
            f"{wording.measurement(first['untouched'], first['untouched_sd'])} (standard deviation over "
            f"{wording.count(first['n_untouched'], 'run')}; {first['n_test']:,} test examples)."
        )
        for order, rows in last.groupby("order", sort=True):
            lines.append(_order(str(order), rows, runs[(runs["order"] == order) & (runs["decile"] == 1)]))
            numbers |= {
                f"{model}/{name}/{order}/decile {decile}": change
                for decile, change in rows[["decile", "difference"]].itertuples(index=False)
            }
        verdicts.append(_verdict(last))
    return Finding(_headline(verdicts), lines, numbers)


def _order(order: str, rows: pd.DataFrame, smallest: pd.DataFrame) -> str:
    """Spell one order: where accuracy falls significantly at the last epoch, and decile 1 epoch by epoch."""
    if rows["q_value"].isna().all():
        return f"{ORDERS[order].capitalize()}: with one run each, or one independent test text, no test is possible."
    lower = rows[(rows["q_value"] <= costs.SIGNIFICANT) & (rows["difference"] < 0)]
    changes = [f"decile {row['decile']} ({_points(row)})" for row in lower.sort_values("decile").to_dict("records")]
    where = f"significantly lower without {wording.listing(changes)}" if changes else "significantly lower without none"
    text = f"{ORDERS[order].capitalize()}: {where}; of {len(rows)} deciles, in percentage points."
    if len(smallest) > 1:
        course = [
            f"{row['epoch']}: {_points(row)}{'' if row['q_value'] <= costs.SIGNIFICANT else ', not significant'}"
            for row in smallest.sort_values("epoch").to_dict("records")
        ]
        text += f" Decile 1 by epoch: {'; '.join(course)}."
    return text


def _points(row: dict) -> str:
    return wording.interval(*(100 * row[name] for name in ("difference", "difference_low", "difference_high")))


def _verdict(last: pd.DataFrame) -> dict[str, bool]:
    """Return for each order whether removing decile 1 lowers accuracy significantly."""
    smallest = last[(last["decile"] == 1) & last["q_value"].notna()]
    lower = (smallest["q_value"] <= costs.SIGNIFICANT) & (smallest["difference"] < 0)
    return {str(order): bool(low) for order, low in zip(smallest["order"], lower, strict=True)}


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


def difference(data: Measurements) -> Finding | None:
    """Say in which singular directions of a model further training changed its weights."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    for name, rows in data.comparisons.groupby("comparison", sort=False):
        changed = rows[rows["relative_change"] > 0]
        if changed.empty:
            lines.append(f"{differences.pair(data, rows)}: no matrix changed.")
            continue
        lines.append(
            f"{differences.pair(data, rows)}: {len(changed)} of {len(rows)} matrices changed, by "
            f"{wording.percent(changed['relative_change'].mean())} % of their norm (mean); stable rank of the change "
            f"{changed['stable_rank'].mean():.1f}, singular values above noise {changed['n_above'].mean():.1f} (means)."
        )
        for kind, of in differences.KINDS.items():
            places, found = _places(changed, kind)
            numbers |= {f"{name}/{kind}/{place}": value for place, value in found.items()}
            lines.append(f"Share of {of}, as a multiple of chance: {'; '.join(places)}.")
    return Finding("Where further training changed the weights", lines, numbers) if lines else None


def _places(rows: pd.DataFrame, kind: str) -> tuple[list[str], dict[str, float]]:
    """Spell the shares of both ends on both sides, with how many matrices leave the null band."""
    tests = [
        (side, decile, *differences.outside_band(rows, side, decile, kind))
        for side in ("left", "right")
        for decile in differences.ENDS
    ]
    counts = [count for _, _, *both in tests for count in both]
    p = costs.holm(np.asarray(stats.binom.sf(np.array(counts) - 1, len(rows), CHANCE)))
    spelled, numbers = [], {}
    for place, (side, decile, more, less) in enumerate(tests):
        ratio = float(differences.relative(rows, side, kind)[:, decile - 1].mean())
        told = p[2 * place : 2 * place + 2] < LEVEL
        counted = [
            f"{how} the band in {count}"
            for how, count, is_told in zip(("above", "below"), (more, less), told, strict=True)
            if is_told
        ]
        outside = f"{wording.listing(counted)} of {len(rows)} matrices" if counted else "outside the band as by chance"
        spelled.append(
            f"{'output' if side == 'left' else 'input'} side, decile {decile}, {ratio:.2f} times ({outside})"
        )
        numbers[f"{side}/decile {decile}"] = ratio
    return spelled, numbers
