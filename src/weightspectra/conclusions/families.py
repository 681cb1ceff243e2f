"""Which tests are corrected together, by which method, and at which level a claim holds.

Families whose tests are corrected where they are measured, and the levels, are those of
:mod:`weightspectra.statistics.multiple`: the measurement and the conclusion read one definition.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.rows import Row
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, FINDINGS, HOLDS
from weightspectra.statistics.multiple import CUTS, LEVEL, SIGNIFICANT, VECTORS, FamilyOfTests, significant

FAMILIES: Mapping[str, FamilyOfTests] = {
    "more_beyond_bound_than_control": FamilyOfTests("alone", ("model", "region"), "none", LEVEL),
    "more_information_than_control": FamilyOfTests("alone", ("model", "region"), "none", LEVEL),
    "overlap_with_data": FamilyOfTests("roles and ends of a model on a corpus", ("model", "corpus"), "holm", LEVEL),
    "change_after_cut": CUTS,
    "change_after_control": CUTS,
    "change_after_compression": CUTS,
    "smallest_costs_more_than_middle": CUTS._replace(name="roles of an experiment"),
    "change_beside_control": CUTS._replace(name="cuts of an experiment and kinds of their controls"),
    "change_moves_with_window": FamilyOfTests(
        "cuts that two experiments share", (*CUTS.over, "beside"), CUTS.correction, CUTS.level
    ),
    "change_beside_plain": CUTS._replace(name="compressions of an experiment"),
    "accuracy_change": FamilyOfTests(
        "deciles of one order at one epoch",
        ("model", "experiment", "detail", "setting"),
        "benjamini_hochberg",
        SIGNIFICANT,
    ),
    "change_outside_band": FamilyOfTests(
        "ends, sides and directions of a change", ("experiment", "detail"), "holm", LEVEL
    ),
    "nonrandom_vectors": VECTORS,
    "localised_vectors": VECTORS,
    "false_alarms": FamilyOfTests("alone", ("detail",), "none", LEVEL),
}
"""From each claim that a test decides to its family. Claims that name the same one are corrected together."""


def judge(rows: Iterable[Row], subject: str) -> pd.DataFrame:
    """Correct the tests of one subject, family by family, and say which claims hold.

    Parameters
    ----------
    rows : iterable of dict
        From :func:`weightspectra.conclusions.rows.row`. ``in_favour`` says
        whether what was found speaks for the claim (without it, it does),
        ``smallest_p`` is the smallest p-value that the test can have, and a row
        whose ``judged`` is false is left as it is. Rows whose ``p_corrected`` is there
        already were corrected, over the same family, where they were measured.
    subject : str
        The name of the module.

    Returns
    -------
    DataFrame
        Of ``contracts.FINDINGS``, in the same order.
    """
    table = pd.DataFrame([{"in_favour": True, "smallest_p": 0.0, "judged": True, **row} for row in rows])
    if table.empty:
        return FINDINGS.empty()
    table["subject"] = subject
    waiting = table[table["judged"].astype(bool) & table["claim"].isin(FAMILIES)]
    kinds = waiting["claim"].map(lambda claim: FAMILIES[claim])
    for family in dict.fromkeys(kinds):
        for _, tests in waiting[kinds == family].groupby(list(family.over), sort=False):
            for column, values in _judged(tests, family).items():
                table.loc[tests.index, column] = values
    return table[FINDINGS.schema.names]


def _judged(tests: pd.DataFrame, family: FamilyOfTests) -> dict[str, Any]:
    """Return the columns that say whether the claims of one family hold."""
    corrected = tests["p_corrected"].to_numpy(dtype=float)
    if np.isnan(corrected).all():
        corrected = family.corrected(tests["p_value"].to_numpy(dtype=float))
    told = ~np.isnan(corrected) & (tests["smallest_p"] <= family.level)
    holds = significant(corrected, family.level) & tests["in_favour"].astype(bool)
    verdicts = np.where(told, np.where(holds, HOLDS, DOES_NOT), CANNOT_BE_TOLD)
    reasons = [test["why"] or _why(test) for test in tests.to_dict("records")]
    return {
        "p_corrected": corrected,
        "correction": family.correction,
        "family": family.name,
        "family_size": int(np.isfinite(corrected).sum()),
        "level": family.level,
        "verdict": verdicts,
        "why": np.where(told, tests["why"], reasons),
    }


def _why(test: Mapping[Hashable, Any]) -> str:
    if np.isnan(test["p_value"]):
        return "there is nothing to test"
    return f"{test['n']:g} are too few: the test has no p-value below {test['smallest_p']:.2g}"
