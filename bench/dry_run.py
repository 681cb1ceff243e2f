"""Times how long Snakemake takes to find that nothing is left to do, beside an earlier commit of this project.

    python bench/dry_run.py --against c3a8dd6 [--config config/paper.yaml ...]

Each side plans a folder of its own in which every job seems to have run, on empty files. The clock is the processor
time of the whole process, its imports among it.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from results import Row, cpu_name, in_turn, record, seconds, show

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Plan in turn, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", required=True, metavar="COMMIT", help="the other side")
    parser.add_argument("--config", nargs="+", default=["config/config.yaml", "config/paper.yaml"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="append the rows to bench/RESULTS.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        theirs = Path(folder) / "theirs"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", theirs, options.against], check=True, cwd=ROOT)
        try:
            rows = [compared(config, theirs, Path(folder), options) for config in options.config]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", theirs], check=True, cwd=ROOT)
    show(rows)
    if options.record:
        record(rows, f"{cpu_name(1)}, processor time")


def compared(config: str, theirs: Path, folder: Path, options: argparse.Namespace) -> Row:
    """Plan one configuration from both sides."""
    routes = {
        name: finished(root, config, folder / f"{name}-{Path(config).stem}")
        for name, root in (("ours", ROOT), ("theirs", theirs))
    }
    taken = in_turn(routes, options.repeats, clock=of_children)
    ratio = f"{taken['theirs'] / taken['ours']:.2f}"
    return Row(f"{config}, nothing to do", seconds(taken["ours"]), f"{seconds(taken['theirs'])} (before)", ratio, "")


def finished(root: Path, config: str, folder: Path) -> Callable[[], object]:
    """Make a folder in which every job seems to have run; return what plans it."""
    folder.mkdir()
    snakemake = partial(run, root, config, folder)
    touch_listed(folder, snakemake("--summary"))
    snakemake("--touch", "--forceall")
    return partial(snakemake, "--dry-run")


def touch_listed(folder: Path, summary: str) -> None:
    """Make every artifact that ``snakemake --summary`` lists, empty."""
    for line in summary.splitlines():
        if line.startswith("results/"):
            artifact = folder / line.split("\t")[0]
            artifact.parent.mkdir(parents=True, exist_ok=True)
            artifact.touch()


def run(root: Path, config: str, folder: Path, *options: str) -> str:
    """Run Snakemake and return what it printed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(root / config), "--cores", "1", *options]
    return subprocess.run(command, check=True, cwd=root, capture_output=True, text=True).stdout


def of_children() -> float:
    """Return the processor time of all processes that were started and have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
