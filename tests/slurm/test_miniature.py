"""A miniature on a real SLURM cluster: SLURM runs the jobs, and afterwards nothing is left to do."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cluster import cluster, why_not
from patience import HANGS_S

ROOT = Path(__file__).parents[2]
LOCAL_RULES = {"all", "fetch_model", "fetch_corpus", "count_characters"}

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(bool(why_not()), reason=why_not())]


def snakemake(folder, *options):
    """Run the miniature as on a cluster, but poll SLURM quickly; give up with an orderly interruption."""
    command = ["timeout", "--signal=INT", "--kill-after=60", str(HANGS_S), sys.executable, "-m", "snakemake"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(Path(__file__).parent / "config.yaml")]
    command += ["--directory", str(folder), "--workflow-profile", str(ROOT / "workflow" / "profiles" / "slurm")]
    command += ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5", *options]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        # Whoever started this test may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def planned_jobs(folder):
    """Return how many jobs of each rule a dry run announces."""
    table = snakemake(folder, "--dry-run", "--quiet", "rules")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE))
    counts.pop("total")
    return {rule: int(count) for rule, count in counts.items()}


def finished_jobs():
    """Return how many jobs of each rule SLURM itself says it has completed; fail if any ended otherwise."""
    listing = subprocess.run(
        ["squeue", "--noheader", "--states=all", "--format=%T %k"], capture_output=True, text=True, check=True
    )
    ends = [line.split(maxsplit=1) for line in listing.stdout.splitlines()]
    assert {state for state, _ in ends} == {"COMPLETED"}, listing.stdout
    return Counter(re.match(r"rule_([a-z_]+?)(?:_wildcards|$)", comment)[1] for _, comment in ends)


def test_slurm_runs_the_miniature_and_then_nothing_is_left_to_do(tmp_path):
    assert os.environ.get("SLURM_JOB_ID") is None
    planned = planned_jobs(tmp_path)
    with cluster(n_nodes=2, cpus=2, mem_mb=9000):
        snakemake(tmp_path)
        assert finished_jobs() == {rule: n for rule, n in planned.items() if rule not in LOCAL_RULES}
        assert "Nothing to be done" in snakemake(tmp_path, "--dry-run")
    assert (tmp_path / "results" / "slurm" / "report.html").is_file()
