"""Cuts against their matched controls, so that "these matter" can be told from "removing any hurts"."""

from collections.abc import Iterator

import pandas as pd

from weightspectra.conclusions.cuts.experiments import by_metric, names_of, smallest_p
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, share, verdict
from weightspectra.conclusions.rows import row as new_row
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, HOLDS
from weightspectra.statistics.paired import contrast

KINDS = ("same count", "same energy", "random window")
"""How the labels of the kinds of controls begin, in the order in which they are shown."""


def conclude(evaluations: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Compare each cut with each kind of its matched controls, on the same documents or items.

    Parameters
    ----------
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``.
    seed : int
        Of resamples and signs.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``. Those of ``worse_than_every_control``
        count the kinds than which a cut hurts significantly more.
    """
    rows = [found for part in by_metric(evaluations) for found in _contrasts(part, seed)]
    beside = judge(rows, "controls")
    return pd.concat([beside, judge(_against_every_kind(beside), "controls")], ignore_index=True)


def kind_of(control: str) -> str:
    """Return the kind of a matched control, one of ``KINDS``, from its label; its first words for any other."""
    return next((kind for kind in KINDS if control.startswith(kind)), control.split(" of ")[0])


def _contrasts(rows: pd.DataFrame, seed: int) -> Iterator[Row]:
    cuts = {row["cut"]: row for row in rows.to_dict("records")}
    matched = rows[rows["control_of"] != ""]
    kinds = matched["cut"].map(kind_of)
    for (label, kind), controls in matched.groupby(["control_of", kinds], sort=False):
        cut = cuts[str(label)]
        found = contrast(cut, controls.to_dict("records"), seed=seed)
        difference, error, low, high, p = (float(column[0]) for column in found)
        by_signs = cut["statistic"] != "auc"
        yield new_row(
            "change_beside_control",
            difference,
            **names_of(cut),
            detail=str(kind),
            standard_error=error,
            low=low,
            high=high,
            interval_level=0.95,
            reference=cut["difference"] - difference,
            reference_kind="change of the matched controls",
            n_reference=len(controls),
            test="sign flips, paired" if by_signs else "DeLong, paired",
            resampled=cut["unit"],
            n=len(cut["units"]),
            p_value=p,
            smallest_p=smallest_p(len(cut["units"])) if by_signs else 0.0,
        )


def _against_every_kind(beside: pd.DataFrame) -> Iterator[Row]:
    """Yield for each cut in how many kinds of controls it hurts significantly more than they do."""
    names = ["model", "experiment", "metric", "cut", "scope", "decile", "role", "layer", "worse_if"]
    for values, kinds in beside.groupby(names, sort=False):
        more = (kinds["verdict"] == HOLDS) & ((kinds["number"] > 0) == (kinds["worse_if"] == "larger"))
        told = CANNOT_BE_TOLD if (kinds["verdict"] == CANNOT_BE_TOLD).any() else verdict(bool(more.all()))
        named = dict(zip(names, values, strict=True))
        yield share("worse_than_every_control", int(more.sum()), len(kinds), **named, verdict=told)
