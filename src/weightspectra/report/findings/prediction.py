"""Findings on predicted damage: how well it orders what was measured, and which directions it points at."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from weightspectra.report.damage.predictions import PREDICTORS, correlation, visible
from weightspectra.report.findings.finding import Conclusions, Finding, Row, each
from weightspectra.report.kit import wording
from weightspectra.report.kit.wording import ROLE_TITLES, percent

N_TOKENS = 3
PLACE = ("model", "corpus", "layer", "role", "expert", "index")


def prediction(found: Conclusions) -> Finding | None:
    """Say where damage is predicted, and how well the prediction orders the cuts that were measured."""
    lines: list[str] = []
    for row in found.of("predicted_from").to_dict("records"):
        names = {name: row[name] for name in ("model", "corpus")}
        lines.append(
            f"{found.title(row['model'])}, from {int(row['number']):,} tokens of {row['corpus']}: "
            f"{_largest(found.of('damage_predicted', **names))}"
        )
        for experiment, scope, part in each(found.of("order_predicted", **names), "experiment", "scope"):
            spelled = [
                f"{PREDICTORS[name]} {correlation(*numbers)}"
                for name, *numbers in part[["detail", "number", "low", "high"]].to_numpy()
            ]
            lines.append(
                "Rank correlation with the measured increase of the loss over "
                f"{int(part['n'].iloc[0])} cuts by {scope} ({experiment}): {wording.listing(spelled)}."
            )
    return Finding(_headline(found.of("order_predicted", detail="predicted")["number"]), lines) if lines else None


def _headline(best: pd.Series) -> str:
    if best.empty:
        return "Damage is predicted; no cuts were evaluated that say how well"
    if best.min() == best.max():
        return f"Predicted damage orders measured cuts with a rank correlation of {best.iloc[0]:.2f}"
    return f"Predicted damage orders measured cuts with rank correlations of {best.min():.2f} to {best.max():.2f}"


def _largest(cells: pd.DataFrame) -> str:
    """Name the cells of small singular values whose removal is predicted to hurt most."""
    named = [
        f"decile {row['decile']} of layer {row['layer']} {ROLE_TITLES[row['role']].lower()} "
        f"({wording.signed_number(row['number'])})"
        for row in cells.to_dict("records")
    ]
    return (
        "among the smaller half of the singular values, most damage is predicted for "
        f"{wording.listing(named)}, in nats per token. This is a prediction, not a measurement."
    )


def directions(found: Conclusions) -> Finding | None:
    """Name the singular directions whose predicted damage surprises most."""
    lines = [
        f"{found.title(row['model'])}, {_direction(found, row)}"
        for row in found.of("direction_damage").to_dict("records")
    ]
    return Finding("Directions that matter more than their singular values say, as predicted", lines) if lines else None


def _direction(found: Conclusions, row: Row) -> str:
    names = {name: row[name] for name in PLACE}
    about: Mapping[str, Any] = {
        name: found.of(f"direction_{name}", **names).iloc[0]
        for name in ("weight", "output", "reads", "constant", "first_tokens")
    }
    part = {name: percent(one["number"]) for name, one in about.items()}
    tokens = list(dict.fromkeys(visible(token) for token in row["names"]))[:N_TOKENS]
    return (
        f"layer {row['layer']} {ROLE_TITLES[row['role']].lower()}: singular value {row['index'] + 1:,} of "
        f"{int(row['n']):,} holds {part['weight']} % of the weight's energy and puts out {part['output']} % of its "
        f"output's; predicted damage {wording.signed_number(row['number'])} nats per token. It reads eigenvector "
        f"{int(about['reads']['setting']):,} of the input's second moment (overlap {about['reads']['number']:.2f}); of "
        f"its squared activity {part['constant']} % is a constant and {part['first_tokens']} % at first tokens; most "
        f"active at {wording.listing([f'“{token}”' for token in tokens])}."
    )
