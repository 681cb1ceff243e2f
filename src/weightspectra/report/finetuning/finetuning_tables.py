"""The table of fine-tuning: what removing singular values before or after it does to a classifier."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.families import SIGNIFICANT
from weightspectra.report.finetuning.effects import BAND_SDS
from weightspectra.report.finetuning.effects import effects as effects_of
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table, by_model

ORDERS = {"remove_first": "remove, then fine-tune", "remove_last": "fine-tune, then remove"}
"""From each order of removal and fine-tuning to what people read, in the order in which they are shown."""

OUTSIDE = "†"


def finetuning(data: Measurements) -> Table:
    """Tabulate a classifier's accuracy by decile removed, order and epoch, beside the untouched runs' spread.

    As figure 6 of arXiv 2410.17770.
    """
    effects = effects_of(data.finetunings, data.findings)
    blocks = []
    for model, of_model in by_model(effects, data.titles) if len(effects) else []:
        for name, runs in of_model.groupby("finetuning", sort=False):
            for order, rows in runs.groupby("order", sort=True):
                n_removed, first = rows["n_seeds"].max(), rows.iloc[0]
                heading = (
                    f"{data.titles[model]}, {name}: {ORDERS[str(order)]} "
                    f"({wording.count(n_removed, 'run')} each, {wording.count(first['n_untouched'], 'untouched run')}, "
                    f"{first['n_test']:,} test examples)"
                )
                blocks.append(Block(heading, "Removed", _accuracies(rows)))
    notes = [
        "Accuracy on the test examples, mean over runs, and in round brackets its change against the untouched runs "
        "of the same seeds. Untouched: mean ± standard deviation from run to run.",
        f"*: significant, the p-value of the change over runs and examples, corrected over the deciles of one order "
        f"and epoch, is at most {SIGNIFICANT}. {OUTSIDE}: outside {BAND_SDS:g} standard deviations of the "
        "untouched runs, the band of the paper's figure 6.",
        "The decile is removed from every weight matrix but the embeddings.",
    ]
    title = "Fine-tuning with singular values removed before or after"
    numbers = effects.drop(columns="told", errors="ignore")
    return Table("finetuning", title, numbers, blocks, notes, data.coarse)


def _accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """Spell one order: deciles over epochs, the untouched runs first."""
    by_epoch = rows.groupby("epoch").first()
    untouched = {
        f"Epoch {epoch}": wording.measurement(mean, sd)
        for epoch, mean, sd in by_epoch[["untouched", "untouched_sd"]].itertuples()
    }
    spelled = rows.assign(cell=[_accuracy(row) for row in rows.to_dict("records")])
    cells = spelled.pivot_table(index="decile", columns="epoch", values="cell", aggfunc="first")
    cells = cells.fillna(wording.NOTHING).rename(columns="Epoch {}".format, index="decile {}".format)
    return pd.concat([pd.DataFrame(untouched, index=["untouched"]), cells])


def _accuracy(row: Mapping[Any, Any]) -> str:
    marks = "*" if row["told"] else ""
    marks += "" if row["band_low"] <= row["accuracy"] <= row["band_high"] or np.isnan(row["band_low"]) else OUTSIDE
    return f"{row['accuracy']:.3f} ({wording.signed(row['difference'], 3)}){' ' if marks else ''}{marks}"
