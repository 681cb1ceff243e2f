"""Runs the real Snakefile in a process of its own, in a folder of its own.

A process that only plans, or refuses, is a fork of this one: Snakemake is imported once for all of them, and each
still sees the workflow's files as they are now. So are the jobs of a run that nothing stops, since their libraries take
longer to import than their work does here. What stops jobs starts Snakemake, and Snakemake them, as for a user; both
ways must give the same bytes. A new folder is lent the digests of code that the last new one found; where the code is
another one, Snakemake ignores them.
"""

import contextlib
import gc
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from functools import cache
from pathlib import Path

import yaml
from patience import HANGS_S

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

from dry_run import touch_listed  # noqa: E402 (from the benchmarks' folder)

OFFLINE = (
    "import runpy, socket, sys\n"
    "def refuse(*_): raise OSError('this test has no network')\n"
    "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_module('snakemake', run_name='__main__')\n"
)
OURS = {path.stem for path in (ROOT / "workflow").glob("*.py")} | {"weightspectra"}
"""Modules that a fork must import from its own copy of the workflow."""
DIGESTS = Path(".snakemake") / "digests-of-code.json"
_lent: list[bytes] = []
"""The digests that the last run in a new folder left; none before the first."""


def copy_workflow(folder):
    """Copy the workflow into a folder, so that editing it while tests run (or by a test) changes nothing else.

    What is compiled of it is copied too: as long as a file is not edited, nobody compiles it again.
    """
    for name in ("workflow", "scripts", "src", "config", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "Snakefile", folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


def start(folder, *options, root=ROOT, cores=2, hooks=None):
    """Start Snakemake in its own process group, so that a test can interrupt or kill all of it.

    In the folder ``hooks`` may lie a ``sitecustomize.py``, which every Python process of the run executes first.
    """
    modules = {"PYTHONPATH": str(hooks)} if hooks else {}
    return subprocess.Popen(
        [sys.executable, "-c", OFFLINE, *_command(folder, options, root, cores)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "OMP_NUM_THREADS": "1", **modules},
    )


def run(folder, *options, root=ROOT, cores=2):
    """Run Snakemake to its end in a fork of this process; return its exit code and all that it said."""
    digests = Path(folder) / DIGESTS
    new = not digests.exists()
    if new and _lent:
        digests.parent.mkdir(exist_ok=True)
        digests.write_bytes(_lent[0])
    with tempfile.TemporaryFile("w+") as said:
        code = end_of(fork(folder, *options, root=root, cores=cores, said=said, forked_jobs=True))
        said.seek(0)
        if new and digests.exists():
            _lent[:] = [digests.read_bytes()]
        return code, said.read()


def fork(folder, *options, root=ROOT, cores=2, said, forked_jobs=False):
    """Begin to run Snakemake in a fork of this process, in a process group of its own; return its number."""
    _import_snakemake()  # before the fork, so that every later one has it
    import snakemake.cli

    process = os.fork()
    if process == 0:
        if forked_jobs:
            _fork_jobs()
        _become(snakemake.cli, _command(folder, options, root, cores), root, said)
    return process


@cache
def _import_snakemake():
    """Import Snakemake and what it imports as it begins: its plugins, and what its files are opened with."""
    import smart_open  # noqa: F401
    import snakemake.cli

    snakemake.cli.get_argument_parser()


def _command(folder, options, root, cores):
    where = ["--snakefile", str(root / "Snakefile"), "--cores", str(cores), "--directory", str(folder)]
    return ["snakemake", *where, *map(str, options)]


def _fork_jobs():
    """Let each script run in a fork of this process, which is going to be Snakemake, and not in a new one."""
    from snakemake.benchmark import benchmarked
    from snakemake.script import PythonScript

    def execute(script, path, **_):
        job = os.fork()
        if job == 0:
            _end_with(_script, path, script.threads)
        with benchmarked(job, script.bench_record) if script.bench_record else contextlib.nullcontext():
            _, status = os.waitpid(job, 0)
        if status:
            raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), path)

    PythonScript.execute_script = execute


def _script(path, threads):
    """Be what Snakemake has written to run a script of the workflow."""
    import torch

    torch.set_num_threads(threads)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)  # free of others' locks
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    warnings.resetwarnings()
    sys.argv = [path]
    runpy.run_path(path, run_name="__main__")


def _become(cli, command, root, said):
    """Be Snakemake until it ends, and then end: called in a fork, never returns."""

    def snakemake():
        os.setsid()
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        socket.socket.connect = socket.create_connection = socket.getaddrinfo = _refuse
        for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
            del sys.modules[name]
        sys.path[:] = [path for path in sys.path if path.startswith(sys.prefix) or not path.startswith(str(ROOT))]
        sys.dont_write_bytecode = True  # a file may be edited twice in the second that its compiled form is told by
        os.environ["OMP_NUM_THREADS"] = "1"
        os.chdir(root)
        sys.argv = command
        cli.main(command[1:])

    _end_with(snakemake)


def _end_with(call, *arguments):
    """Call a function in a fork and end with its exit code; never returns."""
    code = 1
    gc.freeze()  # to look for garbage in what was made before would copy all of it
    try:
        call(*arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _refuse(*_):
    raise OSError("this test has no network")


def end_of(process):
    """Wait for a fork; kill it and its jobs if it hangs. Return its exit code."""
    deadline = time.monotonic() + HANGS_S
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError(f"no end after {HANGS_S} s")


def plan(folder, *options, root=ROOT):
    """Return how many jobs of each rule a dry run announces; nothing if all is up to date."""
    return planned(folder, *options, root=root)[0]


def planned(folder, *options, root=ROOT):
    """Return how many jobs of each rule a dry run announces, and what each job says that it does."""
    code, output = run(folder, "--dry-run", *options, root=root)
    assert code == 0, output
    if "Nothing to be done" in output:
        return {}, []
    table = output.split("Job stats:")[1].split("\n\n")[0]
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}
    del counts["total"]
    return counts, re.findall(r"^Job \d+: (.*)$", output, flags=re.MULTILINE)


def seem_finished(folder, root, config):
    """Make a folder in which every job of a configuration seems to have run, on empty files."""
    path = write_config(folder / "config.yaml", config)
    code, output = run(folder, "--configfile", path, "--summary", root=root)
    assert code == 0, output
    touch_listed(folder, output)
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
