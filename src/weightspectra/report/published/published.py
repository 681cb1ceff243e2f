"""What a paper printed, beside what the pipeline finds for the same model."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from weightspectra.report.spectra import summaries

COLUMNS = ["model", "source", "layer", "role", "quantity", "published", "found"]


def compare(published: Mapping[str, Any], bulk: pd.DataFrame, origins: Mapping[str, str]) -> pd.DataFrame:
    """Put each published number beside the one found here.

    Parameters
    ----------
    published : mapping
        ``outliers`` (``source``, ``repo``, and ``counts`` below and above the
        bulk by layer and role) and ``share_below`` (``source``, and ``shares``
        in per cent by repository and role, means over layers), as in
        ``config/published/``.
    bulk : DataFrame
        Rows of ``contracts.BULK``.
    origins : mapping
        From each model to the repository it came from.

    Returns
    -------
    DataFrame
        One row per published number of a model that is here: model, source,
        layer (-1: all layers), role, quantity (n_below, n_above, or
        percent_below), published, found. Numbers for which nothing was found
        (a layer or role that the model lacks) are left out.
    """
    rows = []
    for model, origin in origins.items():
        of_model = bulk[bulk["model"] == model]
        rows += _counts(published.get("outliers", {}), model, origin, summaries.counts_by_layer(of_model))
        rows += _shares(published.get("share_below", {}), model, origin, summaries.shares_by_role(of_model))
    return pd.DataFrame(rows, columns=COLUMNS)


def _counts(printed: Mapping[str, Any], model: str, origin: str, counts: pd.DataFrame) -> list[tuple[Any, ...]]:
    if printed.get("repo") != origin:
        return []
    found = counts.set_index(["layer", "role"])
    return [
        (model, printed["source"], layer, role, quantity, number, int(found.loc[(layer, role), quantity]))
        for layer, roles in printed["counts"].items()
        for role, numbers in roles.items()
        if (layer, role) in found.index
        for quantity, number in zip(("n_below", "n_above"), numbers, strict=True)
    ]


def _shares(printed: Mapping[str, Any], model: str, origin: str, shares: pd.DataFrame) -> list[tuple[Any, ...]]:
    found = shares.set_index("role")["share_below"]
    return [
        (model, printed["source"], -1, role, "percent_below", number, 100 * float(found[role]))
        for role, number in printed.get("shares", {}).get(origin, {}).items()
        if role in found.index
    ]
