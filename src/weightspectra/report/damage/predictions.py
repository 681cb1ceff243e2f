"""Predicted damage beside measured damage: who puts cuts into the right order, and which directions surprise."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from weightspectra.report.cuts.costs import changes_told
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where
from weightspectra.report.kit.table import Block, Table, by_model
from weightspectra.report.kit.wording import ROLE_TITLES

PREDICTORS = {
    "predicted": "predicted damage",
    "second_order": "second order (Fisher)",
    "first_order": "first order (gradient)",
    "output_energy": "output energy",
    "centred_energy": "output energy, centred",
    "weight_energy": "weight energy",
}
"""From each column of ``contracts.PREDICTIONS`` that predicts to what it is called, in the order shown."""

MAX_TOKENS = 6

COLUMNS = ["model", "corpus", "experiment", "scope", "predictor", "n_cuts", "correlation", "low", "high"]


def agreement(found: pd.DataFrame, **names: str) -> pd.DataFrame:
    """Lay out how well each predictor orders measured cuts, by experiment and scope.

    Parameters
    ----------
    found : DataFrame
        Rows of ``contracts.FINDINGS``.
    **names
        Values that their columns have.

    Returns
    -------
    DataFrame
        model, corpus, experiment, scope, predictor, n_cuts, Spearman's rank
        correlation and its 95 % interval.
    """
    rows = where(found, {"claim": "order_predicted", **names})
    renamed = {"detail": "predictor", "n": "n_cuts", "number": "correlation"}
    return rows.rename(columns=renamed).astype({"n_cuts": int})[COLUMNS]


def measured(found: pd.DataFrame, **names: str) -> pd.DataFrame:
    """Lay out what was measured after each cut of one decile, beside what was predicted of it.

    Parameters
    ----------
    found : DataFrame
        Rows of ``contracts.FINDINGS``, those on the cuts themselves among them.
    **names
        Values that their columns have.

    Returns
    -------
    DataFrame
        experiment, scope, role, predicted, measured, and ``told``: whether the change is significant.
    """
    rows = where(found, {"claim": "damage_measured", **names})
    told = changes_told(rows, found)
    renamed = {"number": "measured", "reference": "predicted"}
    return rows.assign(told=told).rename(columns=renamed)[[*("experiment", "scope", "role"), *renamed.values(), "told"]]


def of_measurements(data: Measurements) -> list[tuple[str, str, pd.DataFrame]]:
    """Return model, corpus and predictions of every pair that was predicted."""
    return [
        (model, str(corpus), rows)
        for model, of_model in by_model(data.predictions, data.titles)
        for corpus, rows in of_model.groupby("corpus", sort=False)
    ]


def prediction(data: Measurements) -> Table:
    """Tabulate how well each predictor puts the evaluated cuts into the order of their measured damage."""
    blocks, numbers = [], [pd.DataFrame(columns=COLUMNS)]
    for model, corpus, _ in of_measurements(data):
        found = agreement(data.findings, model=model, corpus=corpus)
        if found.empty:
            continue
        spelled = found.assign(
            cell=[correlation(*numbers) for numbers in found[["correlation", "low", "high"]].to_numpy()],
            column=[f"{e}: {n} cuts by {s}" for e, n, s in found[["experiment", "n_cuts", "scope"]].values],
        )
        cells = spelled.pivot_table(index="predictor", columns="column", values="cell", aggfunc="first", sort=False)
        cells = cells.reindex([name for name in PREDICTORS if name in cells.index]).fillna(wording.NOTHING)
        heading = f"{data.titles[model]}, predicted on {corpus}"
        blocks.append(Block(heading, "Predictor", cells.rename(index=PREDICTORS).rename_axis(columns=None)))
        numbers.append(found)
    notes = [
        "Spearman's rank correlation between the damage that was predicted before any cut was made and the measured "
        "increase of the log-perplexity, and in brackets its 95 % interval. Cuts of neighbouring deciles are not "
        "independent, so that the interval is if anything too narrow.",
        "Predictors of a cut are sums over its matrices.",
    ]
    if not blocks:
        notes.append(
            "No cut of these models was evaluated in a way that can be compared: nothing is known of the order."
        )
    both = pd.concat([frame for frame in numbers if len(frame)] or numbers)
    return Table("prediction", "Predicted against measured damage", both, blocks, notes, data.coarse)


def correlation(rho: float, low: float, high: float) -> str:
    """Spell a correlation with its interval: ``"0.86 [0.83, 0.89]"``."""
    return f"{rho:.2f} [{low:.2f}, {high:.2f}]".replace("-", wording.MINUS)


def directions(data: Measurements) -> Table:
    """Tabulate the singular directions whose predicted damage exceeds most what their singular value says."""
    blocks = []
    for model, of_model in by_model(data.directions, data.titles):
        for corpus, rows in of_model.groupby("corpus", sort=False):
            cells = pd.DataFrame(
                [_direction(row) for row in rows.to_dict("records")],
                index=[_place(row) for row in rows.to_dict("records")],
            )
            blocks.append(Block(f"{data.titles[model]}, on {corpus}", "Singular value", cells))
    notes = [
        "Prediction, not measurement: the increase of the loss in nats per token if this direction goes alone.",
        "Rank: 1 is the largest singular value. Weight, output: its share of the matrix's squared Frobenius norm, and "
        "of what the matrix puts out on this text. Reads: the eigenvector of the input's second moment (1 is the "
        "largest) that its right vector meets most, the absolute cosine, and that eigenvector's share of the second "
        "moment.",
        "Constant: share of its squared activation that is its mean. First tokens: share at the first tokens of "
        "windows. Peak: largest activation over its root mean square. Tokens: where it is most active, a space shown "
        "as ␣ and a new line as ⏎.",
    ]
    numbers = data.directions.assign(
        tokens=data.directions["tokens"].map(lambda tokens: " ".join(map(visible, tokens))),
        positions=data.directions["positions"].map(lambda places: " ".join(map(str, places))),
    )
    title = "Directions whose predicted damage surprises"
    return Table("directions", title, numbers, blocks, notes, data.coarse)


def _place(row: Mapping[Any, Any]) -> str:
    expert = f" expert {row['expert']}" if row["expert"] else ""
    role = ROLE_TITLES[row["role"]].lower()
    return f"layer {row['layer']} {role}{expert}, rank {row['index'] + 1:,} of {row['n_values']:,}"


def _direction(row: Mapping[Any, Any]) -> dict[str, str]:
    return {
        "Predicted": wording.signed_number(row["predicted"]),
        "Weight, %": wording.percent(row["weight_energy"]),
        "Output, %": wording.percent(row["output_energy"]),
        "Reads": f"{row['component'] + 1:,} ({row['overlap']:.2f}; {wording.percent(row['component_share'])} %)",
        "Constant, %": wording.percent(row["mean_share"]),
        "First tokens, %": wording.percent(row["first_token_share"]),
        "Peak": f"{row['peak']:.0f}×",
        "Tokens": " ".join(dict.fromkeys(visible(token) for token in row["tokens"][:MAX_TOKENS])),
    }


def visible(token: str) -> str:
    """Spell a token so that its spaces and new lines can be seen, and nothing in it breaks a table."""
    seen = token.replace("Ġ", " ").replace("▁", " ").replace("Ċ", "\n")
    seen = seen.replace("\n", "⏎").replace(" ", "␣")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in seen) or "''"
