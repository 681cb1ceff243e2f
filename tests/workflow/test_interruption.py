"""Interrupted in every stage, the workflow goes on where it was, to the same bytes."""

import contextlib
import os
import signal
import time

import pytest
from patience import HANGS_S
from snake import artifacts, assert_same, run, start
from stages import STAGES

pytestmark = pytest.mark.slow

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


SLOW_IMPORTS = """
import pathlib, sys, time

here = pathlib.Path(__file__).parent
if any("train_birth" in word for word in sys.orig_argv):
    (here / "imports").touch()
    while not (here / "imported").exists():
        time.sleep(0.02)
"""


def test_a_job_orphaned_while_it_imports_ends_and_the_next_run_makes_the_same_bytes(
    finished, copied, workflow, config_file, tmp_path
):
    made = ["results/births/birth/seed-0.parquet", "results/learning/birth/seed-0.parquet"]
    for path in made:
        (copied / path).unlink()
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(SLOW_IMPORTS)
    process = start(copied, *made, "--configfile", config_file, root=workflow, hooks=hooks)
    while process.poll() is None and not (hooks / "imports").exists():
        time.sleep(0.02)
    process.kill()  # Snakemake alone
    process.wait()
    (hooks / "imported").touch()
    output, _ = process.communicate(timeout=HANGS_S)  # to the end of the last process that could say more
    assert f"Snakemake (process {process.pid}) has ended, and so does its job" in output
    assert sorted((copied / "results" / "births" / "birth").iterdir()) == []  # not even a lock
    code, output = run(copied, *made, "--configfile", config_file, root=workflow)
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
