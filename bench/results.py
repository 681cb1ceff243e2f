"""What the benchmarks share: timing in turn, the machine's name, and the tables in RESULTS.md."""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).with_name("RESULTS.md")


class Row(NamedTuple):
    """One comparison. The ratio is theirs / ours: above one, ours is faster."""

    what: str
    ours: str
    theirs: str
    ratio: str
    accuracy: str


class Check(NamedTuple):
    """One calibration: what was found where the truth is known, what theory expects, and whether they agree."""

    what: str
    ours: str
    expected: str
    verdict: str


HEADINGS = {Row: "## Speed", Check: "## Calibration"}
"""Under which heading of RESULTS.md each kind of row is recorded."""


def in_turn(
    routes: Mapping[str, Callable[[], Any]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
    settle: Callable[[], Any] = lambda: None,
) -> dict[str, float]:
    """Time several routes to the same thing, one after the other, again and again.

    What else happens on the machine then slows all of them alike.

    Parameters
    ----------
    routes : mapping from name to a function without arguments
    repeats : int
    clock : callable
        Seconds, of the wall or of the processor.
    settle : callable
        Waits until everything started is done (a GPU's queue); called before the clock is read.

    Returns
    -------
    dict from name to the median of its times, in seconds
    """
    times: dict[str, list[float]] = {name: [] for name in routes}
    for _ in range(repeats):
        for name, route in routes.items():
            settle()
            start = clock()
            route()
            settle()
            times[name].append(clock() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def add_timing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every comparison on one machine can be told: repeats, threads, which clock, and to record."""
    parser.add_argument("--repeats", type=int, default=5, help="alternating runs of each route (default 5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--cpu-time", action="store_true", help="processor time; steadier on a busy machine")
    parser.add_argument("--record", action="store_true", help="append the rows to bench/RESULTS.md")


def clock_of(options: argparse.Namespace) -> Callable[[], float]:
    """Return the clock that the command line asks for."""
    return time.process_time if options.cpu_time else time.perf_counter


def finish(rows: Sequence[Row], options: argparse.Namespace, libraries: str, gpu: str | None = None) -> None:
    """Print the rows, and record them if the command line says so; ``libraries`` names those that computed."""
    show(rows)
    if options.record:
        unit = "processor time" if options.cpu_time else "wall time"
        record(rows, f"{gpu or cpu_name(options.threads)}, {unit}, {libraries}")


def seconds(value: float) -> str:
    """Write a time with three digits."""
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def show(rows: Sequence[Sequence[str]], headers: Sequence[str] | None = None) -> None:
    """Print rows as a table; the fields of named rows are its headers."""
    if not rows:
        return
    cells = [tuple(headers or rows[0]._fields), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def record(rows: Sequence[Row] | Sequence[Check], machine: str) -> None:
    """Add rows to their table in RESULTS.md, with the date and the command that reruns them."""
    script = Path(sys.argv[0]).resolve().relative_to(RESULTS.parents[1])
    given = [argument for argument in sys.argv[1:] if argument != "--record"]
    # Where a program lies on this machine helps nobody on another.
    arguments = [f".../{Path(argument).name}" if Path(argument).is_absolute() else argument for argument in given]
    command = " ".join(["python", str(script), *arguments])
    start = [date.today().isoformat(), f"`{command}`"]
    text = RESULTS.read_text()
    for row in rows:
        text = with_row(text, HEADINGS[type(row)], [*start, *row, machine])
    RESULTS.write_text(text)


def with_row(text: str, heading: str, cells: Sequence[str]) -> str:
    """Return a Markdown text with one more row at the end of the table under a heading.

    Raises
    ------
    ValueError
        When there is no such heading, or its table has another number of columns.
    """
    lines = text.splitlines()
    first = lines.index(heading)
    under = range(first + 1, next((i for i in range(first + 1, len(lines)) if lines[i].startswith("#")), len(lines)))
    last = max(i for i in under if lines[i].startswith("|"))
    n_columns = next(lines[i] for i in under if lines[i].startswith("|")).count("|") - 1
    if len(cells) != n_columns or any("|" in cell or "\n" in cell for cell in cells):
        raise ValueError(f"the table under '{heading}' has {n_columns} columns; these cells do not fit: {cells}")
    lines.insert(last + 1, "| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cpu_name(n_threads: int) -> str:
    """Name the processor, how many threads were used, and how many cores there are."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {n_threads} of {os.cpu_count()} cores"
