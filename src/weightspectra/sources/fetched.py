"""The folder of a fetched model, opened: what a job reads is what was fetched, to the bit, or nothing of it is read.

Every job that reads a source opens it here. Files are hashed (about a second per gigabyte), and a hash is remembered
with the file's place, size, time of change and inode until one of them changes or the next run begins, so that a run
hashes each file once. What changes a bit and none of these after that is not seen before the next run;
``make verify`` remembers nothing.
"""

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weightspectra.base.errors import UserError
from weightspectra.base.parquet import read_provenance
from weightspectra.base.provenance import file_sha256
from weightspectra.contracts.models import SOURCES
from weightspectra.sources import checkpoints

REMEMBERED = Path(".snakemake") / "hashed-sources.json"
"""In the working folder, since two of them see the same files with other inodes."""


class Fault(NamedTuple):
    """A file of a source that is not what was fetched, and what is wrong with it."""

    path: Path
    found: str


def opened(manifest: str | os.PathLike[str]) -> Path:
    """Return the folder beside a manifest, after holding every file that the manifest lists against its SHA-256.

    Parameters
    ----------
    manifest : path
        A file of ``contracts.SOURCES``.

    Raises
    ------
    UserError
        When a file is missing or differs: names it, both hashes, and the cure. The manifest is deleted, so that the
        next run fetches the model anew, unless the file is the user's own: that is for the user to restore.
    """
    return _opened(Path(manifest))


def config_of(manifest: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a fetched model's ``config.json``, the one file that is checked; raises as :func:`opened`."""
    return checkpoints.config(_opened(Path(manifest), only="config.json"))


def faults(manifest: Path, *, known: "Hashes | None" = None, only: str | None = None) -> Iterator[Fault]:
    """Yield the files of a source that are not what was fetched.

    Parameters
    ----------
    manifest : path
    known : Hashes, optional
        Hashes that need not be computed again; without, every byte is read.
    only : str, optional
        The one file to look at.
    """
    hashed = known.of if known else file_sha256
    listed = SOURCES.read(manifest, columns=["path", "sha256"])
    for name, expected in listed.itertuples(index=False):
        path = manifest.with_suffix("") / name
        if only in (None, name):
            if not path.is_file():
                yield Fault(path, "it is missing")
            elif (found := hashed(path)) != expected:
                yield Fault(path, f"expected SHA-256 {expected}, found {found}")


def listed_files(manifest: Path) -> list[Path]:
    """Return every file that a manifest lists."""
    return [manifest.with_suffix("") / name for name in SOURCES.read(manifest, columns=["path"])["path"]]


def cure(manifest: Path) -> str:
    """Say what makes a damaged source whole again."""
    origin = read_provenance(manifest).get("sources", {}).get(manifest.stem, {})
    if origin.get("kind") == "path":
        return (
            f"it is a link to your own file: put back what that was, or, to analyse it as it is now, delete {manifest} "
            "and run again"
        )
    return f"delete {manifest} and run again: the model is fetched anew"


class Hashes:
    """SHA-256 of files, remembered in a file that jobs share; what two write at once costs one a hash, and no error."""

    def __init__(self, store: Path = REMEMBERED):
        self._store = store

    def of(self, path: Path) -> str:
        """Return the SHA-256 of a file, computed unless its place, size, time of change and inode are remembered."""
        return self.of_all([path])[path]

    def of_all(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Return the SHA-256 of several files, reading and writing once what is remembered."""
        known, found, new = self._read(), {}, {}
        for path in paths:
            place, state = str(path.resolve()), _state(path)
            kept = known.get(place)
            if isinstance(kept, list) and kept[:-1] == state:
                found[path] = str(kept[-1])
                continue
            found[path] = file_sha256(path)
            if _state(path) == state:
                new[place] = [*state, found[path]]
        if new:
            self._write({**self._read(), **new})
        return found

    def forget(self) -> None:
        """Forget all; the next job hashes what it reads."""
        self._store.unlink(missing_ok=True)

    def _read(self) -> Mapping[str, list[Any]]:
        try:
            kept = json.loads(self._store.read_text())
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _write(self, kept: Mapping[str, list[Any]]) -> None:
        self._store.parent.mkdir(parents=True, exist_ok=True)
        staged = self._store.with_name(f"{self._store.name}.{secrets.token_hex(8)}")
        staged.write_text(json.dumps(kept))
        staged.replace(self._store)


def _opened(manifest: Path, only: str | None = None) -> Path:
    fault = next(faults(manifest, known=Hashes(), only=only), None)
    if fault:
        remedy = cure(manifest)
        if remedy.startswith("delete"):
            manifest.unlink()
            remedy = f"{manifest} was deleted: run again and the model is fetched anew"
        raise UserError(f"{fault.path}: not what was fetched: {fault.found}; {remedy}")
    return manifest.with_suffix("")


def _state(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]
