"""Calibrates the tests against noise where the truth is known: false alarms, power, other tools, real controls, speed.

    python bench/calibration/run.py [--quick] [--only false_alarms power ...] [--record]

Prints what was found beside what theory expects. With --record, the rows go to
bench/RESULTS.md, the numbers behind them to bench/calibration/measured/, and the figures to docs/images/.
"""

import argparse
import importlib
import os
import sys
import textwrap
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # the processes share the cores, and processor times are those of one thread
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import figures
import pandas as pd
import workers
from results import Check, cpu_name, record

from weightspectra.base import progress

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("false_alarms", "power", "small_end", "peers", "real", "battery")
MEASURED = Path(__file__).parent / "measured"
IMAGES = ROOT / "docs" / "images"


def main() -> None:
    """Run the parts asked for, one after the other; then draw."""
    options = arguments()
    tables = {file.stem: pd.read_csv(file) for file in MEASURED.glob("*.csv")}
    for name in options.only:
        start = time.monotonic()
        part = importlib.import_module(name)
        found = part.measure(options)
        if found.empty:
            continue
        tables[name] = found
        rows = part.checks(found)
        print(f"\n{name}: {progress.duration(time.monotonic() - start)}")
        tell(rows)
        if options.record:
            MEASURED.mkdir(exist_ok=True)
            found.to_csv(MEASURED / f"{name}.csv", index=False)
            record(rows, cpu_name(options.workers))
    if options.record or options.figures:
        figures.draw(tables, options.figures or IMAGES)


def tell(rows: list[Check]) -> None:
    """Print every row as a paragraph: cells are too long for a table on a terminal."""
    for row in rows:
        print(f"\n{row.what}")
        for name in Check._fields[1:]:
            print(textwrap.fill(f"{name}: {getattr(row, name)}", 118, initial_indent="  ", subsequent_indent="    "))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny cases, to try the scripts")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--record", action="store_true", help="keep rows, numbers and figures")
    parser.add_argument("--figures", type=Path, help="draw to this folder, with or without --record")
    parser.add_argument(
        "--workers", type=int, default=workers.available(), help="processes (default: one for each core)"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder of a finished run")
    parser.add_argument("--weightwatcher-python", help="Python that has WeightWatcher (default: this one)")
    parser.add_argument("--scikit-rmt-python", help="Python that has scikit-rmt (default: this one)")
    options = parser.parse_args()
    if options.quick:
        options.workers = 1
    if options.quick and options.record:
        parser.error("--quick tries the scripts; its numbers are not for the record")
    return options


if __name__ == "__main__":
    main()
