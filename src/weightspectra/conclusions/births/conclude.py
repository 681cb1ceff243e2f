"""All that is concluded of transformers trained here."""

import pandas as pd

from weightspectra.conclusions.births import formation, locator
from weightspectra.conclusions.births.knockouts import of_knockouts
from weightspectra.conclusions.families import judge


def conclude(probes: pd.DataFrame, locations: pd.DataFrame, knockouts: pd.DataFrame, *, level: float) -> pd.DataFrame:
    """Say when induction heads form, what located values do, and how the locator scores.

    Parameters
    ----------
    probes, locations, knockouts : DataFrame
        Rows of the contracts of these names; the last two may be empty.
    level : float
        Error rate of the locator's bounds, both ends together.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``.
    """
    rows = [
        *formation.of_runs(probes, locations),
        *of_knockouts(knockouts),
        *locator.scored(locations, level=level),
    ]
    return judge(rows, "births")
