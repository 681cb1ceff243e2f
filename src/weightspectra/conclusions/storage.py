"""How weights are stored, how much of their spectra is therefore rounding, and what that hides."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from weightspectra.conclusions.families import judge
from weightspectra.conclusions.random_controls import models
from weightspectra.conclusions.rows import Row, row, share, verdict
from weightspectra.contracts import ROLES
from weightspectra.contracts.conclusions import ASYMPTOTIC, CANNOT_BE_TOLD

COARSE_NOISE = 0.005
"""Rounding noise, as a share of a matrix's norm, from which on a storage format counts as coarse.

bfloat16 has about 0.002, four-bit formats about 0.08.
"""

SMALLEST_DECILE = 0.1

FULL_RANK = 0.9
"""Share of the singular values above the rounding floor below which a matrix is said to be of low rank."""


def conclude(matrices: pd.DataFrame, bulk: pd.DataFrame, *, controls: Mapping[str, str]) -> pd.DataFrame:
    """Say of every trained model how much of its spectra is rounding.

    Parameters
    ----------
    matrices, bulk : DataFrame
        Rows of the contracts of these names.
    controls : mapping
        From each random control to the model that it is made like.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``.
    """
    stored = storage(matrices, bulk).to_dict("index")
    rows: list[Row] = []
    for model in models(bulk["model"], controls):
        found, names = stored[model], {"model": model}
        formats = found["dtype"].split(", ")
        rows.append(share("below_floor", found["n_below_floor"], found["n_values"], names=formats, **names))
        threshold = {"reference": COARSE_NOISE, "reference_kind": "threshold"}
        told = CANNOT_BE_TOLD if np.isnan(found["noise_share"]) else verdict(bool(found["coarse"]))
        rows.append(row("rounding_coarse", found["noise_share"], names=formats, verdict=told, **threshold, **names))
        rows.append(share("low_rank", found["n_low_rank"], found["n_matrices"], **names))
        rows.append(share("without_law", found["n_without_law"], found["n_matrices"], **names))
        rows += _hidden(bulk[bulk["model"] == model], model)
    return judge(rows, "storage")


def _hidden(bulk: pd.DataFrame, model: str) -> Iterator[Row]:
    """Yield in which roles the whole smallest decile is rounding, and how many values below the bulk are."""
    shares = (bulk["n_below_floor"] / bulk["n_values"]).groupby(bulk["role"]).mean()
    threshold = {"reference": SMALLEST_DECILE, "reference_kind": "threshold"}
    for role in (role for role in ROLES if role in shares.index):
        n, told = int((bulk["role"] == role).sum()), verdict(bool(shares[role] >= SMALLEST_DECILE))
        yield row("decile_below_floor", shares[role], model=model, role=role, n=n, verdict=told, **threshold)
    # Of a square matrix the floor lies above the edge, and nothing can be said of what is below both.
    hidden = bulk["n_below_floor"].where(bulk["edge_lower"] >= bulk["rounding_floor"], 0)
    n_hidden, n_seen = int(hidden.sum()), int(bulk["n_below"].sum())
    yield share("hidden_below_bound", n_hidden, n_hidden + n_seen, model=model, region="below", bound=ASYMPTOTIC)


def storage(matrices: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Say for each model how its weights are stored, and how much of its spectra is rounding.

    Parameters
    ----------
    matrices, bulk : DataFrame
        Rows of ``contracts.MATRICES`` and ``contracts.BULK``.

    Returns
    -------
    DataFrame, indexed by model
        dtype (the formats found, joined by ", "), noise_share (root mean square rounding error
        over root mean square entry, all matrices together; NaN if that of any is unknown), n_values,
        n_below_floor, share_below_floor, n_matrices, n_low_rank (matrices of which
        less than ``FULL_RANK`` of the values lie above the floor), n_without_law
        (to which no law could be fitted), and coarse (noise_share of at least
        ``COARSE_NOISE``).
    """
    n_entries = matrices["n_out"].astype(float) * matrices["n_in"]
    squares = pd.DataFrame(
        {
            "model": matrices["model"],
            "noise": n_entries * matrices["rounding_std"] ** 2,
            "norm": matrices["frobenius_norm"] ** 2,
        }
    )
    totals = squares.groupby("model").sum()
    unknown = squares["noise"].isna().groupby(squares["model"]).any()
    totals["noise"] = totals["noise"].mask(unknown)
    formats = matrices.groupby("model")["dtype"].agg(lambda names: ", ".join(sorted(set(names))))
    told = bulk.assign(
        n_matrices=1,
        n_low_rank=bulk["n_values"] - bulk["n_below_floor"] < FULL_RANK * bulk["n_values"],
        n_without_law=bulk["why"] != "",
    )
    counted = ["n_values", "n_below_floor", "n_matrices", "n_low_rank", "n_without_law"]
    values = told.groupby("model")[counted].sum()
    found = pd.DataFrame(
        {
            "dtype": formats,
            "noise_share": np.sqrt(totals["noise"] / totals["norm"].where(totals["norm"] > 0, np.inf)),
        }
    ).join(values)
    return found.assign(
        share_below_floor=found["n_below_floor"] / found["n_values"], coarse=found["noise_share"] >= COARSE_NOISE
    )
