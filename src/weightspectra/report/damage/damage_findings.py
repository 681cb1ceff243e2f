"""Findings on predicted damage: how well it orders what was measured, and which directions it points at."""

import numpy as np
import pandas as pd

from weightspectra.report.damage import predictions
from weightspectra.report.kit import wording
from weightspectra.report.kit.finding import Finding
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.wording import ROLE_TITLES

N_NAMED = 3


def prediction(data: Measurements) -> Finding | None:
    """Say where damage is predicted, and how well the prediction orders the cuts that were measured."""
    lines: list[str] = []
    numbers: dict[str, float] = {}
    best: list[float] = []
    for model, corpus, rows in predictions.of_measurements(data):
        lines.append(f"{data.titles[model]}, from {rows['n_tokens'].iloc[0]:,} tokens of {corpus}: {_largest(rows)}")
        found = predictions.agreement(predictions.measured(rows, data.evaluations))
        for (experiment, scope), part in found.groupby(["experiment", "scope"], sort=False):
            by_name = part.set_index("predictor")
            numbers |= {f"{model}/{experiment}/{scope}/{name}": rho for name, rho in by_name["correlation"].items()}
            best += part.loc[part["predictor"] == "predicted", "correlation"].tolist()
            spelled = [
                f"{predictions.PREDICTORS[name]} {predictions.correlation(*numbers_of)}"
                for name, *numbers_of in part[["predictor", "correlation", "low", "high"]].to_numpy()
            ]
            lines.append(
                "Rank correlation with the measured increase of the loss over "
                f"{part['n_cuts'].iloc[0]} cuts by {scope} ({experiment}): {wording.listing(spelled)}."
            )
    if not lines:
        return None
    if not best:
        headline = "Damage is predicted; no cuts were evaluated that say how well"
    elif min(best) == max(best):
        headline = f"Predicted damage orders measured cuts with a rank correlation of {best[0]:.2f}"
    else:
        headline = f"Predicted damage orders measured cuts with rank correlations of {min(best):.2f} to {max(best):.2f}"
    return Finding(headline, lines, numbers)


def _largest(rows: pd.DataFrame) -> str:
    """Name the cells of small singular values whose removal is predicted to hurt most."""
    small = rows[(rows["decile"] <= 5) & np.isfinite(rows["predicted"])]
    worst = small.sort_values("predicted", ascending=False, kind="stable").head(N_NAMED)
    named = [
        f"decile {row['decile']} of layer {row['layer']} {ROLE_TITLES[row['role']].lower()} "
        f"({wording.signed_number(row['predicted'])})"
        for row in worst.to_dict("records")
    ]
    return (
        "among the smaller half of the singular values, most damage is predicted for "
        f"{wording.listing(named)}, in nats per token. This is a prediction, not a measurement."
    )


def directions(data: Measurements) -> Finding | None:
    """Name the singular directions whose predicted damage surprises most."""
    lines: list[str] = []
    for model, of_model in data.directions.groupby("model", sort=False):
        for row in of_model.head(N_NAMED).to_dict("records"):
            tokens = dict.fromkeys(predictions.visible(token) for token in row["tokens"])
            lines.append(
                f"{data.titles[str(model)]}, layer {row['layer']} {ROLE_TITLES[row['role']].lower()}: singular value "
                f"{row['index'] + 1:,} of {row['n_values']:,} holds {wording.percent(row['weight_energy'])} % of the "
                f"weight's energy and puts out {wording.percent(row['output_energy'])} % of its output's; predicted "
                f"damage {wording.signed_number(row['predicted'])} nats per token. It reads eigenvector "
                f"{row['component'] + 1:,} of the input's second moment (overlap {row['overlap']:.2f}); of its squared "
                f"activity {wording.percent(row['mean_share'])} % is a constant and "
                f"{wording.percent(row['first_token_share'])} % at first tokens; most active at "
                f"{wording.listing([f'“{token}”' for token in list(tokens)[:N_NAMED]])}."
            )
    if not lines:
        return None
    return Finding("Directions that matter more than their singular values say, as predicted", lines, {})
