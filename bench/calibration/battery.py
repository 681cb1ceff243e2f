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
        file = Path(folder) / "matrices.npz"
        np.savez(file, **block_weights(source.with_suffix("") / "model.safetensors"))
        for analysis in ANALYSES:
            rows += theirs(file, analysis, options.weightwatcher_python)
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


def theirs(file: Path, analysis: tuple[str, ...], python: str | None) -> list[dict]:
    """Run one analysis of WeightWatcher; no rows if it is not there."""
    report = peers.call(HERE / "weightwatcher_side.py", python, "WeightWatcher", file, *analysis)
    if report is None:
        return []
    step = f"analyze({', '.join(word.replace('=1', '=True') for word in analysis)})"
    row = {"model": "minilm", "side": "WeightWatcher", "n_matrices": len(report["found"]), "peak_gb": np.nan}
    return [{**row, "step": step, "seconds": report["seconds"]}]


def block_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the matrices that the battery analyses: every 2-D weight of the blocks."""
    from safetensors.numpy import load_file

    return {name: weight for name, weight in load_file(path).items() if BLOCK_WEIGHT in name and weight.ndim == 2}


def checks(frame: pd.DataFrame) -> list[Check]:
    """Compare times and memory with what is expected: rows for the time of each model, and one for the memory."""
    rows = [row for model, steps in frame.groupby("model", sort=False) for row in check_time(model, steps)]
    return rows + [check_memory(model, steps) for model, steps in frame.groupby("model", sort=False)]


def check_time(model: str, steps: pd.DataFrame) -> list[Check]:
    """Compare the battery's time with WeightWatcher's, if that ran; the tables of noise stand apart."""
    own = steps[(steps["side"] == "ours") & ~steps["step"].isin(PREPARATION)]
    peer = steps[steps["side"] == "WeightWatcher"]
    tables = steps.loc[steps["step"] == "simulate_nulls", "seconds"].sum()
    total, their_total = own["seconds"].sum(), peer["seconds"].sum()
    n_matrices = steps["n_matrices"].iloc[0]
    what = f"whole battery, {n_matrices} {'matrices' if n_matrices > 1 else 'matrix'} of {model}: processor time"
    expected, verdict = "-", "-"
    if len(peer):
        ratio = their_total / total
        expected = f"{EXPECTED_RATIO} times less than {listed(peer)}, together {seconds(their_total)}"
        verdict = f"{'holds' if ratio >= EXPECTED_RATIO else 'falls short'}: {ratio:.1f} times less"
    return [
        Check(what, f"{seconds(total)}: {listed(own)}", expected, verdict),
        Check(f"tables of noise for {model}, once for all models: processor time", seconds(tables), "-", "-"),
    ]


def listed(steps: pd.DataFrame) -> str:
    """Write the time of every step."""
    return ", ".join(f"{row.step} {seconds(row.seconds)}" for row in steps.itertuples())


def check_memory(model: str, steps: pd.DataFrame) -> Check:
    """Compare the largest memory of the battery with what it may take."""
    own = steps[steps["side"] == "ours"]
    is_table = own["step"] == "simulate_nulls"
    peak, tables = own.loc[~own["step"].isin(PREPARATION), "peak_gb"].max(), own.loc[is_table, "peak_gb"].max()
    return Check(
        f"whole battery on {model}: largest memory of the process",
        f"{peak:.2f} GB; tables of noise {tables:.2f} GB",
        f"less than {MEMORY_GB} GB",
        "holds" if max(peak, tables) < MEMORY_GB else "falls short",
    )
