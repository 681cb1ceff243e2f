"""A job ends with the Snakemake that started it, whenever and however that ends.

Who started a job is not asked of the operating system: it names another parent as soon as the first one is dead, and
between Snakemake and a job stands a shell, which survives it. So Snakemake names itself in the environment, which its
jobs inherit, by its number and the moment at which it began, since numbers are given again.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SNAKEMAKE = "WEIGHTSPECTRA_SNAKEMAKE"
"""The variable that names it: its number, when it began (in ticks since the machine did), and whose number it is."""

_PAUSE_S = 0.2
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_ENDED = ("Z", "X")  # nobody has asked yet how it ended


def name_this_process() -> None:
    """Say to the jobs that this process will start that they are its own.

    On a node of a cluster a Snakemake of its own runs each job, and names itself in place of the one that submitted it.
    """
    os.environ[SNAKEMAKE] = f"{os.getpid()} {_began(os.getpid())} {_namespace()}"


def end_with_snakemake() -> None:
    """End this process, and all that it has started, once the Snakemake that it belongs to has ended.

    If that has happened already, it happens at once. A process that belongs to none, as in a notebook, goes on.
    """
    named = os.environ.get(SNAKEMAKE)
    if not named:
        return
    if not _runs(named):
        _end(named)
    threading.Thread(target=_watch, args=(named,), daemon=True).start()


def ending_with_this_process() -> Callable[[], None] | None:
    """Return what a child calls first (``preexec_fn``) to be killed when this process ends, also by a kill.

    None where there is no such thing: outside Linux such a child ends when it has done its work. It is
    the thread that starts the child that counts, so that this one has to wait for it.
    """
    if not sys.platform.startswith("linux"):
        return None
    library, parent = ctypes.CDLL(None), os.getpid()

    def first() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended before the child could ask
            os._exit(1)

    return first


def _watch(named: str) -> None:
    while _runs(named):
        time.sleep(_PAUSE_S)
    _end(named)


def _end(named: str) -> None:
    """Say why, and leave nothing behind: files appear whole or not at all, so that a kill costs nothing."""
    with contextlib.suppress(OSError, ValueError):  # who read it may have ended, too
        print(f"Snakemake (process {named.partition(' ')[0]}) has ended, and so does its job", file=sys.stderr)
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _runs(named: str) -> bool:
    """Say whether a process that was named so still runs; yes, if from inside a container none outside is seen."""
    pid, began, namespace = named.split(" ")
    if namespace != _namespace():
        return True
    if began:
        return _began(int(pid)) == began
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _began(pid: int) -> str:
    """Return when a process began; nothing if it has ended, or where the system does not tell."""
    state, _, began = _facts(pid)
    return "" if state in _ENDED else began


def _facts(pid: int) -> tuple[str, str, str]:
    """Return a process's state, its parent and when it began, as Linux tells them."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", "", ""
    return after_name[0], after_name[1], after_name[19]


def _namespace() -> str:
    """Return what tells a container's process numbers from those outside; nothing where the system does not tell."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, and those that these have."""
    running = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    parents = {child: _facts(child)[1] for child in running}
    waiting = [pid]
    while waiting:
        parent = str(waiting.pop())
        found = [child for child, own in parents.items() if own == parent]
        waiting += found
        yield from found
