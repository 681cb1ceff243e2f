"""Runs the real Snakefile in a process of its own, in a folder of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
OFFLINE = (
    "import runpy, socket, sys\n"
    "def refuse(*_): raise OSError('this test has no network')\n"
    "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_module('snakemake', run_name='__main__')\n"
)


def copy_workflow(folder):
    """Copy the workflow into a folder, so that editing it while tests run (or by a test) changes nothing else."""
    for name in ("workflow", "scripts", "src", "config", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


def start(folder, *options, root=ROOT, cores=2):
    """Start Snakemake in its own process group, so that a test can interrupt or kill all of it."""
    command = [
        sys.executable,
        "-c",
        OFFLINE,
        "snakemake",
        "--snakefile",
        str(root / "Snakefile"),
        "--cores",
        str(cores),
    ]
    return subprocess.Popen(
        [*command, "--directory", str(folder), *map(str, options)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run(folder, *options, root=ROOT, cores=2, timeout=300):
    """Run Snakemake to its end; return its exit code and all that it said."""
    process = start(folder, *options, root=root, cores=cores)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"no end after {timeout} s:\n{output[-3000:]}") from None
    return process.returncode, output


def plan(folder, *options, root=ROOT):
    """Return how many jobs of each rule a dry run announces; nothing if all is up to date."""
    code, output = run(folder, "--dry-run", *options, root=root)
    assert code == 0, output
    if "Nothing to be done" in output:
        return {}
    table = output.split("Job stats:")[1].split("\n\n")[0]
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}
    del counts["total"]
    return counts


def seem_finished(folder, root, config):
    """Make a folder in which every job of a configuration seems to have run, on empty files."""
    path = write_config(folder / "config.yaml", config)
    code, output = run(folder, "--configfile", path, "--summary", root=root)
    assert code == 0, output
    for line in output.splitlines():
        if line.startswith("results/"):
            artifact = folder / line.split("\t")[0]
            artifact.parent.mkdir(parents=True, exist_ok=True)
            artifact.touch()
    code, output = run(folder, "--configfile", path, "--touch", "--forceall", root=root)
    assert code == 0, output


def artifacts(folder):
    """Return the bytes of everything below results/, by path."""
    files = (path for path in sorted((folder / "results").rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def assert_same(found, expected):
    """Compare artifacts; name those that differ."""
    assert set(found) == set(expected), f"missing or unexpected: {sorted(set(found) ^ set(expected))}"
    different = [path for path in expected if found[path] != expected[path]]
    assert not different, f"different: {different}"


def write_config(path, config):
    """Write a configuration for --configfile and return its path."""
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
