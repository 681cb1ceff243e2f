"""Side by side: what other tools call signal in the same matrices, and how much processor time they take.

WeightWatcher and scikit-rmt run in processes of their own, with the Python that has them; absent ones
are left out, and a line says how to install them. The rule of QuixiAI's ``spectrum`` is implemented here from its
description: everything above IQR / 1.349 * (1 + sqrt(short side / long side)) is signal, where IQR is the
interquartile range of the singular values.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import power
import samples
import torch
from results import Check, seconds

from weightspectra.base import progress
from weightspectra.spectra import svd
from weightspectra.spectra.law import edges

HERE = Path(__file__).parent
SHAPES = ((768, 768), (768, 3072))
TRAINED = Path(__file__).parents[2] / "results" / "sources" / "minilm" / "model.safetensors"
TRAINED_LAYER = "encoder.layer.3."
INSTALL = {
    "WeightWatcher": "pip install weightwatcher, and name the Python that has it with --weightwatcher-python",
    "scikit-rmt": "it needs numpy < 1.27, so an environment of its own: python -m venv skrmt && "
    "skrmt/bin/pip install scikit-rmt, and name it with --scikit-rmt-python skrmt/bin/python",
}


class Case(NamedTuple):
    """A matrix for all tools; ``strength`` as in the measurement of power, ``n_spikes`` -1 where nobody knows."""

    group: str
    n_out: int
    n_in: int
    n_spikes: int
    strength: float
    repeat: int

    @property
    def name(self) -> str:
        """Name that identifies the matrix in a file."""
        return " ".join(str(value) for value in self)


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Give every tool the same matrices: one row for each case and tool.

    Columns: those of :class:`Case`, tool, found, and seconds (processor time of the tool for all
    cases together).
    """
    matrices = dict(draw(case) for case in cases(options.quick)) | trained(options.quick)
    named = {case.name: matrix for case, matrix in matrices.items()}
    rows = []
    for tool, (found, taken) in analyses(named, options).items():
        rows += [{**case._asdict(), "tool": tool, "found": found[case.name], "seconds": taken} for case in matrices]
    return pd.DataFrame(rows)


def cases(quick: bool) -> list[Case]:
    """Return the cases whose truth is known."""
    shapes, numbers, strengths, n_repeats = SHAPES, (5, 30, 76), power.STRENGTHS, 2
    if quick:
        shapes, numbers, strengths, n_repeats = ((96, 96), (96, 384)), (5,), (3.0,), 1
    found = []
    for n_out, n_in in shapes:
        found += [Case("noise", n_out, n_in, 0, power.MIXTURE, i) for i in range(n_repeats)]
        found += [Case("mixture", n_out, n_in, k, power.MIXTURE, i) for k in numbers for i in range(n_repeats)]
        found += [Case("one strength", n_out, n_in, 5 if quick else 30, strength, 0) for strength in strengths]
    return found


def draw(case: Case) -> tuple[Case, np.ndarray]:
    """Draw the matrix of a case."""
    strengths = mixture(case.n_spikes) if case.group == "mixture" else power.strengths_of(case.n_spikes, case.strength)
    matrix = samples.planted(case.n_out, case.n_in, strengths, samples.generator("peers", *case))
    return case, matrix.astype(np.float32)


def mixture(n_spikes: int) -> np.ndarray:
    """Return strengths that a good method finds, all of them."""
    return np.geomspace(power.STRENGTHS[-1], 1.5, n_spikes)


def trained(quick: bool) -> dict[Case, np.ndarray]:
    """Read the matrices of one trained layer, if they are there; their truth is not known."""
    if quick or not TRAINED.is_file():
        return {}
    from safetensors.numpy import load_file

    found = {}
    for name, weight in load_file(TRAINED).items():
        if name.startswith(TRAINED_LAYER) and weight.ndim == 2:
            found[Case(f"minilm {name.removesuffix('.weight')}", *weight.shape, -1, power.MIXTURE, 0)] = weight
    return found


