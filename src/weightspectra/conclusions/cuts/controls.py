"""Cuts against their matched controls, so that "these matter" can be told from "removing any hurts"."""

from collections.abc import Iterator

import pandas as pd

from weightspectra.conclusions.cuts.experiments import by_metric, names_of, tested
from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, row, share, verdict
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
    cuts = {cut["cut"]: cut for cut in rows.to_dict("records")}
    matched = rows[rows["control_of"] != ""]
    kinds = matched["cut"].map(kind_of)
    for (label, kind), controls in matched.groupby(["control_of", kinds], sort=False):
        cut = cuts[str(label)]
        found = contrast(cut, controls.to_dict("records"), seed=seed)
        difference, *numbers = (float(column[0]) for column in found)
        yield row(
            "change_beside_control",
            difference,
            **names_of(cut),
            detail=str(kind),
            reference=cut["difference"] - difference,
            reference_kind="change of the matched controls",
            n_reference=len(controls),
            **tested(cut, *numbers),
        )


def _against_every_kind(beside: pd.DataFrame) -> Iterator[Row]:
    """Yield for each cut in how many kinds of controls it hurts significantly more than they do."""
    names = ["model", "experiment", "metric", "cut", "scope", "decile", "role", "layer", "worse_if"]
    for values, kinds in beside.groupby(names, sort=False):
        more = (kinds["verdict"] == HOLDS) & ((kinds["number"] > 0) == (kinds["worse_if"] == "larger"))
        told = CANNOT_BE_TOLD if (kinds["verdict"] == CANNOT_BE_TOLD).any() else verdict(bool(more.all()))
        named = dict(zip(names, values, strict=True))
        yield share("worse_than_every_control", int(more.sum()), len(kinds), **named, verdict=told)
