"""The table of where in a window the damage of a cut lies: at its first positions, or all along."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.cuts.experiments import MAIN_METRIC, UNTOUCHED, by_metric
from weightspectra.conclusions.families import SIGNIFICANT
from weightspectra.report.cuts import costs
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table, by_model

MOST_SHOWN = 8
"""Cuts shown of one experiment: those that change the perplexity most."""

COLUMNS = ["model", "experiment", "cut", "window", "stride", "bos", "position_from", "n_tokens", "loss", "change"]


def positions(data: Measurements) -> Table:
    """Tabulate the loss by position in the window: of the untouched model, and what the dearest cuts add to it."""
    found = costs.evaluated(data)
    found = found[found["metric"] == MAIN_METRIC]
    found = found[found["positions"].map(len) > 0]
    profiles = pd.concat([profile(rows) for rows in by_metric(found)], ignore_index=True) if len(found) else None
    blocks = []
    for model, of_model in by_model(found, data.titles):
        for rows in by_metric(of_model):
            untouched = costs.untouched(rows)
            heading = f"{data.titles[model]}, {untouched['experiment']}: {costs.describe(untouched)}"
            blocks.append(Block(heading, "Cut", _cells(rows)))
    notes = [
        "Loss of the untouched model in nats per token by position in the window (0 is its first token, which is not "
        "predicted), and what each cut adds to it: a cut that adds most at the first positions costs more per token "
        "the shorter the windows are.",
        f"Of each experiment the {MOST_SHOWN} cuts that add most (without matched controls), those whose change of "
        f"perplexity is significant (q of at most {SIGNIFICANT}) first; the CSV file has all.",
        "The first column is the whole: nats per token over all positions.",
    ]
    title = "Where in a window the damage lies"
    empty = pd.DataFrame(columns=COLUMNS)
    return Table("positions", title, empty if profiles is None else profiles, blocks, notes, data.coarse)


def profile(rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out the losses of one model, experiment and metric by cut and position, beside those of the untouched model.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.EVALUATIONS`` with positions.

    Returns
    -------
    DataFrame
        The columns ``COLUMNS``; ``change`` is the loss minus that of the untouched model.
    """
    found = rows.explode(["positions", "position_tokens", "position_losses"])
    found = found.rename(
        columns={"positions": "position_from", "position_tokens": "n_tokens", "position_losses": "loss"}
    ).astype({"position_from": int, "n_tokens": int, "loss": float})
    untouched = found[found["cut"] == UNTOUCHED].set_index("position_from")["loss"]
    with np.errstate(invalid="ignore"):
        return found.assign(change=found["loss"] - found["position_from"].map(untouched))[COLUMNS]


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    cuts = rows[(rows["cut"] != UNTOUCHED) & (rows["control_of"] == "")]
    told = cuts.sort_values(["told", "difference"], ascending=False, kind="stable")
    by_cut = {str(cut): part for cut, part in profile(rows).groupby("cut", sort=False)}
    untouched = by_cut[UNTOUCHED]
    spelled = {"untouched": _line(untouched, "loss")}
    spelled |= {cut: _line(by_cut[cut], "change") for cut in told["cut"].head(MOST_SHOWN)}
    ends = [*untouched["position_from"].to_numpy()[1:] - 1, int(untouched["window"].iloc[0])]
    names = [f"{a:,}" if a == b else f"{a:,}-{b:,}" for a, b in zip(untouched["position_from"], ends, strict=True)]
    return pd.DataFrame.from_dict(spelled, orient="index", columns=["All", *names])


def _line(part: pd.DataFrame, column: str) -> list[str]:
    """Spell one cut's losses or changes: over all positions, then at each."""
    whole = float(np.average(part[column], weights=part["n_tokens"]))
    spell: Mapping[str, Any] = {"loss": lambda number: f"{number:.3f}", "change": lambda n: wording.signed(n, 3)}
    return [spell[column](number) if np.isfinite(number) else str(number) for number in [whole, *part[column]]]
