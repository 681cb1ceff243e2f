"""From the measurements, one row per matrix or vector, to the counts that tables and findings share."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from weightspectra.contracts import ROLES

TOTALS = {name: (name, "sum") for name in ("n_values", "n_below", "n_above")}
"""What is added up over matrices."""


def ordered_roles(names: pd.Series) -> list[str]:
    """Return the roles that occur, in the order in which roles are shown."""
    present = set(names)
    return [role for role in ROLES if role in present]


def counts_by_layer(bulk: pd.DataFrame) -> pd.DataFrame:
    """Count the values outside the bulk by model, layer and role, over all experts.

    Parameters
    ----------
    bulk : DataFrame
        Rows of ``contracts.BULK``.

    Returns
    -------
    DataFrame
        model, layer, role, n_matrices, n_with_law, n_values, n_below, n_above;
        roles in the order in which they are shown.
    """
    counts = {"n_matrices": ("expert", "size"), "n_with_law": ("fitted", "sum"), **TOTALS}
    return _over(bulk.assign(fitted=bulk["why"] == ""), ["model", "layer", "role"], counts)


def shares_by_role(bulk: pd.DataFrame) -> pd.DataFrame:
    """Average the shares of values outside the bulk over the matrices of each model and role.

    Parameters
    ----------
    bulk : DataFrame
        Rows of ``contracts.BULK``.

    Returns
    -------
    DataFrame
        model, role, n_out, n_in, n_matrices, n_values, n_below, n_above and
        n_below_floor (totals); share_below, share_above (of the values above the
        rounding floor, matrices without a law left out) and share_below_floor
        (means over matrices) with sd_below and sd_above (standard deviations
        over matrices; 0 for a single one).
    """
    told = (bulk["n_values"] - bulk["n_below_floor"]).where(bulk["why"] == "")
    rows = bulk.assign(
        share_below=bulk["n_below"] / told,
        share_above=bulk["n_above"] / told,
        share_below_floor=bulk["n_below_floor"] / bulk["n_values"],
    )
    means = {
        "share_below": ("share_below", "mean"),
        "sd_below": ("share_below", _spread),
        "share_above": ("share_above", "mean"),
        "sd_above": ("share_above", _spread),
        "share_below_floor": ("share_below_floor", "mean"),
    }
    shapes = {"n_out": ("n_out", "first"), "n_in": ("n_in", "first"), "n_matrices": ("expert", "size")}
    totals = {**TOTALS, "n_below_floor": ("n_below_floor", "sum")}
    return _over(rows, ["model", "role"], {**shapes, **totals, **means})


def overlap_counts(found: pd.DataFrame) -> pd.DataFrame:
    """Lay out how many singular vectors overlap with the data, role by role.

    Parameters
    ----------
    found : DataFrame
        Rows of ``contracts.FINDINGS``.

    Returns
    -------
    DataFrame
        model, corpus, role, position (below, inside or above the asymptotic
        edges), n_vectors, n_aligned (overlap above the null band), and p_value.
    """
    by_role = found[(found["claim"] == "overlap_with_data") & (found["role"] != "")]
    rows = by_role.sort_values(["model", "corpus"], kind="stable")
    counts = pd.DataFrame({"n_vectors": rows["n"], "n_aligned": (rows["number"] * rows["n"]).round()}).astype(int)
    named = rows[["model", "corpus", "role", "region"]].rename(columns={"region": "position"})
    return named.join(counts).join(rows["p_value"]).reset_index(drop=True)


def _over(rows: pd.DataFrame, columns: list[str], aggregates: Mapping[str, Any]) -> pd.DataFrame:
    """Aggregate over rows with the same values in these columns; roles in the order in which they are shown."""
    ordered = rows.assign(role=pd.Categorical(rows["role"], ROLES, ordered=True))
    grouped = ordered.groupby(columns, observed=True, sort=True)
    return grouped.agg(**aggregates).reset_index().astype({"role": str})


def _spread(shares: pd.Series) -> float:
    return float(shares.std(ddof=1)) if shares.count() > 1 else 0.0
