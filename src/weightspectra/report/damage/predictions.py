"""Predicted damage beside measured damage: who puts cuts into the right order, and which directions surprise."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from weightspectra.report.cuts import costs
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
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

FEWEST = 5
"""Cuts from which on a rank correlation is worth a number."""

MAX_TOKENS = 6

CUT_COLUMNS = ["model", "corpus", "experiment", "scope", "cut", "decile", "roles", "layers", "measured", "measured_se"]
COLUMNS = ["model", "corpus", "experiment", "scope", "predictor", "n_cuts", "correlation", "low", "high"]


def measured(predictions: pd.DataFrame, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Put the prediction of each evaluated cut beside its measured damage.

    Parameters
    ----------
    predictions : DataFrame
        Rows of ``contracts.PREDICTIONS``, all of one model and corpus.
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``.

    Returns
    -------
    DataFrame
        One row per cut of one decile of whole matrices of this model for which a
        perplexity was measured: model, corpus (of the prediction), experiment,
        scope, cut, decile, roles, layers, ``measured`` (increase of the loss in nats per
        token; infinite where the perplexity overflows) with its standard error,
        ``told``, and each predictor, summed over the matrices of the cut.
    """
    if predictions.empty:
        return pd.DataFrame(columns=[*CUT_COLUMNS, "told", *PREDICTORS])
    model, corpus = predictions[["model", "corpus"]].iloc[0]
    rows = evaluations[(evaluations["model"] == model) & (evaluations["metric"] == costs.MAIN_METRIC)]
    rows = rows[(rows["decile"] > 0) & (rows["control_of"] == "") & (rows["scope"] != "head")]
    cells = predictions.groupby(["decile", "role", "layer"])[list(PREDICTORS)].sum()
    found: list[dict[str, Any]] = []
    for row in rows.to_dict("records"):
        keys = pd.MultiIndex.from_product([[row["decile"]], row["roles"], row["layers"]])
        of_cut = cells.reindex(keys).dropna(how="all").sum(min_count=1)
        before = row["value"] - row["difference"]
        found.append(
            {
                **{name: row[name] for name in ("model", "experiment", "scope", "cut", "decile")},
                "corpus": corpus,
                "roles": "+".join(row["roles"]),
                "layers": " ".join(map(str, row["layers"])),
                "measured": np.log(row["value"] / before) if np.isfinite(row["difference"]) else np.inf,
                "measured_se": row["difference_se"] / row["value"],
                "told": row["q_value"] <= costs.SIGNIFICANT,
                **{name: float(of_cut[name]) for name in PREDICTORS},
            }
        )
    return pd.DataFrame(found, columns=[*CUT_COLUMNS, "told", *PREDICTORS])


def agreement(cuts: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rank correlation of each predictor with the measured damage, by experiment and scope.

    Parameters
    ----------
    cuts : DataFrame
        What :func:`measured` returns.

    Returns
    -------
    DataFrame
        model, corpus, experiment, scope, predictor, n_cuts, correlation and its
        95 % interval. Groups of fewer than five cuts, and predictors that were
        not computed, are left out.

    Notes
    -----
    The interval is that of Fisher's z with the variance (1 + rho^2 / 2) / (n - 3)
    of D. G. Bonett and T. A. Wright, Psychometrika 65, 23 (2000). Cuts of
    neighbouring deciles are not independent, so that it is if anything too narrow.
    """
    found = []
    for names, group in cuts.groupby(["model", "corpus", "experiment", "scope"], sort=False):
        for predictor in PREDICTORS:
            both = group[["measured", predictor]].dropna()
            if len(both) < FEWEST or len(set(both[predictor])) == 1 or len(set(both["measured"])) == 1:
                continue
            rho = float(stats.spearmanr(both["measured"], both[predictor]).statistic)
            reach = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (len(both) - 3))
            middle = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
            found.append((*names, predictor, len(both), rho, *np.tanh([middle - reach, middle + reach])))
    return pd.DataFrame(found, columns=COLUMNS)


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
    for model, corpus, rows in of_measurements(data):
        found = agreement(measured(rows, data.evaluations))
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
    return Table("prediction", "Predicted against measured damage", both, blocks, notes, data.notices)


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
    return Table("directions", title, numbers, blocks, notes, data.notices)


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
