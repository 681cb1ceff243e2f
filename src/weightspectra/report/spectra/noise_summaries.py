"""What noise explains and what it does not, put together by model and role, or by layer and role."""

import numpy as np
import pandas as pd

from weightspectra.conclusions.noise.spacings import LOCAL
from weightspectra.contracts import ROLES
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where

REGIONS = ("smallest tenth", "middle", "largest tenth")

GROUP = ["model", "role"]


def by_role(data: Measurements) -> pd.DataFrame:
    """Count what leaves the law of noise, and which vectors are no random directions.

    Returns
    -------
    DataFrame
        One row per model and role, roles in the order in which they are shown:
        n_matrices, n_with_law and n_values; values beyond the asymptotic edges (n_above,
        n_below), beyond the calibrated bounds (n_above_bound, n_below_bound) and
        beyond the bounds of noise with the matrix's variance profile
        (n_above_profile, n_below_profile); share_bulk_fits (of matrices whose
        bulk has a p-value of at least the level, those without a law left out); n_left, n_right (vectors) with
        n_left_nonrandom, n_right_nonrandom, n_left_localised, n_right_localised;
        n_heads, n_head_pairs (of a head and a vector) and
        n_head_pairs_concentrated (in which the vector concentrates in the head);
        share_spacings_differ (of matrices whose spacings have a p-value below
        the level) and brody (mean). A share or mean of nothing is NaN.
    """
    outside = [f"n_{side}{kind}" for kind in ("", "_bound", "_profile") for side in ("above", "below")]
    concluded = data.findings[data.findings["role"] != ""]
    found = data.bulk.groupby(GROUP).agg(
        n_matrices=("expert", "size"),
        n_with_law=("why", lambda why: int((why == "").sum())),
        n_values=("n_values", "sum"),
        **{name: (name, "sum") for name in outside},
    )
    found = found.join(_shares(concluded, "bulk_fits").rename("share_bulk_fits")).join(_vectors(concluded))
    joined = found.join(_heads(data.head_tests)).join(_levels(data.levels, concluded))
    counts = [name for name in joined.columns if name.startswith("n_")]
    whole = joined.assign(**{name: joined[name].fillna(0).astype(int) for name in counts}).reset_index()
    return _in_order(whole, ["model", "role"], list(data.titles))


def information_by_layer(information: pd.DataFrame) -> pd.DataFrame:
    """Average the information map over the experts of a layer.

    Parameters
    ----------
    information : DataFrame
        Rows of ``contracts.INFORMATION``.

    Returns
    -------
    DataFrame
        model, region, layer, role, information, information_low,
        information_high: means over experts. The mean of the intervals is wider
        than the interval of the mean, so that it errs on the safe side.
    """
    columns = ["information", "information_low", "information_high"]
    means = information.groupby(["model", "region", "layer", "role"], sort=False)[columns].mean().reset_index()
    return _in_order(means, ["model", "region", "layer", "role"], list(dict.fromkeys(information["model"])))


def _shares(found: pd.DataFrame, claim: str, **names: str) -> pd.Series:
    """Return the share that was concluded of each model and role."""
    return where(found, {"claim": claim, **names}).set_index(GROUP)["number"]


def _vectors(found: pd.DataFrame) -> pd.DataFrame:
    """Spread the counts of left and right vectors over columns."""
    columns = {"n_{}": None, "n_{}_nonrandom": "nonrandom_vectors", "n_{}_localised": "localised_vectors"}
    counts = {}
    for name, claim in columns.items():
        for side in ("left", "right"):
            rows = where(found, {"claim": claim or "nonrandom_vectors", "side": side}).set_index(GROUP)
            counts[name.format(side)] = (rows["number"] * rows["n"]).round() if claim else rows["n"]
    return pd.DataFrame(counts)


def _heads(head_tests: pd.DataFrame) -> pd.DataFrame:
    return head_tests.groupby(GROUP).agg(
        n_heads=("head", "size"), n_head_pairs=("n_vectors", "sum"), n_head_pairs_concentrated=("n_concentrated", "sum")
    )


def _levels(levels: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    brody = levels[levels["unfolding"] == LOCAL].groupby(GROUP)["brody"].mean()
    return pd.DataFrame({"share_spacings_differ": _shares(found, "spacings_differ"), "brody": brody})


def _in_order(rows: pd.DataFrame, columns: list[str], models: list[str]) -> pd.DataFrame:
    """Sort by model, region, layer and role, each in the order in which it is shown."""
    orders = {"model": models, "region": list(REGIONS), "role": list(ROLES)}
    places = {
        name: rows[name].map({value: place for place, value in enumerate(orders[name])})
        for name in columns
        if name in orders
    }
    order = np.lexsort([places.get(name, rows[name]) for name in reversed(columns)])
    return rows.iloc[order].reset_index(drop=True)
