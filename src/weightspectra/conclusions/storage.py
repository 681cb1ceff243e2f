"""How weights are stored, how much of their spectra is therefore rounding, and what that hides."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from weightspectra.conclusions.families import judge
from weightspectra.conclusions.random_controls import models
from weightspectra.conclusions.rows import Row, row, share, verdict
from weightspectra.contracts import ROLES
from weightspectra.contracts.conclusions import ASYMPTOTIC

COARSE_NOISE = 0.005
"""Rounding noise, as a share of a matrix's norm, from which on a storage format counts as coarse.

bfloat16 has about 0.002, four-bit formats about 0.08.
"""

SMALLEST_DECILE = 0.1


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
        told = verdict(bool(found["coarse"]))
        rows.append(row("rounding_coarse", found["noise_share"], names=formats, verdict=told, **threshold, **names))
        rows += _hidden(bulk[bulk["model"] == model], model)
    return judge(rows, "storage")


def _hidden(bulk: pd.DataFrame, model: str) -> Iterator[Row]:
    """Yield in which roles the whole smallest decile is rounding, and how many values below the bulk are."""
    shares = (bulk["n_below_floor"] / bulk["n_values"]).groupby(bulk["role"]).mean()
    threshold = {"reference": SMALLEST_DECILE, "reference_kind": "threshold"}
    for role in (role for role in ROLES if role in shares.index):
        n, told = int((bulk["role"] == role).sum()), verdict(bool(shares[role] >= SMALLEST_DECILE))
        yield row("decile_below_floor", shares[role], model=model, role=role, n=n, verdict=told, **threshold)
    n_hidden = int(bulk[["n_below", "n_below_floor"]].min(axis=1).sum())
    yield share(
        "hidden_below_bound", n_hidden, int(bulk["n_below"].sum()), model=model, region="below", bound=ASYMPTOTIC
    )


def storage(matrices: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Say for each model how its weights are stored, and how much of its spectra is rounding.

    Parameters
    ----------
    matrices, bulk : DataFrame
        Rows of ``contracts.MATRICES`` and ``contracts.BULK``.

    Returns
    -------
    DataFrame, indexed by model
        dtype (the formats found, joined by ", "), noise_share (root mean
        square rounding error over root mean square entry, all matrices together),
        n_values, n_below_floor, share_below_floor, and coarse (noise_share of at
        least ``COARSE_NOISE``).
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
    formats = matrices.groupby("model")["dtype"].agg(lambda names: ", ".join(sorted(set(names))))
    values = bulk.groupby("model")[["n_values", "n_below_floor"]].sum()
    found = pd.DataFrame(
        {
            "dtype": formats,
            "noise_share": np.sqrt(totals["noise"] / totals["norm"].where(totals["norm"] > 0, np.inf)),
        }
    ).join(values)
    return found.assign(
        share_below_floor=found["n_below_floor"] / found["n_values"], coarse=found["noise_share"] >= COARSE_NOISE
    )
