"""What the pipeline finds in trained runs by its locator and by WeightWatcher's rule; what WeightWatcher counts."""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from peers import HERE as CALIBRATION
from peers import call
from results import Check

from weightspectra import contracts
from weightspectra.base import progress
from weightspectra.birth.model.checkpoints import Run
from weightspectra.birth.model.parameters import WEIGHTS

LEVEL = 0.05
OURS, THEIRS = "ours", "WeightWatcher"
TOOLS = {"blind": OURS, "weightwatcher": THEIRS}
"""From the locators that see the trained matrix alone to the tool whose rule each follows."""

KEY = ["birth", "seed", "iteration", "matrix"]


def scores_of_birth(options: argparse.Namespace, birth: str) -> pd.DataFrame:
    """Return one row for each seed, checkpoint, matrix and tool; ``reported`` is what WeightWatcher itself counts."""
    files = sorted((options.results / "births" / birth).glob("seed-*.parquet"))
    found = []
    for file in progress.track(files, len(files), f"compare {birth}", unit="runs"):
        locations = contracts.LOCATIONS.read(options.results / "locations" / birth / file.name)
        found.append(scores_of_run(Run.read(file), locations, options.weightwatcher_python))
    return pd.concat(found, ignore_index=True)


def scores_of_run(run: Run, locations: pd.DataFrame, python: str | None) -> pd.DataFrame:
    """Put WeightWatcher's counts beside those of all matrices of one run."""
    rows = locations[locations["locator"].isin(TOOLS)]
    rows = rows.assign(tool=rows["locator"].map(TOOLS), n_wanted=rows[["n_memories", "rank"]].min(axis=1))
    rows = rows[[*KEY, "tool", "n_located", "n_true", "n_learned", "n_wanted"]].reset_index(drop=True)
    theirs = rows[rows["tool"] == THEIRS]
    names = [f"{row.matrix} {row.iteration}" for row in theirs.itertuples()]
    weights = [run.parameters(row.iteration)[WEIGHTS[row.matrix]] for row in theirs.itertuples()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "matrices.npz"
        np.savez(file, **dict(zip(names, weights, strict=True)))
        report = call(CALIBRATION / "weightwatcher_side.py", python, THEIRS, file, "mp_fit=1")
    if report is None:
        sys.exit("nothing to compare with")
    return rows.assign(reported=pd.Series([report["found"][name] for name in names], index=theirs.index, dtype=float))


def checks(scores: pd.DataFrame) -> list[Check]:
    """Return a row for the rule, one for the untrained matrices, and one for each birth and matrix."""
    rows = [check_of_rule(scores[scores["tool"] == THEIRS])]
    untrained = scores[scores["iteration"] == 0].groupby("tool")["n_located"]
    alarms, n_matrices = untrained.sum(), untrained.size()[OURS]
    what = f"false alarms in {n_matrices} untrained matrices of {scores['birth'].nunique()} births"
    expected = f"at most {LEVEL / 2:.1%} of them with any; {THEIRS} {alarms[THEIRS]}"
    holds = alarms[OURS] <= 2 + LEVEL * n_matrices
    rows.append(Check(what, str(alarms[OURS]), expected, "holds" if holds else "too many"))
    trained = scores[scores["iteration"] > 0]
    for (birth, matrix), found in trained.groupby(["birth", "matrix"], sort=False):
        ours, theirs = (found[found["tool"] == tool] for tool in (OURS, THEIRS))
        what = f"{birth}, {matrix}: located by {found['seed'].nunique()} seeds"
        rows.append(Check(what, summary(ours), f"{THEIRS}: {summary(theirs)}", verdict(ours, theirs)))
    return rows


def check_of_rule(theirs: pd.DataFrame) -> Check:
    """Compare the counts of WeightWatcher's rule with those that it reports itself."""
    apart = (theirs["n_located"] - theirs["reported"]).abs()
    what = f"{THEIRS}'s rule, written anew: matrices with the count that it reports itself"
    holds = "holds" if (apart == 0).all() else f"differs by up to {apart.max():g}"
    return Check(what, f"{(apart == 0).sum()} of {len(apart)}", "all", holds)


def summary(found: pd.DataFrame) -> str:
    """Tell precision and recall at the end, the first iteration that shows anything, and what may be noise."""
    last = found[found["iteration"] == found["iteration"].max()]
    shown = found[found["n_learned"] > 0].groupby("seed")["iteration"].min()
    first = ", ".join(map(str, shown)) if len(shown) else "never"
    doubtful = int((found["n_located"] - found["n_learned"]).clip(lower=0).sum())
    return (
        f"{last['n_located'].mean():.3g} at the end (precision {precision(last):.2f}, recall {recall(last):.2f}), the "
        f"first at iteration {first}; not shown to be learned: {doubtful} of {int(found['n_located'].sum())} in all "
        f"{found['iteration'].nunique()} checkpoints"
    )


def verdict(ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """Compare at the last checkpoint; where memories cannot be told by their spaces, what is shown to be learned."""
    ours, theirs = (found[found["iteration"] == found["iteration"].max()] for found in (ours, theirs))
    words = []
    for name, measure in (("recall", recall), ("precision", precision)):
        difference = measure(ours) - measure(theirs)
        if np.isfinite(difference):
            words.append(f"{name} {'higher' if difference > 0 else 'lower' if difference < 0 else 'equal'}")
    gained = ours["n_learned"].sum() - theirs["n_learned"].sum()
    return ", ".join(words) or f"{gained:+d} that were learned"


def precision(found: pd.DataFrame) -> float:
    """Return the share of located values that hold memories; NaN if that cannot be told, or nothing is located."""
    located = found["n_located"].sum()
    return found["n_true"].sum(skipna=False) / located if located else np.nan


def recall(found: pd.DataFrame) -> float:
    """Return the share of memories that are located; NaN if that cannot be told, or there are none.

    More directions than there are memories may lean into their spaces; none is found twice (``contracts.LOCATIONS``).
    """
    wanted = found["n_wanted"].sum()
    return found["n_true"].clip(upper=found["n_wanted"]).sum(skipna=False) / wanted if wanted else np.nan
