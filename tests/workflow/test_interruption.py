"""Interrupted in every stage, the workflow goes on where it was, to the same bytes."""

import contextlib
import os
import signal
import time

import pytest
from patience import HANGS_S
from snake import artifacts, assert_same, run, start

pytestmark = pytest.mark.slow

STAGES = {
    "fetch_model/llama": ["sources/llama.parquet"],
    "fetch_corpus/text": ["corpora/text.parquet"],
    "extract_weights/llama-01-of-02": ["weights/llama/part-01-of-02.parquet"],
    "collect_activations/llama-text-00-of-02": ["activations/llama/text/part-00-of-02.parquet"],
    "decompose/llama-00-of-02": ["spectra/llama/part-00-of-02.parquet"],
    "simulate_nulls/llama": ["nulls/llama.parquet"],
    "permute_entries/llama": ["permutations/llama.parquet"],
    "fit_bulk/llama": ["bulk/llama.parquet"],
    "fit_levels/llama": ["levels/llama.parquet"],
    "score_vectors/llama-00-of-02": ["vector_tests/llama/part-00-of-02.parquet"],
    "measure_tails/llama": ["tails/llama.parquet"],
    "map_information/llama": ["information/llama.parquet"],
    "measure_overlap/llama-text": ["overlaps/llama/text.parquet"],
    "fetch_data_set/labels": ["data_sets/labels.parquet"],
    "fetch_task/labels": ["tasks/labels.parquet"],
    "evaluate_cuts/llama-deciles": ["evaluations/llama/deciles.parquet"],
    "predict_damage/llama-text": ["predictions/llama/text.parquet"],
    "finetune/llama-labels": ["finetunings/llama/labels.parquet"],
    "compare_models/training": ["comparisons/training.parquet"],
    "count_characters/birth": ["characters/birth.parquet"],
    "train_birth/birth-0": ["births/birth/seed-0.parquet"],
    "probe_birth/birth-0": ["probes/birth/seed-0.parquet"],
    "score_locator/birth-0": ["locations/birth/seed-0.parquet"],
    "simulate_memories": ["simulations.parquet"],
    "conclude/births": ["findings/births.parquet"],
    "gather_findings": ["findings.parquet", "report.html"],
    "make_table/outliers": ["tables/outliers.md", "report.html"],
    "make_figure/spectra-llama": ["figures/spectra-llama.svg", "report.html"],
    "make_report": ["report.html"],
}
"""From the log of a job to results without which it has to run (again, if it ended beside an earlier one)."""

ONE_OF_EACH_KIND = ("evaluate_cuts/llama-deciles", "fetch_task/labels", "simulate_memories")
"""Jobs that keep a journal, fill a folder, and write a single file."""

DELAYS_S = (0.0, 0.2, 1.0)  # after the job's log appears: before, during and after its imports


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
@pytest.mark.parametrize(
    "stages",
    [ONE_OF_EACH_KIND, pytest.param(tuple(STAGES), marks=pytest.mark.full)],
    ids=["one of each kind", "every stage"],
)
def test_stopped_it_ends_with_the_same_bytes(stages, number, finished, copied, workflow, config_file):
    stopped = 0
    for count, job in enumerate(stages):
        for path in STAGES[job]:
            (copied / "results" / path).unlink(missing_ok=True)
        log = copied / "logs" / f"{job}.log"
        stopped += stop_once(log, number, DELAYS_S[count % 3], copied, workflow, config_file)
    assert stopped >= len(stages) - 2  # the last stages may end, and the run with them, before they are stopped
    code, output = run(copied, "--configfile", config_file, root=workflow)
    assert code == 0, output[-6000:]
    assert_same(artifacts(copied), artifacts(finished))


def stop_once(log, number, delay, folder, workflow, config_file):
    """Run until a job has begun its log, stop everything at once, and say whether the run was still going on."""
    options = ["--configfile", config_file, "--cores", "2"]
    began = log.stat().st_mtime_ns if log.exists() else None
    process = start(folder, *options, root=workflow)
    while process.poll() is None and (log.stat().st_mtime_ns if log.exists() else None) == began:
        time.sleep(0.02)
    time.sleep(delay)
    running = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=HANGS_S)
    assert running or process.returncode == 0, output[-3000:]
    half = [path for path in (folder / "results").rglob("*.parquet") if not whole(path)]
    assert half == []
    return running


def whole(path):
    """Say whether a Parquet file has its end."""
    return path.read_bytes()[-4:] == b"PAR1"
