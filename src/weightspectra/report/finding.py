"""What a finding is, and how trained matrices are compared with their random control's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from scipy import stats

from weightspectra.report.wording import probability

LEVEL = 0.01
"""Error rate below which a finding calls something significant; corrected by Holm where it makes several tests."""


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


def more_than_control(rows: pd.DataFrame, random: pd.DataFrame, column: str) -> tuple[str, float]:
    """Compare trained and random matrices pair by pair: one-sided sign test, ties left out.

    Returns
    -------
    sentence : str
    p_value : float
    """
    key = ["layer", "role", "expert"]
    pairs = rows.set_index(key)[column].align(random.set_index(key)[column], join="inner")
    more, fewer = int((pairs[0] > pairs[1]).sum()), int((pairs[0] < pairs[1]).sum())
    p = float(stats.binomtest(more, more + fewer, alternative="greater").pvalue) if more + fewer else 1.0
    verdict = probability(p) if p < LEVEL else f"not significant, {probability(p)}"
    less = f", fewer in {fewer}" if fewer else ""
    return f"More than the control in {more} of {len(pairs[0])} matrices{less} (sign test, {verdict}).", p
