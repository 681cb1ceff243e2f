"""A job, and all that it has started, ends with the Snakemake that it belongs to."""

import os
import subprocess
import sys

import pytest
from patience import HANGS_S

from weightspectra.base import lifetime

SNAKEMAKE = """
import subprocess, sys
from weightspectra.base import lifetime

lifetime.name_this_process()
subprocess.Popen(["bash", "-c", f"{sys.executable} job.py; true"])  # true, or the shell would become the job
sys.stdin.read()
"""

JOB = """
import pathlib, subprocess, sys, time
from types import SimpleNamespace

print("imports", flush=True)
while not pathlib.Path("imported").exists():
    time.sleep(0.01)

from weightspectra.base import job

def main(_):
    print("works", flush=True)
    subprocess.run(["sleep", "7200"])

job.run(main, SimpleNamespace(log=["log"], output=["result"]))
"""


@pytest.fixture
def snakemake(tmp_path):
    """A process that stands for Snakemake, with one job that imports until a file says that it has imported."""
    (tmp_path / "job.py").write_text(JOB)
    process = subprocess.Popen(
        [sys.executable, "-c", SNAKEMAKE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout.readline() == "imports\n"
    yield process
    process.kill()
    process.communicate(timeout=HANGS_S)


def test_a_job_that_is_orphaned_while_it_imports_touches_nothing(snakemake, tmp_path):
    snakemake.kill()
    snakemake.wait()
    (tmp_path / "imported").touch()
    said, _ = snakemake.communicate(timeout=HANGS_S)  # to the end of the last process that could say more
    assert said.startswith(f"Snakemake (process {snakemake.pid}) has ended, and so does its job\n")
    assert {path.name for path in tmp_path.iterdir()} == {"job.py", "imported"}


def test_so_does_one_whose_snakemake_nobody_has_waited_for(snakemake, tmp_path):
    snakemake.kill()
    (tmp_path / "imported").touch()
    assert "works" not in snakemake.stdout.read()


def test_a_job_at_work_ends_with_what_it_has_started(snakemake, tmp_path):
    (tmp_path / "imported").touch()
    assert snakemake.stdout.readline() == "works\n"
    snakemake.kill()
    said, _ = snakemake.communicate(timeout=HANGS_S)
    assert said.startswith(f"Snakemake (process {snakemake.pid}) has ended, and so does its job\n")


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        (lambda pid, began, names: (pid, began, names), True),
        (lambda pid, began, names: (pid, str(int(began) + 1), names), False),  # another process has its number now
        (lambda pid, began, names: (str(2**22 + 1), began, names), False),  # beyond the largest number
        (lambda pid, began, names: (pid, str(int(began) + 1), "pid:[1]"), True),  # from inside a container
    ],
)
def test_a_process_is_known_by_its_number_and_when_it_began(changed, runs, monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    lifetime.name_this_process()
    named = os.environ[lifetime.SNAKEMAKE].split(" ")
    assert lifetime._runs(" ".join(changed(*named))) is runs


def test_a_snakemake_on_a_node_names_itself_in_place_of_the_one_that_submitted_it(monkeypatch):
    monkeypatch.setattr(os, "environ", {lifetime.SNAKEMAKE: f"{2**22 + 1} 1 {lifetime._namespace()}"})
    lifetime.name_this_process()
    assert lifetime._runs(os.environ[lifetime.SNAKEMAKE])


def test_a_job_without_a_snakemake_goes_on(monkeypatch):
    monkeypatch.delenv(lifetime.SNAKEMAKE, raising=False)
    lifetime.end_with_snakemake()
