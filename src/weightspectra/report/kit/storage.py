"""How weights are stored, and how much of their spectra is therefore rounding."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from weightspectra.report.kit import wording

COARSE_NOISE = 0.005
"""Rounding noise, as a share of a matrix's norm, from which on a storage format counts as coarse.

bfloat16 has about 0.002, four-bit formats about 0.08.
"""


def storage(matrices: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Say for each model how its weights are stored, and how much of its spectra is rounding.

    Parameters
    ----------
    matrices, bulk : DataFrame
        Rows of ``contracts.MATRICES`` and ``contracts.BULK``.

    Returns
    -------
    DataFrame, indexed by model
        dtype (the formats found, joined by ", "), bits (of the coarsest format
        whose name says so, else 0), noise_share (root mean square rounding error
        over root mean square entry, all matrices together), n_values,
        n_below_floor, share_below_floor, and coarse (noise_share of at least
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
    formats = matrices.groupby("model")["dtype"].agg(lambda names: ", ".join(sorted(set(names))))
    values = bulk.groupby("model")[["n_values", "n_below_floor"]].sum()
    found = pd.DataFrame(
        {
            "dtype": formats,
            "bits": formats.map(_bits),
            "noise_share": np.sqrt(totals["noise"] / totals["norm"].where(totals["norm"] > 0, np.inf)),
        }
    ).join(values)
    return found.assign(
        share_below_floor=found["n_below_floor"] / found["n_values"], coarse=found["noise_share"] >= COARSE_NOISE
    )


def _bits(formats: str) -> int:
    """Return the fewest bits a weight that names like Q4_1 or IQ3_S spell out; 0 if none does."""
    named = re.findall(r"\bI?Q(\d)", formats.upper())
    return min(map(int, named), default=0)


def notices(found: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """Say for each model in a coarse format what that does to its small singular values.

    Parameters
    ----------
    found : DataFrame
        What :func:`storage` returns.
    titles : mapping
        From each model to what it is called.
    """
    notices = []
    for row in found[found["coarse"].astype(bool)].reset_index().to_dict("records"):
        width = f", {row['bits']} bits a weight" if row["bits"] else ""
        notices.append(
            f"{titles[row['model']]} is quantised (stored as {row['dtype']}{width}): rounding adds noise of about "
            f"{wording.percent(row['noise_share'])} % of the weights' Frobenius norm. "
            f"{wording.share(row['n_below_floor'], row['n_values'])} of its singular values lie below what "
            "such noise alone can make; these, and the lower edge of the bulk, are partly the quantiser's work."
        )
    return notices
