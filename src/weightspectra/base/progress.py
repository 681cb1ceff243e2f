"""Progress with the time left, one line at a time, for terminals and log files alike."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

QUIET_SECONDS = 5.0


def track(items: Iterable[Item], total: int, label: str, unit: str = "matrices") -> Iterator[Item]:
    """Yield the items and report, every few seconds, how many are done and the time left.

    A loop that ends within five seconds prints nothing. The lines go to the
    standard error stream, where a job's log file picks them up.

    Parameters
    ----------
    items : iterable
    total : int
        How many items there will be.
    label : str
        What is being done, for example ``"decompose smollm2"``.
    unit : str
        What the items are, in the plural.
    """
    start = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and is_due(start, last, now):
            left = (now - start) / done * (total - done)
            print(f"{label}: {done} of {total} {unit}, {duration(left)} left", file=sys.stderr, flush=True)
            last = now
        yield item
    if last != start:
        print(f"{label}: {total} {unit} in {duration(time.monotonic() - start)}", file=sys.stderr, flush=True)


def is_due(start: float, last: float, now: float) -> bool:
    """Say whether a line is due, from the times in seconds of the start, of the last line, and now.

    One is due after five seconds, and later after every twentieth of the time
    so far: a minute's work gives a dozen lines, a day's a hundred and fifty.
    """
    return now - last >= max(QUIET_SECONDS, (now - start) / 20)


def duration(seconds: float) -> str:
    """Spell a time in the two units that a person reads: ``"48 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
