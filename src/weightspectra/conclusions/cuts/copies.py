"""Noisier copies: which verdicts on cuts move when the noise of a model's quantisation is added once more."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from weightspectra.conclusions.cuts.experiments import UNTOUCHED, experiments, names_of
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row, verdict
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.statistics.multiple import CUTS, can_be_told, significant
from weightspectra.statistics.ranks import spearman

FEWEST = 5
"""Cuts from which on a rank correlation is worth a number."""


def conclude(evaluations: pd.DataFrame, *, copies: Mapping[str, str]) -> pd.DataFrame:
    """Compare the verdicts on the same cuts of a model and of its copy with more noise.

    Parameters
    ----------
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``.
    copies : mapping
        From each copy to the model that it is a copy of.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``, none of matched controls.
    """
    rows: list[Row] = []
    for copy, original in copies.items():
        for before, after in _pairs(evaluations, original, copy):
            rows += _beside(before, after)
    return judge(rows, "copies")


def _pairs(evaluations: pd.DataFrame, original: str, copy: str) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    of_model = {
        model: {rows["experiment"].iloc[0]: rows for rows in experiments(evaluations[evaluations["model"] == model])}
        for model in (original, copy)
    }
    return [(rows, of_model[copy][name]) for name, rows in of_model[original].items() if name in of_model[copy]]


def _beside(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[Row]:
    """Put the changes that cuts make to a model beside those that they make to its copy."""
    original = str(before["model"].iloc[0])
    first, second = (_signs(rows) for rows in (before, after))
    n_units = int(before["units"].map(len).max())
    told = can_be_told(n_units)
    both = first.join(second, how="inner", rsuffix="_of_copy")
    cuts = {cut["cut"]: cut for cut in after.to_dict("records")}
    for label, pair in both.iterrows():
        yield row(
            "verdict_moves",
            pair["difference_of_copy"],
            **names_of(cuts[label]),
            beside=original,
            reference=pair["difference"],
            reference_kind="the same cut of the model",
            resampled=before["unit"].iloc[0],
            n=n_units,
            level=CUTS.level,
            verdict=verdict(pair["sign"] != pair["sign_of_copy"]) if told else CANNOT_BE_TOLD,
            why="" if told else f"{n_units} are too few to tell any change",
        )
    if len(both) >= FEWEST:
        names = {name: after[name].iloc[0] for name in ("model", "experiment", "metric")}
        rho = spearman(list(both["difference"]), list(both["difference_of_copy"]))
        yield row("order_of_changes", rho, **names, beside=original, resampled="cut", n=len(both))


def _signs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the change that each cut makes, and its ``sign``: 1 significantly worse, -1 better, 0 neither."""
    cuts = rows[(rows["cut"] != UNTOUCHED) & (rows["control_of"] == "")]
    worse = (cuts["difference"] > 0) != cuts["higher_is_better"].astype(bool)
    sign = np.where(worse, 1, -1) * significant(cuts["q_value"], CUTS.level)
    return cuts.assign(sign=sign).set_index("cut")[["difference", "sign"]]
