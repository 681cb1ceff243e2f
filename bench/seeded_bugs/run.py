"""Puts one seeded bug after another into a copy of the project and counts how many the tests nearby catch.

    python bench/seeded_bugs/run.py [--wings spectra ...] [--only svd.py] [--every 3] [--own] [--unchecked]

The bugs stand in ``bugs.toml``, by wing. Near tests of a bug are those of its wing that import its module, and, where
these pass, the others of the wing and those of the scripts that use it. Before the bugs of a wing its tests must pass
without one; --unchecked trusts that they do. Nothing outside a temporary folder is written. The imports that take
longest are done once: each bug is tried in a fork of this process.
"""

import argparse
import importlib
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("numpy", "scipy.stats", "pandas", "pyarrow.parquet", "sklearn.metrics", "torch", "transformers")
OUTSIDE = ("workflow", "scripts")
"""Folders beside the package in which bugs are seeded, too."""
LONGEST_SECONDS = 600
"""A bug that keeps tests busy for longer than this makes them hang, which nobody overlooks."""
FINE, FAILED, UNKNOWN = (0, 5), (1, 2), 70
"""What pytest ends with when all tests pass or there are none, and when one fails or cannot even be imported; what it
never ends with."""


class Bug(NamedTuple):
    """A slip: the file, what stands there once, and what stands there instead.

    The file is named from src/weightspectra, or from the root if it lies in workflow/ or scripts/.
    """

    file: str
    old: str
    new: str

    def place(self, root: Path) -> Path:
        """Return the file in a copy of the project."""
        outside = Path(self.file).parts[0] in OUTSIDE
        return root / self.file if outside else root / "src" / "weightspectra" / self.file

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.old.split())}  ->  {' '.join(self.new.split())}"


def main() -> None:
    """Try the bugs of each wing; end with the share caught."""
    options = arguments()
    table = tomllib.loads(Path(__file__).with_name("bugs.toml").read_text())
    bugs = {wing: chosen(table[wing]["bugs"], options) for wing in options.wings or table}
    os.environ.update(OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
    for name in HEAVY:
        importlib.import_module(name)
    outcomes: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        for wing in bugs:
            if not options.unchecked:
                check_passing(copy, wing, table[wing]["scripts"])
            near = {bug: near_tests(copy, wing, table[wing]["scripts"], bug.file) for bug in bugs[wing]}
            outcomes[wing] = [tried(copy, bug, tests[:1] if options.own else tests) for bug, tests in near.items()]
    print("\n".join(summary(outcomes)))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wings", nargs="*", metavar="WING", help="default: all")
    parser.add_argument(
        "--only", nargs="*", metavar="TEXT", help="bugs whose line, as it is printed, holds one of these"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of each wing's bugs the first and every Nth")
    parser.add_argument("--own", action="store_true", help="leave it at the tests that import the module of a bug")
    parser.add_argument("--unchecked", action="store_true", help="do not run the tests without a bug first")
    return parser.parse_args()


def chosen(listed: list[list[str]], options: argparse.Namespace) -> list[Bug]:
    """Choose the bugs to try of one wing; stop where one does not stand exactly once in its file any more."""
    everything = [Bug(*each) for each in listed]
    wanted = options.only or [""]
    bugs = [bug for bug in everything if any(text in str(bug) for text in wanted)][:: options.every]
    places = {bug: bug.place(ROOT).read_text().count(bug.old) for bug in bugs}
    if moved := [f"{bug}: found {n} places instead of one" for bug, n in places.items() if n != 1]:
        raise SystemExit("\n".join(moved))
    return bugs


def copied(folder: Path) -> Path:
    """Copy what git knows of or would, and return the copy's root."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    for name in filter(lambda name: (ROOT / name).is_file(), listed.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def near_tests(copy: Path, wing: str, scripts: list[str], file: str = "") -> list[list[str]]:
    """Return the arguments of pytest for the tests that know a file, those named like it first, and for all others."""
    tests, stem = copy / "tests", Path(file).stem
    imports = re.compile(
        rf"^\s*(from (\S*\.)?{stem} import |import {stem}\b|from weightspectra\S* import .*\b{stem}\b)", re.MULTILINE
    )
    alike = [path for path in (tests / wing).rglob("test_*.py") if path.stem == f"test_{stem}"]
    using = [path for path in sorted((tests / wing).rglob("test_*.py")) if file and imports.search(path.read_text())]
    knowing = list(dict.fromkeys(str(path) for path in [*alike, *using]))
    rules = [str(tests / "scripts" / f"test_{script}.py") for script in scripts]
    others = [str(tests / wing), *rules, *(f"--ignore={path}" for path in knowing)]
    return [knowing, others] if knowing else [others]


def check_passing(copy: Path, wing: str, scripts: list[str]) -> None:
    """Stop where a test of a wing fails without a bug: it would catch everything."""
    if failing := first_failure(copy, near_tests(copy, wing, scripts)):
        raise SystemExit(f"{failing} fails without any bug; mend it first")


def tried(copy: Path, bug: Bug, tests: list[list[str]]) -> bool:
    """Tell whether a test fails with a bug in place, say which, and take the bug out again."""
    path, start = bug.place(copy), time.monotonic()
    text = path.read_text()
    path.write_text(text.replace(bug.old, bug.new))
    try:
        failing = first_failure(copy, tests)
    finally:
        path.write_text(text)
    taken = f"{time.monotonic() - start:4.0f} s"
    print(f"{'caught' if failing else 'MISSED'} {taken}  {bug}" + f"  ({failing})" * bool(failing), flush=True)
    return bool(failing)


def first_failure(copy: Path, tests: list[list[str]]) -> str:
    """Name the first test that fails or takes too long, of those of each list in turn; nothing if all pass."""
    return next((failing for some in tests if (failing := _failure(copy, some))), "")


def _failure(copy: Path, tests: list[str]) -> str:
    """Run tests in a fork and name the one that fails."""
    said = copy / "said-by-pytest"
    process = multiprocessing.get_context("fork").Process(target=_run, args=(copy, tests, said))
    process.start()
    process.join(LONGEST_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        return "it hangs"
    lines = said.read_text(errors="replace").splitlines()
    if process.exitcode not in (*FINE, *FAILED):
        raise SystemExit("\n".join([*lines, "pytest could not run the tests"]))
    named = [line.split()[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return (named or ["a test"])[0] if process.exitcode in FAILED else ""


def _run(copy: Path, tests: list[str], said: Path) -> None:
    os.chdir(copy)
    sys.dont_write_bytecode = True  # a file that changes twice within a second would be read from its stale bytecode
    with open(said, "w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    code = UNKNOWN
    try:
        # Plugins that the heavy imports brought along cannot be rewritten any more, which is said in a warning.
        quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *quiet, *tests])
    finally:
        sys.stdout.flush()
        os._exit(code)


def summary(outcomes: dict[str, list[bool]]) -> Iterator[str]:
    """Tabulate the caught, by wing and together."""
    everything = [caught for found in outcomes.values() for caught in found]
    for wing, found in [*outcomes.items(), ("together", everything)]:
        yield f"{wing:12} {sum(found):3} of {len(found):3} caught" + f" ({sum(found) / max(len(found), 1):.0%})"


if __name__ == "__main__":
    main()
