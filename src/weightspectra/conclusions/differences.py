"""What changed between two models: how much, of what rank, and in which singular directions of the first."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row, share
from weightspectra.statistics.counts import so_many_or_more

CHANCE = 0.025
"""Share of random differences on either side of their band."""

ENDS = (1, 10)
"""Deciles at the ends of the spectrum."""

KINDS = ("shares", "leading")
"""Kinds of shares in ``contracts.COMPARISONS``: of all the energy, and of the ten leading directions."""


def conclude(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Say how many matrices changed, how, and whether more of the change than by chance lies at either end.

    Parameters
    ----------
    comparisons : DataFrame
        Rows of ``contracts.COMPARISONS``.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``: ``experiment`` is the comparison,
        ``model`` the first of the two and ``beside`` the second; ``detail`` is the kind of share.
    """
    rows: list[Row] = []
    for name, of_pair in comparisons.groupby("comparison", sort=False):
        names = {"experiment": name, "model": of_pair["base"].iloc[0], "beside": of_pair["tuned"].iloc[0]}
        changed = of_pair[of_pair["relative_change"] > 0]
        rows.append(share("matrices_changed", len(changed), len(of_pair), **names))
        if len(changed):
            columns = {"change_stable_rank": "stable_rank", "change_above_noise": "n_above"}
            for claim, column in {"relative_change": "relative_change", **columns}.items():
                rows.append(row(claim, changed[column].mean(), n=len(changed), resampled="matrix", **names))
            rows += [found for kind in KINDS for found in _places(changed, kind, names)]
    return judge(rows, "differences")


def _places(rows: pd.DataFrame, kind: str, names: dict[str, Any]) -> Iterator[Row]:
    """Yield the shares of both ends on both sides, and in how many matrices they leave the null band."""
    for side in ("left", "right"):
        for decile in ENDS:
            place = {"side": side, "decile": decile, "detail": kind, "n": len(rows), "resampled": "matrix", **names}
            ratio = float(relative(rows, side, kind)[:, decile - 1].mean())
            yield row("change_in_decile", ratio, reference=1.0, reference_kind="chance", **place)
            for region, count in zip(("above", "below"), outside_band(rows, side, decile, kind), strict=True):
                yield row(
                    "change_outside_band",
                    count / len(rows),
                    region=region,
                    reference=CHANCE,
                    reference_kind="chance",
                    test="binomial, one-sided",
                    p_value=float(so_many_or_more(count, len(rows), CHANCE)),
                    **place,
                )


def as_array(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column of lists over deciles as an array of shape (n_matrices, 10)."""
    return np.array(rows[column].to_list(), dtype=float).reshape(len(rows), 10)


def relative(rows: pd.DataFrame, side: str, kind: str = "shares") -> np.ndarray:
    """Return shares as multiples of what chance gives, of shape (n_matrices, 10); NaN where nothing changed.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.COMPARISONS``.
    side : {'left', 'right'}
    kind : {'shares', 'low', 'high', 'leading', 'leading_low', 'leading_high'}
    """
    expected = as_array(rows, f"{side}_expected")
    return as_array(rows, f"{side}_{kind}") / np.where(expected > 0, expected, np.nan)


def outside_band(rows: pd.DataFrame, side: str, decile: int, kind: str = "shares") -> tuple[int, int]:
    """Return in how many matrices the share of one decile lies above the null band, and in how many below.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.COMPARISONS``.
    side : {'left', 'right'}
    decile : int
        1 (smallest) to 10 (largest).
    kind : {'shares', 'leading'}
    """
    band = f"{side}_leading" if kind == "leading" else side
    share, low, high = (
        as_array(rows, name)[:, decile - 1] for name in (f"{side}_{kind}", f"{band}_low", f"{band}_high")
    )
    return int((share > high).sum()), int((share < low).sum())
