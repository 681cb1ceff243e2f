"""Both tools on the matrices of trained runs, judged by what is known of them."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from peers import HERE as CALIBRATION
from peers import call
from results import Check

from weightspectra import contracts, progress
from weightspectra.birth import ground_truth
from weightspectra.birth.checkpoints import Run
from weightspectra.birth.locators import Triplets, learned
from weightspectra.birth.parameters import WEIGHTS
from weightspectra.provenance import generator

LEVEL = 0.05
OURS, THEIRS = "ours", "WeightWatcher"


def scores_of_birth(options: argparse.Namespace, birth: str) -> pd.DataFrame:
    """Return one row for each seed, checkpoint, matrix and tool."""
    files = sorted((options.results / "births" / birth).glob("seed-*.parquet"))
    found = []
    for file in progress.track(files, len(files), f"compare {birth}", unit="runs"):
        locations = contracts.LOCATIONS.read(options.results / "locations" / birth / file.name)
        found += scores_of_run(Run.read(file), locations[locations["locator"] == "blind"], options.weightwatcher_python)
    return pd.DataFrame(found)


def scores_of_run(run: Run, locations: pd.DataFrame, python: str | None) -> list[dict[str, Any]]:
    """Judge both tools on all matrices of one run."""
    matrices = {iteration: run.parameters(iteration) for iteration in run.iterations}
    names = {(row.iteration, row.matrix): f"{row.matrix} {row.iteration}" for row in locations.itertuples()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "matrices.npz"
        np.savez(file, **{name: matrices[at][WEIGHTS[matrix]] for (at, matrix), name in names.items()})
        report = call(CALIBRATION / "weightwatcher_side.py", python, THEIRS, file, "mp_fit=1")
    if report is None:
        sys.exit("nothing to compare with")
    rows = []
    for row in locations.itertuples():
        weight, initial = (matrices[at][WEIGHTS[row.matrix]].astype(float) for at in (row.iteration, 0))
        for tool, n in ((OURS, row.n_located), (THEIRS, report["found"][names[row.iteration, row.matrix]])):
            key = {name: getattr(row, name) for name in ("birth", "seed", "iteration", "matrix")}
            rows.append({**key, "tool": tool, "n_located": int(n), **judged(weight, initial, row, int(n))})
    return rows


def judged(weight: np.ndarray, initial: np.ndarray, row: Any, n: int) -> dict[str, float]:
    """Say how many of a matrix's n largest values hold memories, and how many hold anything that was learned."""
    whole, change = Triplets.of(weight), learned(weight, initial, row.kept)
    dimensions = [round(row.left_chance * whole.shape[0]), round(row.right_chance * whole.shape[1])]
    rng = generator(0, "judge", row.birth, str(row.seed), row.matrix, str(row.iteration))
    n_true = ground_truth.count_true(row.left_shares[:n], row.right_shares[:n], dimensions, whole.shape, LEVEL)
    return {
        "n_true": n_true if row.n_memories else 0.0,
        "n_learned": ground_truth.count_aligned(whole.left[:n], whole.right[:n], change.change, LEVEL, rng),
        "n_wanted": min(row.n_memories, row.rank),
    }


def checks(scores: pd.DataFrame) -> list[Check]:
    """Return a row for the untrained matrices, and one for each birth and matrix."""
    untrained = scores[scores["iteration"] == 0].groupby("tool")["n_located"]
    alarms, n_matrices = untrained.sum(), untrained.size()[OURS]
    what = f"false alarms in {n_matrices} untrained matrices of {scores['birth'].nunique()} births"
    expected = f"at most {LEVEL / 2:.1%} of them with any; {THEIRS} {alarms[THEIRS]}"
    rows = [Check(what, str(alarms[OURS]), expected, "holds" if alarms[OURS] <= 2 + LEVEL * n_matrices else "too many")]
    trained = scores[scores["iteration"] > 0]
    for (birth, matrix), found in trained.groupby(["birth", "matrix"], sort=False):
        ours, theirs = (found[found["tool"] == tool] for tool in (OURS, THEIRS))
        what = f"{birth}, {matrix}: located by {found['seed'].nunique()} seeds"
        rows.append(Check(what, summary(ours), f"{THEIRS}: {summary(theirs)}", verdict(ours, theirs)))
    return rows


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
    """Return the share of memories that are located; NaN if that cannot be told, or there are none."""
    wanted = found["n_wanted"].sum()
    return found["n_true"].sum(skipna=False) / wanted if wanted else np.nan
