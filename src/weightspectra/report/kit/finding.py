"""What a finding is, and how trained matrices are compared with their random control's."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd
from scipy import stats

from weightspectra.contracts import KEY_COLUMNS
from weightspectra.report.kit.wording import probability

LEVEL = 0.01
"""Error rate below which a finding calls something significant; corrected by Holm where it makes several tests."""

Key = tuple[int, str, int]
"""Layer, role and expert of a matrix."""


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    headline : str
        The result in one line.
    sentences : sequence of str
        The numbers behind it, with their uncertainty and null, one line of thought each.
    numbers : mapping
        The same numbers for machines, under ``model/quantity`` names.
    """

    headline: str
    sentences: Sequence[str]
    numbers: Mapping[str, float] = field(default_factory=dict)


class Comparison(NamedTuple):
    """Trained matrices against random ones.

    Attributes
    ----------
    sentence : str
    p_value : float
        Of the one-sided sign test; 1 if there is nothing to test.
    verdict : bool or None
        Whether it is significant; None if so few matrices could never be.
    """

    sentence: str
    p_value: float
    verdict: bool | None


def more_than_control(
    rows: pd.DataFrame, random: pd.DataFrame, column: str, unchanged: Collection[Key] = ()
) -> Comparison:
    """Compare trained and random matrices pair by pair: one-sided sign test, ties left out.

    Parameters
    ----------
    rows, random : DataFrame
        One row per matrix: layer, role, expert and the column.
    column : str
        What is compared.
    unchanged : collection of (layer, role, expert)
        Matrices that are the same in both, which say nothing.
    """
    one, other = (frame.set_index(KEY_COLUMNS)[column] for frame in (rows, random))
    one, other = one.align(other, join="inner")
    kept = [key not in unchanged for key in one.index]
    one, other = one[kept], other[kept]
    more, fewer, n = int((one > other).sum()), int((one < other).sum()), len(one)
    p = float(stats.binomtest(more, more + fewer, alternative="greater").pvalue) if more + fewer else 1.0
    verdict = p < LEVEL if 0.5**n < LEVEL else None
    told = {True: "", False: "not significant, ", None: "too few to be significant, "}[verdict]
    changed = " that training changed" if len(kept) > n else ""
    less = f", fewer in {fewer}" if fewer else ""
    sentence = f"More than the control in {more} of {n} matrices{changed}{less} (sign test, {told}{probability(p)})."
    return Comparison(sentence, p, verdict)
