"""The locator held against known memories: false alarms before training, precision and recall after it."""

from collections.abc import Iterator

import pandas as pd

from weightspectra.conclusions.births.events import RUN, by_matrix, last_of
from weightspectra.conclusions.rows import Row, over_runs, row, share
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.statistics.counts import so_many_or_more
from weightspectra.statistics.spread import spread

LOCATORS = ("blind", "informed", "weightwatcher")
"""The locators of ``contracts.LOCATIONS``, in the order in which they are shown."""

PROMISING = ("blind", "informed")
"""Those that keep to a level of false alarms."""

_MEANS = {"located": "n_located", "located_learned": "n_learned", "located_expected": "n_visible"}


def scored(locations: pd.DataFrame, *, level: float) -> Iterator[Row]:
    """Score every locator.

    Parameters
    ----------
    locations : DataFrame
        Rows of ``contracts.LOCATIONS``.
    level : float
        Error rate of the locator's bounds, both ends together.
    """
    for name in LOCATORS:
        rows = locations[locations["locator"] == name]
        if len(rows):
            yield _alarms(name, initial(rows), level / 2)
            yield from _scores(name, last_of(rows[rows["iteration"] > 0]))


def initial(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each different random matrix: births of one seed and width begin with the same ones."""
    first = rows[rows["iteration"] == 0]
    return first.drop_duplicates(["seed", "matrix", "entry_std", "bound", "n_located"])


def _alarms(name: str, first: pd.DataFrame, chance: float) -> Row:
    """Count false alarms at initialisation, and test whether there are more than promised, if that is promised."""
    alarms, n = int((first["n_located"] > 0).sum()), len(first)
    if name not in PROMISING:
        return share("false_alarms", alarms, n, detail=name, resampled="matrix", judged=False)
    return share(
        "false_alarms",
        alarms,
        n,
        detail=name,
        resampled="matrix",
        reference=chance,
        reference_kind="chance",
        test="binomial, one-sided",
        p_value=float(so_many_or_more(alarms, n, chance)),
    )


def _scores(name: str, last: pd.DataFrame) -> Iterator[Row]:
    runs = last[RUN].drop_duplicates()
    yield row("runs_scored", len(runs), detail=name)
    yield row("births_scored", runs["birth"].nunique(), detail=name)
    n_located, n_learned = int(last["n_located"].sum()), int(last["n_learned"].sum())
    yield share("learned_share", n_learned, n_located, detail=name, resampled="singular value")
    told = last[last["n_true"].notna() & (last["n_located"] > 0)]
    # Where memories fill the whole space, nobody can say what is one.
    why = f"told in {len(told)} of {len(last)} matrices" if len(told) < len(last) else ""
    n_true, n = int(told["n_true"].sum()), int(told["n_located"].sum())
    yield share("true_share", n_true, n, detail=name, why=why, resampled="singular value")
    for matrix, rows in by_matrix(last):
        names = {"matrix": matrix, "detail": name}
        for claim, column in _MEANS.items():
            yield over_runs(claim, spread(rows[column]), **names)
        unknown = {} if rows["n_true"].notna().any() else {"verdict": CANNOT_BE_TOLD, "why": "true or false is unknown"}
        yield over_runs("located_precision", spread(rows["precision"]), **names, **unknown)
        yield over_runs("located_recall", spread(rows["recall"]), **names, **unknown)
