"""From the measurements, one row per matrix or vector, to the counts that tables and findings share."""

import numpy as np
import pandas as pd
from scipy import stats

from weightspectra.contracts import KEY_COLUMNS, ROLES

CHANCE = 0.00135
"""Share of random vectors whose overlap lies above the null band (its upper quantile is 99.865 %)."""

KEY = ["model", *KEY_COLUMNS]
POSITIONS = ("below", "inside", "above")


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
        model, layer, role, n_matrices, n_values, n_below, n_above; roles in the
        order in which they are shown.
    """
    return (
        _in_role_order(bulk)
        .groupby(["model", "layer", "role"], observed=True, sort=True)
        .agg(
            n_matrices=("expert", "size"),
            n_values=("n_values", "sum"),
            n_below=("n_below", "sum"),
            n_above=("n_above", "sum"),
        )
        .reset_index()
        .astype({"role": str})
    )


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
        n_below_floor (totals); share_below, share_above and share_below_floor
        (means over matrices) with sd_below and sd_above (standard deviations
        over matrices; 0 for a single one).
    """
    rows = _in_role_order(bulk).assign(
        share_below=bulk["n_below"] / bulk["n_values"],
        share_above=bulk["n_above"] / bulk["n_values"],
        share_below_floor=bulk["n_below_floor"] / bulk["n_values"],
    )
    return (
        rows.groupby(["model", "role"], observed=True, sort=True)
        .agg(
            n_out=("n_out", "first"),
            n_in=("n_in", "first"),
            n_matrices=("expert", "size"),
            n_values=("n_values", "sum"),
            n_below=("n_below", "sum"),
            n_above=("n_above", "sum"),
            n_below_floor=("n_below_floor", "sum"),
            share_below=("share_below", "mean"),
            sd_below=("share_below", _spread),
            share_above=("share_above", "mean"),
            sd_above=("share_above", _spread),
            share_below_floor=("share_below_floor", "mean"),
        )
        .reset_index()
        .astype({"role": str})
    )


def overlap_counts(overlaps: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Count the singular vectors that overlap with the data more than a random vector would.

    Parameters
    ----------
    overlaps, bulk : DataFrame
        Rows of ``contracts.OVERLAPS`` and ``contracts.BULK``.

    Returns
    -------
    DataFrame
        model, corpus, role, position (below, inside or above the bulk),
        n_vectors, n_aligned (overlap above the null band), and p_value: the
        probability of as many or more if each vector were random (binomial).
    """
    rows = positioned(overlaps, bulk)
    rows["aligned"] = rows["overlap"] > rows["null_high"]
    rows["position"] = pd.Categorical(rows["position"], POSITIONS, ordered=True)
    counts = (
        _in_role_order(rows)
        .groupby(["model", "corpus", "role", "position"], observed=True, sort=True)
        .agg(n_vectors=("aligned", "size"), n_aligned=("aligned", "sum"))
        .reset_index()
        .astype({"role": str, "position": str})
    )
    return counts.assign(p_value=stats.binom.sf(counts["n_aligned"] - 1, counts["n_vectors"], CHANCE))


def positioned(overlaps: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Add to each singular vector whether its value lies below, inside or above the bulk of its matrix."""
    rows = overlaps.merge(bulk[[*KEY, "edge_lower", "edge_upper"]], on=KEY, how="inner", validate="many_to_one")
    if len(rows) != len(overlaps):
        raise ValueError(f"{len(overlaps) - len(rows)} rows of overlaps have no row in bulk")
    value = rows["singular_value"]
    outside = [value < rows["edge_lower"], value > rows["edge_upper"]]
    return rows.assign(position=np.select(outside, ["below", "above"], "inside"))


def _in_role_order(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(role=pd.Categorical(rows["role"], ROLES, ordered=True))


def _spread(shares: pd.Series) -> float:
    return float(shares.std(ddof=1)) if len(shares) > 1 else 0.0
