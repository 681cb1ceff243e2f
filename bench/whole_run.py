"""Times a whole run of a configuration from nothing, and then a run that finds nothing to do.

Works in a folder of its own, so that earlier results neither help nor suffer; packages that were downloaded before are
taken from the user's cache. There is no other side: "theirs" is the budget.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import Row, cpu_name, record, seconds, show

ROOT = Path(__file__).resolve().parent.parent
BUDGET_SECONDS = {"from nothing": 600.0, "nothing to do": 5.0}


def main() -> None:
    """Run twice, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="config/config.yaml", help="configuration (default: the embedded one)")
    parser.add_argument("--cores", default="all")
    parser.add_argument("--record", action="store_true", help="append the rows to bench/RESULTS.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            Row(f"{options.config}, {what}", seconds(taken), f"{seconds(budget)} (budget)", f"{budget / taken:.2f}", "")
            for what, budget in BUDGET_SECONDS.items()
            for taken in [run(options, folder)]
        ]
    show(rows)
    if options.record:
        n_cores = os.cpu_count() or 1
        record(rows, f"{cpu_name(n_cores if options.cores == 'all' else int(options.cores))}, wall time")


def run(options: argparse.Namespace, folder: str) -> float:
    """Run the workflow in a folder; return how many seconds it took."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
    command += ["--configfile", str(ROOT / options.config), "--cores", options.cores]
    subprocess.run(command, check=True, cwd=ROOT)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
