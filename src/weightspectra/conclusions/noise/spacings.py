"""In how many matrices of each role the distances of neighbouring singular values are not those of noise."""

import pandas as pd

from weightspectra.conclusions.families import judge
from weightspectra.conclusions.rows import Row, share
from weightspectra.contracts import KEY_COLUMNS, ROLES
from weightspectra.statistics.multiple import consistent

LOCAL = "replicate"
"""The unfolding whose spacings are told about: local, each end continued by its last distance."""

KEY = ["model", *KEY_COLUMNS]


def conclude(levels: pd.DataFrame, bulk: pd.DataFrame) -> pd.DataFrame:
    """Count the matrices whose spacings depart from those of noise, each tested by itself.

    Parameters
    ----------
    levels, bulk : DataFrame
        Rows of the contracts of these names; of ``bulk`` the level of each matrix.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``; ``n`` is how many matrices have spacings enough to test.
    """
    local = levels[levels["unfolding"] == LOCAL].merge(bulk[[*KEY, "level"]], on=KEY)
    tested = local[local["spacing_p_value"].notna()]
    rows: list[Row] = []
    for model in dict.fromkeys(local["model"]):
        present = set(local.loc[local["model"] == model, "role"])
        for role in (role for role in ROLES if role in present):
            of_role = tested[(tested["model"] == model) & (tested["role"] == role)]
            differ = int((~consistent(of_role["spacing_p_value"], of_role["level"])).sum())
            level = local.loc[local["model"] == model, "level"].iloc[0]
            told = {"level": level, "resampled": "matrix"}
            rows.append(share("spacings_differ", differ, len(of_role), model=model, role=role, **told))
    return judge(rows, "spacings")
