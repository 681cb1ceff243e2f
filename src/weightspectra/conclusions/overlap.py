"""Whose singular vectors overlap with the data: outside the bulk's asymptotic edges and inside, role by role."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, share
from weightspectra.contracts import KEY_COLUMNS, ROLES
from weightspectra.contracts.conclusions import ASYMPTOTIC
from weightspectra.statistics.counts import so_many_or_more

CHANCE = 0.00135
"""Share of random vectors whose overlap lies above the null band (its upper quantile is 99.865 %)."""

REGIONS = ("below", "inside", "above")
KEY = ["model", *KEY_COLUMNS]


def conclude(overlaps: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Count the vectors that overlap with the data more than a random one would, and test each role's ends.

    Parameters
    ----------
    overlaps, bulk : DataFrame
        Rows of the contracts of these names.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``: for each model and corpus those of each
        role and region (p-values of all of them; those of the two ends are
        corrected together), and those of each region over all roles.
    """
    rows: list[Row] = []
    told = positioned(overlaps, bulk) if len(overlaps) else overlaps.assign(region="")
    told["aligned"] = told["overlap"] > told["null_high"]
    for (model, corpus), of_model in told.groupby(["model", "corpus"], sort=False):
        names = {"model": model, "corpus": corpus, "bound": ASYMPTOTIC}
        for role in ROLES:
            of_role = of_model[of_model["role"] == role]
            rows += [
                _counted(part, names | {"role": role, "region": region}, ends=region != "inside")
                for region in REGIONS
                if len(part := of_role[of_role["region"] == region])
            ]
        for region in REGIONS:
            part = of_model[of_model["region"] == region]
            k, n = int(part["aligned"].sum()), len(part)
            rows.append(share("overlap_with_data", k, n, region=region, judged=False, **names, **_NULL))
    return judge(rows, "overlap")


_NULL: Mapping[str, Any] = {"reference": CHANCE, "reference_kind": "random vectors"}


def _counted(part: pd.DataFrame, names: Mapping[str, Any], *, ends: bool) -> Row:
    k, n = int(part["aligned"].sum()), len(part)
    test = {"test": "binomial, one-sided", "resampled": "vector", "p_value": float(so_many_or_more(k, n, CHANCE))}
    return share("overlap_with_data", k, n, **names, judged=ends, **test, **_NULL)


def positioned(overlaps: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Add to each singular vector the ``region`` of its value: below, inside or above its matrix's asymptotic edges.

    Empty where the matrix has no law.
    """
    rows = overlaps.merge(bulk[[*KEY, "edge_lower", "edge_upper"]], on=KEY, how="inner", validate="many_to_one")
    if len(rows) != len(overlaps):
        raise ValueError(f"{len(overlaps) - len(rows)} rows of overlaps have no row in bulk")
    value = rows["singular_value"]
    outside = [value < rows["edge_lower"], value > rows["edge_upper"]]
    return rows.assign(region=np.select([rows["edge_upper"].isna(), *outside], ["", "below", "above"], "inside"))
