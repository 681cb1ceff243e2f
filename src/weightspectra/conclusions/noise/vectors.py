"""How many singular vectors are no random directions, and how many lie in few components."""

from collections.abc import Iterator, Mapping

import pandas as pd

from weightspectra.conclusions.families import FAMILIES, judge
from weightspectra.conclusions.rows import Row, share
from weightspectra.contracts import ROLES
from weightspectra.statistics.multiple import significant

TESTED: Mapping[str, str] = {"nonrandom_vectors": "q_value", "localised_vectors": "participation_q_value"}
"""From each claim to the column of ``contracts.VECTOR_TESTS`` that decides it, vector by vector."""


def conclude(vector_tests: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Count the vectors of each model that are no random directions, by role and side the localised ones, too.

    Parameters
    ----------
    vector_tests, bulk : DataFrame
        Rows of the contracts of these names; of ``bulk`` the models and their levels.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``. Single vectors have none: their q-values are measured.
    """
    rows: list[Row] = []
    for model, level in bulk.groupby("model", sort=False)["level"].first().items():
        rows += _counts(vector_tests[vector_tests["model"] == model], float(level), str(model))
    return judge(rows, "vectors")


def _counts(rows: pd.DataFrame, level: float, model: str) -> Iterator[Row]:
    """Yield the shares of both sides together and one by one, then those of each role on either side."""
    if rows.empty:
        return
    for side in ("", "left", "right"):
        yield _share("nonrandom_vectors", rows[(rows["side"] == side) | (side == "")], level, model=model, side=side)
    for role in (role for role in ROLES if (rows["role"] == role).any()):
        for side in ("left", "right"):
            of_side = rows[(rows["role"] == role) & (rows["side"] == side)]
            for claim in TESTED:
                yield _share(claim, of_side, level, model=model, role=role, side=side)


def _share(claim: str, rows: pd.DataFrame, level: float, **names: str) -> Row:
    family, found = FAMILIES[claim], significant(rows[TESTED[claim]], level)
    told = {"correction": family.correction, "family": family.name, "level": level, "judged": False}
    return share(claim, int(found.sum()), len(rows), resampled="vector", **told, **names)
