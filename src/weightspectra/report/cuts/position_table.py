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
from weightspectra.statistics.paired import standard_error

MOST_SHOWN = 8
"""Cuts shown of one experiment: those that change the perplexity most."""

COLUMNS = [
    *("model", "experiment", "cut", "window", "stride", "bos", "position_from", "n_tokens"),
    *("loss", "standard_error", "change", "change_se"),
]


def positions(data: Measurements) -> Table:
    """Tabulate the loss by position in the window: of the untouched model, and what the dearest cuts add to it."""
    found = known_by_position(data)
    profiles = [laid_out(rows) for rows in by_metric(found)]
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
        "The first column is the whole: nats per token over all positions. Behind each number stands its standard "
        "error over documents, that of what a cut adds paired with the untouched model.",
    ]
    title = "Where in a window the damage lies"
    numbers = pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame(columns=COLUMNS)
    return Table("positions", title, numbers, blocks, notes, data.coarse)


def known_by_position(data: Measurements) -> pd.DataFrame:
    """Return the evaluations, as :func:`weightspectra.report.cuts.costs.evaluated` does, whose loss has a profile."""
    found = costs.evaluated(data)
    return found[(found["metric"] == MAIN_METRIC) & (found["positions"].map(len) > 0)]


def laid_out(rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out the losses of one model, experiment and metric by cut and position, beside those of the untouched model.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.EVALUATIONS`` with positions.

    Returns
    -------
    DataFrame
        The columns ``COLUMNS``; ``change`` is the loss minus that of the untouched model, ``change_se`` its error.
    """
    names = ("position_from", "n_tokens", "loss", "standard_error", "change_se")
    found = rows.drop(columns="standard_error").explode([*costs.PER_POSITION])
    found = found.rename(columns=dict(zip(costs.PER_POSITION, names, strict=True)))
    found = found.astype({name: int if name in names[:2] else float for name in names})
    untouched = found[found["cut"] == UNTOUCHED].set_index("position_from")["loss"]
    with np.errstate(invalid="ignore"):
        return found.assign(change=found["loss"] - found["position_from"].map(untouched))[COLUMNS]


def shown(rows: pd.DataFrame) -> list[str]:
    """Return the cuts of one model, experiment and metric that are shown: the dearest, significant ones first."""
    cuts = rows[(rows["cut"] != UNTOUCHED) & (rows["control_of"] == "")]
    return list(cuts.sort_values(["told", "difference"], ascending=False, kind="stable")["cut"].head(MOST_SHOWN))


def octave_names(part: pd.DataFrame) -> list[str]:
    """Name the positions of one cut's profile: ``"4-7"``."""
    ends = [*part["position_from"].to_numpy()[1:] - 1, int(part["window"].iloc[0])]
    return [f"{a:,}" if a == b else f"{a:,}-{b:,}" for a, b in zip(part["position_from"], ends, strict=True)]


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    by_cut = {str(cut): part for cut, part in laid_out(rows).groupby("cut", sort=False)}
    whole = {str(row["cut"]): row for row in rows.to_dict("records")}
    spelled = {"untouched": _line(by_cut[UNTOUCHED], whole[UNTOUCHED], None)}
    spelled |= {cut: _line(by_cut[cut], whole[cut], whole[UNTOUCHED]) for cut in shown(rows)}
    return pd.DataFrame.from_dict(spelled, orient="index", columns=["All", *octave_names(by_cut[UNTOUCHED])])


def _line(part: pd.DataFrame, row: Mapping[Any, Any], untouched: Mapping[Any, Any] | None) -> list[str]:
    """Spell one cut's changes, or the untouched model's losses: over all positions, then at each."""
    columns = ["loss", "standard_error"] if untouched is None else ["change", "change_se"]
    values, weights = np.asarray(row["unit_values"]), np.asarray(row["unit_weights"])
    with np.errstate(invalid="ignore"):
        error = standard_error("mean", values if untouched is None else values - untouched["unit_values"], weights)
    whole = float(np.average(part[columns[0]], weights=part["n_tokens"]))
    return [_spelled(*pair, signed=untouched is not None) for pair in [(whole, error), *part[columns].to_numpy()]]


def _spelled(number: float, error: float, *, signed: bool) -> str:
    if error > 0 or not np.isfinite(number):
        return wording.measurement(number, error, signed=signed)
    return wording.signed(number, 3) if signed else f"{number:.3f}"
