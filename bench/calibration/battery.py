"""Speed: what the whole battery costs, against WeightWatcher's analyses of the same matrices; and its memory.

Processor time with one thread, each side in processes of its own, without the import of
libraries. Ours are the pipeline's scripts with their files; the tables of noise are made before,
since all models share them, and stand in a row of their own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import peers
from results import Check, seconds

HERE = Path(__file__).parent
LARGE = (4096, 14336)
LARGE_DRAWS = 20
EXPECTED_RATIO, MEMORY_GB = 10, 6
PREPARATION = ("extract_weights", "simulate_nulls")
BLOCK_WEIGHT = ".layer."
FEWEST_VALUES = 8
"""Matrices with fewer singular values are passed over by WeightWatcher."""

SAME, WHOLE = "minilm", "minilm with its embeddings"
ANALYSES = (("mp_fit=1", "randomize=1"), ("vectors=1",))


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Run both sides: one row for each step.

    Columns: model, side ('ours' or 'WeightWatcher'), step, n_matrices, seconds (processor
    time), peak_gb (of the process that made the step, and those before it).
    """
    shape, n_draws = ((96, 384), 20) if options.quick else (LARGE, LARGE_DRAWS)
    with tempfile.TemporaryDirectory() as folder:
        words = ["noise", f"{folder}/noise", *map(str, shape), str(n_draws)]
        rows = ours("{} x {}".format(*shape), words)
        source = options.results / "sources" / "minilm.parquet"
        if options.quick:
            return pd.DataFrame(rows)
        if not source.is_file():
            print(f"minilm left out: {source} is missing; snakemake {source} fetches it", file=sys.stderr)
            return pd.DataFrame(rows)
        rows += ours("minilm", ["real", f"{folder}/real", str(source)])
        weights = all_weights(source.with_suffix("") / "model.safetensors")
        blocks = {name: weight for name, weight in weights.items() if BLOCK_WEIGHT in name}
        for model, matrices in ((SAME, blocks), (WHOLE, weights)):
            file = Path(folder) / "matrices.npz"
            np.savez(file, **matrices)
            rows += [
                row for analysis in ANALYSES for row in theirs(model, file, analysis, options.weightwatcher_python)
            ]
    return pd.DataFrame(rows)


def ours(model: str, words: list[str]) -> list[dict]:
    """Run the battery twice: tables of noise in a process of their own, then everything else."""
    rows = []
    for more in (["nulls"], []):
        report = side(words + more)
        steps = report["seconds"] if more else {k: v for k, v in report["seconds"].items() if k not in PREPARATION}
        common = {"model": model, "side": "ours", "n_matrices": report["n_matrices"], "peak_gb": report["peak_gb"]}
        rows += [{**common, "step": step, "seconds": taken} for step, taken in steps.items()]
    return rows


def side(words: list[str]) -> dict:
    """Call ``battery_side.py`` with one thread and return its report; what it says on the way is passed on."""
    print(f"battery: {' '.join(words)}", file=sys.stderr, flush=True)
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "battery_side.py"), *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=one_thread, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def theirs(model: str, file: Path, analysis: tuple[str, ...], python: str | None) -> list[dict]:
    """Run one analysis of WeightWatcher; no rows if it is not there."""
    report = peers.call(HERE / "weightwatcher_side.py", python, "WeightWatcher", file, *analysis)
    if report is None:
        return []
    step = f"analyze({', '.join(word.replace('=1', '=True') for word in analysis)})"
    row = {"model": model, "side": "WeightWatcher", "n_matrices": len(report["found"]), "peak_gb": np.nan}
    return [{**row, "step": step, "seconds": report["seconds"]}]


def all_weights(path: Path) -> dict[str, np.ndarray]:
    """Read every matrix that WeightWatcher takes: those of the blocks, which the battery analyses, and embeddings."""
    from safetensors.numpy import load_file

    matrices = {name: weight for name, weight in load_file(path).items() if weight.ndim == 2}
    return {name: weight for name, weight in matrices.items() if min(weight.shape) >= FEWEST_VALUES}


def checks(frame: pd.DataFrame) -> list[Check]:
    """Compare times and memory with what is expected: for each model, one row of the time, the tables, the memory."""
    own = frame[frame["side"] == "ours"]
    rows = []
    for model, steps in own.groupby("model", sort=False):
        battery = steps[~steps["step"].isin(PREPARATION)]
        rows += check_time(battery, frame[(frame["side"] != "ours") & (model == SAME)])
        tables = steps[steps["step"] == "simulate_nulls"]
        what = f"tables of noise for {model}, once for all models: processor time"
        rows.append(Check(what, seconds(tables["seconds"].sum()), "-", "-"))
        rows.append(check_memory(model, battery["peak_gb"].max(), tables["peak_gb"].max()))
    return rows


def check_time(battery: pd.DataFrame, peers: pd.DataFrame) -> list[Check]:
    """Compare the battery's time with WeightWatcher's, for the same matrices and for those that its users give it."""
    total, n_matrices = battery["seconds"].sum(), battery["n_matrices"].iloc[0]
    matrices = f"{n_matrices} matrices" if n_matrices > 1 else "1 matrix"
    what = f"whole battery, {matrices} of {battery['model'].iloc[0]}: processor time"
    ours_told = f"{seconds(total)}: {listed(battery)}"
    if peers.empty:
        return [Check(what, ours_told, "-", "-")]
    rows = []
    for model, steps in peers.groupby("model", sort=False):
        ratio = steps["seconds"].sum() / total
        expected = f"{EXPECTED_RATIO} times less than WeightWatcher's {seconds(steps['seconds'].sum())} for "
        expected += f"{steps['n_matrices'].iloc[0]} matrices of {model}: {listed(steps)}"
        verdict = f"{'holds' if ratio >= EXPECTED_RATIO else 'falls short'}: {ratio:.1f} times less"
        rows.append(Check(what, ours_told, expected, verdict))
    return rows


def listed(steps: pd.DataFrame) -> str:
    """Write the time of every step."""
    return ", ".join(f"{row.step} {seconds(row.seconds)}" for row in steps.itertuples())


def check_memory(model: str, peak: float, tables: float) -> Check:
    """Compare the largest memory of the battery, and that of its tables, with what they may take."""
    return Check(
        f"whole battery on {model}: largest memory of the process",
        f"{peak:.2f} GB; tables of noise {tables:.2f} GB",
        f"less than {MEMORY_GB} GB",
        "holds" if max(peak, tables) < MEMORY_GB else "falls short",
    )