def analyses(matrices: dict[str, np.ndarray], options: argparse.Namespace) -> dict[str, tuple[dict[str, int], float]]:
    """Return what each tool finds in each matrix, and its processor time."""
    found = {"ours": count_in_turn(ours, matrices), "spectrum": count_in_turn(spectrum_rule, matrices)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "matrices.npz"
        np.savez(file, **matrices)
        watcher = HERE / "weightwatcher_side.py", options.weightwatcher_python, "WeightWatcher"
        found |= other_process("WeightWatcher", *watcher, file, "mp_fit=1")
        found |= other_process("WeightWatcher, randomize", *watcher, file, "mp_fit=1", "randomize=1")
        denoiser = HERE / "scikit_rmt_side.py", options.scikit_rmt_python, "scikit-rmt"
        found |= other_process("scikit-rmt, median", *denoiser, file, "median")
        found |= other_process("scikit-rmt, mp_fit", *denoiser, file, "mp_fit")
    return found


def count_in_turn(count: Callable[[np.ndarray], int], matrices: dict[str, np.ndarray]) -> tuple[dict[str, int], float]:
    """Apply a rule to every matrix, one after the other."""
    start = time.process_time()
    tracked = progress.track(matrices.items(), len(matrices), count.__name__)
    found = {name: count(matrix) for name, matrix in tracked}
    return found, time.process_time() - start


def ours(matrix: np.ndarray) -> int:
    """Count the values above the calibrated bound."""
    values = svd.singular_values(matrix).numpy()
    return edges.fit(values, *matrix.shape, level=power.LEVEL).n_above


def spectrum_rule(matrix: np.ndarray) -> int:
    """Count what ``spectrum`` calls signal."""
    values = torch.linalg.svdvals(torch.from_numpy(matrix)).numpy()
    return int((values > spectrum_threshold(values, *matrix.shape)).sum())


def spectrum_threshold(values: np.ndarray, n_out: int, n_in: int) -> float:
    """Return the threshold of ``spectrum``: the spread of the singular values takes the place of the noise's."""
    low, high = np.quantile(values, (0.25, 0.75))
    return float((high - low) / 1.349 * (1 + (min(n_out, n_in) / max(n_out, n_in)) ** 0.5))


def other_process(
    tool: str, script: Path, python: str | None, package: str, file: Path, *words: str
) -> dict[str, tuple[dict[str, int], float]]:
    """Run a tool on the matrices of a file in another Python; nothing, and a line, if it is not there."""
    report = call(script, python, package, file, *words)
    return {} if report is None else {tool: (report["found"], report["seconds"])}


def call(script: Path, python: str | None, package: str, file: Path, *words: str) -> dict | None:
    """Run the script for another tool in its Python, with one thread, and return what it reports."""
    module = {"WeightWatcher": "weightwatcher", "scikit-rmt": "skrmt"}[package]
    python = python or sys.executable
    if subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode:
        print(f"{package} left out: {python} cannot import it; {INSTALL[package]}", file=sys.stderr)
        return None
    print(f"{package} {' '.join(words)} ...", file=sys.stderr, flush=True)
    done = subprocess.run([python, str(script), str(file), *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{package} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def checks(frame: pd.DataFrame) -> list[Check]:
    """Compare the tools: a row for each group of matrices whose truth is known, for the others, and for the time."""
    known = frame[(frame["n_spikes"] >= 0) & (frame["group"] != "one strength")]
    groups = known.groupby(["n_out", "n_in", "n_spikes"], sort=False)
    rows = [check(*shape_and_number, cases) for shape_and_number, cases in groups]
    unknown = frame[frame["n_spikes"] < 0]
    if len(unknown):
        found = {tool: ", ".join(map(str, of_tool["found"])) for tool, of_tool in unknown.groupby("tool", sort=False)}
        what = f"values called signal in {', '.join(unknown['group'].unique())}"
        rows.append(Check(what, found.pop("ours"), f"not known; {told(found)}", "-"))
    taken = frame.groupby("tool", sort=False)["seconds"].first().to_dict()
    least = taken.pop("ours")
    what = f"processor time to count signals in {len(frame) // frame['tool'].nunique()} matrices"
    verdict = "holds" if least < min(taken.values()) else "slower"
    return [*rows, Check(what, seconds(least), told({tool: seconds(time) for tool, time in taken.items()}), verdict)]


def check(n_out: int, n_in: int, n_spikes: int, cases: pd.DataFrame) -> Check:
    """Count the false alarms and the misses of all tools in a group of matrices."""
    counts = {
        tool: ", ".join(f"{max(found - n_spikes, 0)} + {max(n_spikes - found, 0)}" for found in of_tool["found"])
        for tool, of_tool in cases.groupby("tool", sort=False)
    }
    ours = counts.pop("ours")
    what = f"{n_spikes} spikes of 1.5 to 10 times the threshold" if n_spikes else "noise"
    right = (cases.loc[cases["tool"] == "ours", "found"] == n_spikes).all()
    return Check(
        f"{what}, {n_out} x {n_in}: false alarms + misses, of each matrix",
        ours,
        f"0 + 0; {told(counts)}",
        "holds" if right else "falls short",
    )


def told(values: dict[str, str]) -> str:
    """Write what every tool says."""
    return "; ".join(f"{tool} {value}" for tool, value in values.items())
