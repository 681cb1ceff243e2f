"""Predicted damage: where it is largest, how well it orders measured cuts, and which directions surprise."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.cuts.experiments import MAIN_METRIC, UNTOUCHED, names_of
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row
from weightspectra.statistics.paired import standard_error
from weightspectra.statistics.ranks import spearman, spearman_interval

PREDICTORS = ("predicted", "second_order", "first_order", "output_energy", "centred_energy", "weight_energy")
"""Columns of ``contracts.PREDICTIONS`` that predict, in the order in which they are shown."""

FEWEST = 5
"""Cuts from which on a rank correlation is worth a number."""

N_NAMED = 3
"""Cells and directions that are named, of each model and corpus."""

NAMES = ("model", "experiment", "metric", "cut", "scope", "decile", "role", "layer")
CUT_COLUMNS = [*NAMES, "corpus", "measured", "measured_se", "resampled", "n"]


def conclude(predictions: pd.DataFrame, directions: pd.DataFrame, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Name the largest predicted damages, correlate predictions with measurements, and name directions.

    Parameters
    ----------
    predictions, directions, evaluations : DataFrame
        Rows of the contracts of these names.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``.

    Notes
    -----
    Cuts of neighbouring deciles are not independent, so that the intervals of
    the correlations are if anything too narrow.
    """
    rows: list[Row] = []
    for (model, corpus), of_model in predictions.groupby(["model", "corpus"], sort=False):
        names = {"model": model, "corpus": corpus}
        rows.append(row("predicted_from", of_model["n_tokens"].iloc[0], **names))
        small = of_model[(of_model["decile"] <= 5) & np.isfinite(of_model["predicted"])]
        worst = small.sort_values("predicted", ascending=False, kind="stable").head(N_NAMED)
        for cell in worst[["layer", "role", "expert", "decile", "predicted"]].to_dict("records"):
            number = cell.pop("predicted")
            rows.append(row("damage_predicted", number, **names, **{str(name): place for name, place in cell.items()}))
        cuts = measured(of_model, evaluations)
        rows += [*_agreement(cuts), *_pairs(cuts)]
    for _, of_model in directions.groupby("model", sort=False):
        rows += [found for place in of_model.head(N_NAMED).to_dict("records") for found in _direction(place)]
    return judge(rows, "prediction")


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
        perplexity was measured: what names it in ``contracts.FINDINGS``, with the corpus
        of the prediction; ``measured`` (increase of the loss in nats per token; infinite where the
        perplexity overflows), ``measured_se``, ``resampled`` and ``n``
        (documents); and each predictor, summed over the matrices of the cut.

    Notes
    -----
    The increase is the difference of two log-perplexities, each a ratio of
    the documents' summed losses to their summed tokens, so that its error is that of
    the ratio of the paired differences (:class:`weightspectra.statistics.estimators.Ratio`).
    The error of the difference of the perplexities over the perplexity would do for small changes only.
    """
    if predictions.empty:
        return pd.DataFrame(columns=[*CUT_COLUMNS, *PREDICTORS])
    model, corpus = predictions[["model", "corpus"]].iloc[0]
    rows = evaluations[(evaluations["model"] == model) & (evaluations["metric"] == MAIN_METRIC)]
    untouched = {row["experiment"]: row for row in rows[rows["cut"] == UNTOUCHED].to_dict("records")}
    rows = rows[(rows["decile"] > 0) & (rows["control_of"] == "") & (rows["scope"] != "head")]
    cells = predictions.groupby(["decile", "role", "layer"])[list(PREDICTORS)].sum()
    found: list[dict[str, Any]] = []
    for cut in rows.to_dict("records"):
        keys = pd.MultiIndex.from_product([[cut["decile"]], cut["roles"], cut["layers"]])
        of_cut = cells.reindex(keys).dropna(how="all").sum(min_count=1)
        before = cut["value"] - cut["difference"]
        found.append(
            {
                **names_of(cut),
                "corpus": corpus,
                "measured": np.log(cut["value"] / before) if np.isfinite(cut["difference"]) else np.inf,
                "measured_se": _error(cut, untouched[cut["experiment"]]),
                "resampled": cut["unit"],
                "n": len(cut["units"]),
                **{name: float(of_cut[name]) for name in PREDICTORS},
            }
        )
    return pd.DataFrame(found, columns=[*CUT_COLUMNS, *PREDICTORS])


def _error(cut: Mapping[Any, Any], untouched: Mapping[Any, Any]) -> float:
    """Return the standard error of the difference of two log-perplexities; none if the documents are not the same."""
    if list(cut["units"]) != list(untouched["units"]) or not np.isfinite(cut["difference"]):
        return float("nan")
    after, before, tokens = (
        np.asarray(values, dtype=float)
        for values in (cut["unit_values"], untouched["unit_values"], cut["unit_weights"])
    )
    return standard_error("mean", after - before, tokens)


def _pairs(cuts: pd.DataFrame) -> Iterator[Row]:
    """Yield what was measured after each cut, beside what was predicted of it."""
    for cut in cuts.to_dict("records"):
        yield row(
            "damage_measured",
            cut["measured"],
            **{name: cut[name] for name in (*NAMES, "corpus", "resampled", "n")},
            standard_error=cut["measured_se"],
            reference=cut["predicted"],
            reference_kind="predicted damage",
        )


def _agreement(cuts: pd.DataFrame) -> Iterator[Row]:
    """Correlate each predictor with the measured damage, by experiment and scope; leave out constants."""
    for values, group in cuts.groupby(["model", "corpus", "experiment", "scope"], sort=False):
        names = dict(zip(("model", "corpus", "experiment", "scope"), values, strict=True))
        for predictor in PREDICTORS:
            both = group[["measured", predictor]].dropna()
            rho = spearman(list(both["measured"]), list(both[predictor])) if len(both) >= FEWEST else float("nan")
            if np.isnan(rho):
                continue
            low, high = spearman_interval(rho, len(both))
            interval = {"low": low, "high": high, "interval_level": 0.95}
            yield row("order_predicted", rho, **names, detail=predictor, **interval, resampled="cut", n=len(both))


def _direction(place: Mapping[Any, Any]) -> list[Row]:
    """Return what is known of one singular direction; ``n`` is how many its matrix has."""
    named = {name: place[name] for name in ("model", "corpus", "layer", "role", "expert", "index")}
    numbers = {
        "direction_weight": place["weight_energy"],
        "direction_output": place["output_energy"],
        "direction_constant": place["mean_share"],
        "direction_first_tokens": place["first_token_share"],
    }
    return [
        row("direction_damage", place["predicted"], n=place["n_values"], names=list(place["tokens"]), **named),
        row("direction_reads", place["overlap"], setting=place["component"] + 1, **named),
        *(row(claim, number, **named) for claim, number in numbers.items()),
    ]
