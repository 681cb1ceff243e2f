"""When the induction head forms, and whether located values come before it."""

from collections.abc import Iterator

import pandas as pd

from weightspectra.conclusions.births.events import (
    FORMED,
    INDUCTION,
    RUN,
    by_matrix,
    distance,
    final_probe,
    formed_from,
    leads,
)
from weightspectra.conclusions.rows import Row, over_runs, row, share, verdict
from weightspectra.statistics.spread import spread

LOCATOR = "blind"
"""The locator of which conclusions on time speak: the one that sees no more than a user has."""


def of_runs(probes: pd.DataFrame, locations: pd.DataFrame) -> Iterator[Row]:
    """Yield for each birth when its induction head forms and values are located, and over all which comes first.

    Parameters
    ----------
    probes, locations : DataFrame
        Rows of the contracts of these names; the latter may be empty.
    """
    if probes.empty:
        return
    formed = formed_from(probes)
    found = leads(locations, probes, LOCATOR)
    last = final_probe(probes, INDUCTION)
    for birth in dict.fromkeys(formed.index.get_level_values("birth")):
        when = spread(formed.loc[[birth]])
        threshold = {"reference": FORMED, "reference_kind": "threshold", "verdict": verdict(when.n == when.n_runs)}
        yield over_runs("induction_head_forms", when, birth=birth, **threshold)
        yield over_runs("induction_accuracy", spread(last.loc[[birth]]), birth=birth)
        for matrix, rows in by_matrix(found[found["birth"] == birth]):
            names = {"birth": birth, "matrix": matrix, "detail": LOCATOR}
            yield over_runs("located_from", spread(rows["located"]), **names)
            yield over_runs("located_before", spread(rows["lead"]), **names)
    told = found[found["formed"].notna()]
    n_formed, n_told = int(formed.notna().sum()), len(told[RUN].drop_duplicates())
    yield share("runs_formed", n_formed, len(formed), resampled="run")
    yield share("runs_searched", n_told, n_formed, resampled="run")
    yield row("checkpoints_apart", distance(probes))
    for matrix, rows in by_matrix(told):
        first, same, n = int((rows["lead"] > 0).sum()), int((rows["lead"] == 0).sum()), len(rows)
        names = {"matrix": matrix, "detail": LOCATOR, "resampled": "run"}
        yield share("located_first", first, n, verdict=verdict(first == n), **names)
        yield share("located_with", same, n, **names)
        yield share("located_later", n - first - same, n, **names)
