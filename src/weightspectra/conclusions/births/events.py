"""When things happen in a run: the induction head forms, values are located, and which comes first."""

import numpy as np
import pandas as pd

RUN = ["birth", "seed"]

MATRICES = ("output_2", "key_2", "key_1", "feed_forward", "all")
"""The matrices that hold memories, in the order in which they learn; 'all': all together."""

INDUCTION = "induction_accuracy"
"""The probe by which an induction head is told from copying the last token."""

FORMED = 0.5
"""Induction accuracy from which on an induction head is said to have formed."""


def by_matrix(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Divide rows by matrix, in the order in which they learn."""
    parts = [(name, rows[rows["matrix"] == name]) for name in MATRICES]
    return [(name, part) for name, part in parts if len(part)]


def last_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last iteration of every run."""
    return rows[rows["iteration"] == rows.groupby(RUN)["iteration"].transform("max")]


def final_probe(probes: pd.DataFrame, name: str) -> pd.Series:
    """Return the last value of a probe (with the outputs of the training), by birth and seed."""
    rows = probes[(probes["probe"] == name) & (probes["outputs"] == "")]
    return last_of(rows).set_index(RUN)["value"]


def formed_from(probes: pd.DataFrame, name: str = INDUCTION) -> pd.Series:
    """Return from which checkpoint on a probe is ``FORMED`` or more, by birth and seed; NaN: never."""
    rows = probes[(probes["probe"] == name) & (probes["outputs"] == "")]
    return _lasting(rows, rows["value"] >= FORMED, RUN)


def located_from(locations: pd.DataFrame) -> pd.Series:
    """Return from which checkpoint on more is located than in the initialisation, NaN if never.

    Indexed by birth, seed, matrix and locator. What is located in random
    weights does not count, and neither does what does not last.
    """
    key = [*RUN, "matrix", "locator"]
    rows = locations.sort_values("iteration", kind="stable")
    return _lasting(rows, rows["n_located"] > rows.groupby(key)["n_located"].transform("first"), key)


def located_from_in_median_run(locations: pd.DataFrame) -> pd.Series:
    """Return :func:`located_from` of the run in the middle, by birth, matrix and locator.

    Of an even number of runs, the later of the two in the middle; NaN if it never comes there.
    """
    never_is_last = located_from(locations).fillna(float("inf"))
    medians = never_is_last.groupby(["birth", "matrix", "locator"]).quantile(interpolation="higher")
    return medians.replace(float("inf"), float("nan"))


def distance(probes: pd.DataFrame) -> float:
    """Return how far apart the checkpoints lie between which accuracy rises above ``FORMED``; the largest over runs."""
    formed = formed_from(probes)
    rows = probes[[*RUN, "iteration"]].drop_duplicates()
    there = rows.set_index(RUN)["iteration"]
    before = there[there < formed.reindex(there.index)].groupby(RUN).max()
    return float((formed - before).max())


def leads(locations: pd.DataFrame, probes: pd.DataFrame, locator: str) -> pd.DataFrame:
    """Put the checkpoint from which a matrix's values are located beside that from which accuracy is high.

    Returns
    -------
    DataFrame
        birth, seed, matrix, ``located`` and ``formed`` (iterations, NaN: never)
        and ``lead``: iterations by which the former comes first; 0 at the same
        checkpoint, NaN if either never comes.
    """
    rows = located_from(locations[locations["locator"] == locator]).rename("located").reset_index()
    formed = formed_from(probes)
    rows["formed"] = formed.reindex(pd.MultiIndex.from_frame(rows[RUN])).to_numpy()
    rows["lead"] = rows["formed"] - rows["located"]
    return rows[[*RUN, "matrix", "located", "formed", "lead"]]


def _lasting(rows: pd.DataFrame, holds: pd.Series, key: list[str]) -> pd.Series:
    """Return the first iteration from which on something holds until the last one, by key; NaN if there is none."""
    told = rows.assign(holds=holds).sort_values("iteration", kind="stable")
    found = {}
    for name, run in told.groupby(key, sort=False):
        fails = np.flatnonzero(~run["holds"].to_numpy())
        start = int(fails[-1]) + 1 if len(fails) else 0
        found[name] = float(run["iteration"].iloc[start]) if start < len(run) else float("nan")
    index = pd.MultiIndex.from_tuples(list(found), names=key) if found else pd.MultiIndex.from_frame(told[key])
    return pd.Series(list(found.values()), index=index, dtype=float)
