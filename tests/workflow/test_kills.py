"""Killed at any moment, the workflow ends in the bytes of a run that nobody disturbed.

The environment variable ``KILLS`` says how often to kill; the number of a test is the seed of all that is random in it.
"""

import os
import random
import signal
import tempfile
import time
from pathlib import Path

import pytest
from snake import artifacts, assert_same, end_of, fork, run
from stages import STAGES

N_KILLS = int(os.environ.get("KILLS", "200"))
VICTIMS = ("the whole tree", "Snakemake alone", "one job")
N_STAGES = 3  # of which what they make is deleted before a run
LAST = ("conclude/births", "gather_findings", "make_table/outliers", "make_figure/spectra-llama", "make_report")
LONGEST_S = 8
MOMENTS_S = tuple(0.1 * 1.7**step for step in range(10))  # to 12 s: planning, starting, importing, working, ended

pytestmark = [pytest.mark.slow, pytest.mark.full]


@pytest.mark.parametrize("number", range(N_KILLS))
def test_killed_at_a_random_moment_it_ends_with_the_same_bytes(number, finished, copied, workflow, config_file):
    rng = random.Random(number)
    victim = VICTIMS[number % 3]
    late = rng.random() < 0.5  # or too few would meet the stages that end a run
    stages = rng.sample(LAST if late else sorted(STAGES), N_STAGES)
    targets = sorted({path for stage in stages for path in STAGES[stage]})
    since = "its first job ended" if late and rng.random() < 0.5 else "its first job began"
    if victim != "one job" and rng.random() < 0.25:  # or too many would meet the planning
        since = "it began"
    moment = rng.uniform(0.1, LONGEST_S)
    killed = kill(victim, moment, rng, since, copied, targets, workflow, config_file)
    print(f"{victim}, {moment:.1f} s after {since}, {stages}: {killed}")
    assert_ends_the_same(targets, finished, copied, workflow, config_file)


@pytest.mark.parametrize("moment", MOMENTS_S, ids=lambda moment: f"{moment:.1f}s")
def test_snakemake_alone_killed_at_a_moment(moment, finished, copied, workflow, config_file):
    targets = STAGES["train_birth/birth-0"] + STAGES["probe_birth/birth-0"] + STAGES["evaluate_cuts/llama-deciles"]
    kill("Snakemake alone", moment, random.Random(0), "it began", copied, targets, workflow, config_file)
    assert_ends_the_same(targets, finished, copied, workflow, config_file)


def kill(victim, moment, rng, since, folder, targets, workflow, config_file):
    """Delete the targets, begin to make them, and kill; say what came of it. Whoever is killed, all of it is over."""
    made = [folder / "results" / path for path in targets]
    for path in made:
        path.unlink()
    paths = [f"results/{path}" for path in targets]
    with tempfile.TemporaryFile("w+") as said:
        process = fork(folder, *paths, "--configfile", config_file, root=workflow, said=said)
        while since == "its first job began" and runs(process) and not jobs_of(process):
            time.sleep(0.02)
        while since == "its first job ended" and runs(process) and not any(path.exists() for path in made):
            time.sleep(0.02)
        end = time.monotonic() + moment
        while runs(process) and time.monotonic() < end:
            time.sleep(0.02)
        jobs = jobs_of(process)
        victims = [*jobs] if victim == "one job" else [process]
        during = f"killed during {', '.join(sorted(jobs.values())) or 'no job'}"
        if not runs(process) or not victims:
            outcome = "nothing to kill"
        elif victim == "the whole tree":
            os.killpg(process, signal.SIGKILL)
            outcome = during
        else:
            try:
                os.kill(rng.choice(victims), signal.SIGKILL)
                outcome = during
            except ProcessLookupError:
                outcome = "it had just ended"
        end_of(process)
        return outcome


def assert_ends_the_same(targets, finished, folder, workflow, config_file):
    """Run to the end, at once, and compare all that lies below the results: locks and journals would show."""
    paths = [f"results/{path}" for path in targets]
    code, output = run(folder, *paths, "--configfile", config_file, root=workflow)
    assert code == 0, output[-6000:]
    (folder / "results" / ".lock").unlink(missing_ok=True)  # if the killed run had only to end, nothing was left to do
    assert_same(artifacts(folder), artifacts(finished))


def runs(process):
    """Say whether a child of this process has not ended; how it ended stays to be asked."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def jobs_of(snakemake):
    """Return the processes of the scripts that a Snakemake, the leader of its session, runs now, with their rules."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        script = next((word.decode() for word in command if b"/scripts/tmp" in word), "")
        if session == snakemake and b"python" in command[0] and script:
            found[int(folder.name)] = Path(script).stem.partition(".")[2]
    return found
