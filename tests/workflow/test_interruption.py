"""Interrupted in every stage, the workflow goes on where it was, to the same bytes."""

import contextlib
import os
import signal
import time

import pytest
from snake import artifacts, assert_same, run, start

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workflow")]

STAGES = {
    "fetch_model": "llama",
    "fetch_corpus": "text",
    "extract_weights": "bert-01-of-02",
    "collect_activations": "llama-text-00-of-01",
    "decompose": "llama-00-of-01",
    "fit_bulk": "llama",
    "measure_overlap": "llama-text",
    "evaluate_cuts": "llama-deciles",
    "make_tables": None,
    "make_figures": None,
    "make_report": None,
}
DELAYS_S = (0.0, 0.2, 1.0)  # after the job's log appears: before, during and after its imports


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_stopped_in_every_stage_it_ends_with_the_same_bytes(number, finished, workflow, config_file, tmp_path):
    stopped = 0
    for count, (rule, job) in enumerate(STAGES.items()):
        log = tmp_path / "logs" / (f"{rule}/{job}.log" if job else f"{rule}.log")
        stopped += stop_once(log, number, DELAYS_S[count % 3], tmp_path, workflow, config_file)
    assert stopped >= len(STAGES) - 2  # a stage may have ended in the shadow of another one's end
    code, output = run(tmp_path, "--configfile", config_file, root=workflow)
    assert code == 0, output[-6000:]
    assert_same(artifacts(tmp_path), artifacts(finished))


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
    output, _ = process.communicate(timeout=120)
    assert running or process.returncode == 0, output[-3000:]
    half = [path for path in (folder / "results").rglob("*.parquet") if not whole(path)]
    assert half == []
    return running


def whole(path):
    """Say whether a Parquet file has its end."""
    return path.read_bytes()[-4:] == b"PAR1"
