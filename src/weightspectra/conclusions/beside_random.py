"""Trained matrices beside the same ones of a random control, pair by pair."""

from collections.abc import Collection, Mapping

import pandas as pd

from weightspectra.conclusions.rows import Row, share
from weightspectra.contracts import KEY_COLUMNS
from weightspectra.statistics.counts import sign_test

Key = tuple[int, str, int]
"""Layer, role and expert of a matrix."""


def unchanged(matrices: pd.DataFrame, model: str, control: str) -> set[Key]:
    """Return layer, role and expert of the matrices that a model has in common with its control.

    Parameters
    ----------
    matrices : DataFrame
        Rows of ``contracts.MATRICES``.
    model, control : str
    """
    one, other = (matrices[matrices["model"] == name] for name in (model, control))
    same = one[[*KEY_COLUMNS, "sha256"]].merge(other[[*KEY_COLUMNS, "sha256"]])
    return set(same[KEY_COLUMNS].itertuples(index=False, name=None))


def compared(
    rows: pd.DataFrame, random: pd.DataFrame, column: str, same: Collection[Key], claim: str, **names: str
) -> list[Row]:
    """Compare trained and random matrices pair by pair: one-sided sign test, ties and what is not known left out.

    Parameters
    ----------
    rows, random : DataFrame
        One row per matrix: layer, role, expert and the column.
    column : str
        What is compared.
    same : collection of (layer, role, expert)
        Matrices that are the same in both, which say nothing.
    claim : str
        What is claimed, ``more_...``; the row beside it says in how many it is ``fewer_...``.
    **names
        Columns of all rows.
    """
    one, other = (frame.set_index(KEY_COLUMNS)[column] for frame in (rows, random))
    one, other = one.align(other, join="inner")
    known = one.notna() & other.notna()
    one, other = one[known], other[known]
    kept = [key not in same for key in one.index]
    n_all, one, other = len(kept), one[kept], other[kept]
    more, fewer, n = int((one > other).sum()), int((one < other).sum()), len(one)
    test: Mapping[str, object] = {
        "p_value": sign_test(more, fewer),
        "smallest_p": 0.5**n,
        "test": "sign test, one-sided",
        "resampled": "matrix",
        "reference_kind": "random control",
    }
    return [
        share(claim, more, n, **names, **test),
        share(claim.replace("more", "fewer"), fewer, n, **names),
        share("same_as_control", n_all - n, n_all, **names),
    ]
