"""What changed between two models: how much, of what rank, and in which singular directions of the first."""

import numpy as np
import pandas as pd

from weightspectra.conclusions.differences import ENDS, as_array, outside_band, relative
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.table import Block, Table
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.spectra import summaries

KINDS = {"shares": "all of its energy", "leading": "its ten leading directions, each counted equally"}
"""From each kind of share in ``contracts.COMPARISONS`` to what it is of."""

LISTS = ("shares", "expected", "low", "high", "leading", "leading_low", "leading_high")


def difference(data: Measurements) -> Table:
    """Tabulate what changed between two models, role by role."""
    blocks = []
    for _, rows in data.comparisons.groupby("comparison", sort=False):
        heading = pair(data, rows)
        blocks.append(Block(heading, "Role", _sizes(rows)))
        blocks += [Block(f"{heading}; {of}", "Role", _places(rows, kind)) for kind, of in KINDS.items()]
    notes = [
        "The difference of the weights (after minus before); means over matrices. Change: its Frobenius norm over "
        "that of the weights before. Cosine: with the weights before, taken as vectors of entries. Stable rank: its "
        "squared Frobenius norm over its squared largest singular value. Above noise: its singular values beyond the "
        "calibrated bound of the noise law fitted to its own spectrum.",
        "Output and input side: its share in the left and right singular vectors of the weights before that belong to "
        "the smallest (decile 1) and the largest (decile 10) tenth of their singular values, as a multiple of what a "
        "difference of random orientation has there. In brackets: matrices where the share is above | below the 95 % "
        "band of such differences; by chance 2.5 % of the matrices are on either side.",
    ]
    return Table(
        "difference", "What changed between two models", _numbers(data.comparisons), blocks, notes, data.notices
    )


def pair(data: Measurements, rows: pd.DataFrame) -> str:
    """Name a comparison and its two models."""
    first = rows.iloc[0]
    base, tuned = (data.titles.get(first[name], first[name]) for name in ("base", "tuned"))
    return f"{first['comparison']}: {base} → {tuned}"


def _numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons with one column a decile in place of each list."""
    lists = [f"{side}_{name}" for side in ("left", "right") for name in LISTS]
    deciles = {f"{name}_{number + 1}": as_array(rows, name)[:, number] for name in lists for number in range(10)}
    return pd.concat([rows.drop(columns=["singular_values", *lists]), pd.DataFrame(deciles, index=rows.index)], axis=1)


def _sizes(rows: pd.DataFrame) -> pd.DataFrame:
    roles = summaries.ordered_roles(rows["role"])
    means = rows.groupby("role")[["relative_change", "alignment", "stable_rank", "n_above"]].mean().loc[roles]
    return pd.DataFrame(
        {
            "Matrices": [f"{(rows['role'] == role).sum():,}" for role in roles],
            "Change, %": means["relative_change"].map(wording.percent).array,
            "Cosine": means["alignment"].map(lambda cosine: _unless_nan(cosine, wording.signed(cosine, 2))).array,
            "Stable rank": means["stable_rank"].map(lambda rank: _unless_nan(rank, f"{rank:.1f}")).array,
            "Above noise": means["n_above"].map("{:.1f}".format).array,
        },
        index=[ROLE_TITLES[role] for role in roles],
    )


def _unless_nan(value: float, spelled: str) -> str:
    return wording.NOTHING if np.isnan(value) else spelled


def _places(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    roles = summaries.ordered_roles(rows["role"])
    columns = {
        f"{title}, decile {decile}": [_place(rows[rows["role"] == role], side, decile, kind) for role in roles]
        for side, title in (("left", "Output side"), ("right", "Input side"))
        for decile in ENDS
    }
    return pd.DataFrame(columns, index=[ROLE_TITLES[role] for role in roles])


def _place(rows: pd.DataFrame, side: str, decile: int, kind: str) -> str:
    changed = rows[rows["relative_change"] > 0]
    if changed.empty:
        return wording.NOTHING
    more, less = outside_band(changed, side, decile, kind)
    return f"{relative(changed, side, kind)[:, decile - 1].mean():.2f}× ({more} | {less})"
