"""Reads every byte of a run's results again and says what is damaged: ``python workflow/verify.py config/config.yaml``.

What jobs leave in hidden files until they end is checked by the job that goes on with it, and left out here, as is all
that lies outside the folder of results. Logs and benchmarks, of which nothing is made, are counted if they lie inside.
"""

import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from findings import records_of, results_of

from weightspectra.ablation.tasks.task_record import recorded
from weightspectra.base import checksums, seals
from weightspectra.base.provenance import file_sha256
from weightspectra.contracts import TASKS
from weightspectra.sources import fetched


class Checked(NamedTuple):
    """One file: what is wrong with it ('' if nothing), and what makes it whole."""

    path: Path
    fault: str
    cure: str


def verify(results: Path) -> Iterator[Checked]:
    """Yield every file below a folder of results that something vouches for."""
    for path in sorted(found for found in results.rglob("*") if found.is_file() and not _is_hidden(found, results)):
        if path.suffix == ".parquet":
            fault = seals.fault(path)
            yield Checked(path, fault, f"delete {path} and run again")
            if not fault and path.parent == results / "sources":
                yield from _source(path)
            if not fault and path.parent == results / "tasks":
                yield from _task(path)
        elif path.suffix == checksums.SUFFIX:
            exported = results / "exports" in path.parents
            for file, fault in checksums.covered(path).items():
                again = f"delete {path.parent} and export again" if exported else f"delete {file} and run again"
                yield Checked(file, fault, again)


def report(results: Path, records: Collection[Path] = ()) -> tuple[list[str], int]:
    """Return what to print, and the exit code: 1 if anything is damaged.

    Parameters
    ----------
    results : path
    records : collection of path
        Folders of logs and benchmarks, which are counted where they lie below the results.
    """
    if not results.is_dir():
        return [f"{results}: no such folder; nothing has been run yet"], 1
    checked = list(verify(results))
    damaged = [one for one in checked if one.fault]
    lines = [f"{path}: {fault}; {cure}" for path, fault, cure in damaged]
    known = {one.path for one in checked}
    others = [path for path in sorted(results.rglob("*")) if path.is_file() and path not in known]
    unknown = [path for path in others if not _is_hidden(path, results)]
    recorded_only = {path for path in unknown for folder in records if folder in path.parents and folder != results}
    lines += [
        f"{path}: not checked: nothing in the results says what it should hold"
        for path in unknown
        if path not in recorded_only
    ]
    if recorded_only:
        lines.append(f"{len(recorded_only):,} logs and benchmarks were not checked: nothing is made of them")
    count = f"{len(checked):,} files in {results} were read"
    return [*lines, f"{count}, {len(damaged):,} are damaged" if damaged else f"{count}: all are whole"], bool(damaged)


def _source(manifest: Path) -> Iterator[Checked]:
    damaged = dict(fetched.faults(manifest))
    for path in fetched.listed_files(manifest):
        yield Checked(path, damaged.get(path, ""), fetched.cure(manifest) if path in damaged else "")


def _task(table: Path) -> Iterator[Checked]:
    folder, cure = table.with_suffix(""), f"delete {table} and run again: the task is fetched anew"
    for file, sha256 in TASKS.read(table, columns=["file", "sha256"]).itertuples(index=False):
        for name, digest in recorded(folder, file, sha256):
            path = folder / name
            if not name.startswith("lm_eval/"):
                fault = "it is missing" if not path.is_file() else ""
                if not fault and (found := file_sha256(path)) != digest:
                    fault = f"expected SHA-256 {digest}, found {found}"
                yield Checked(path, fault, cure)
                if fault and name == file:
                    break


def _is_hidden(path: Path, results: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(results).parts)


if __name__ == "__main__":
    config = yaml.safe_load(Path(sys.argv[1]).read_text())
    said, code = report(results_of(config), records_of(config))
    print("\n".join(said))
    sys.exit(code)
