"""Data sets of the Hugging Face hub: downloaded once, whole, and refused within seconds if they cannot be had."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
from datasets import ClassLabel, IterableDataset, get_dataset_split_names, load_dataset
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from weightspectra.base.atomic import disk_is_full
from weightspectra.base.errors import UserError
from weightspectra.base.progress import track
from weightspectra.sources.hub import ANSWER_SECONDS, spell_full_disk, within
from weightspectra.sources.hub_cache import check_blobs, is_whole


def fetch_data_set(repo: str, revision: str) -> Path:
    """Return the folder of a data set in the hub's cache, all its files in place; the folder's name is the commit.

    Without a network, what is in the cache is taken, and a line says so.

    Parameters
    ----------
    repo : str
        ``owner/name``.
    revision : str
        A commit (best), tag or branch.

    Raises
    ------
    UserError
        When there is no such data set or revision, it is neither in the cache
        nor to be reached, or the download breaks off.
    """
    where = f"data set {repo} (revision {revision})"
    try:
        info = within(ANSWER_SECONDS, lambda: HfApi().dataset_info(repo, revision=revision, timeout=ANSWER_SECONDS))
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UserError(
            f"{where}: {constants.ENDPOINT} has no such data set or revision, or it is private; correct 'repo' "
            "and 'revision', or log in with: hf auth login"
        ) from error
    except (OfflineModeIsEnabled, TimeoutError, httpx2.TransportError, HfHubHTTPError) as error:
        return _cached(repo, revision, where, error)
    names = [file.rfilename for file in info.siblings or []]
    try:
        # The first file is asked for by the branch's name, so that the cache remembers where the branch stood.
        for number, name in enumerate(track(names, len(names), f"download {repo}", "files")):
            at = str(info.sha) if number else revision
            hf_hub_download(repo, name, repo_type="dataset", revision=at)
        folder = Path(snapshot_download(repo, repo_type="dataset", revision=info.sha, local_files_only=True))
    except (OSError, httpx2.TransportError) as error:
        if disk_is_full(error):
            raise UserError(spell_full_disk(where)) from error
        raise UserError(f"{where}: the download broke off ({error}); run again: finished files are kept") from error
    check_blobs(path for path in folder.rglob("*") if path.is_file())
    return folder


def read_splits(folder: Path, name: str | None, column: str, wanted: Sequence[str] = ()) -> dict[str, str]:
    """Join the rows of each split of a data set by lines.

    Parameters
    ----------
    folder : path
        A data set as the hub lays it out.
    name : str or None
        Its configuration, if it has several.
    column : str
        The text column.
    wanted : sequence of str
        The splits to read; all if none is named.

    Returns
    -------
    dict from split to text

    Raises
    ------
    UserError
        When there is no such configuration, split or text column.
    """
    return {split: _join(rows, column) for split, rows in _splits(folder, name, wanted).items()}


def read_rows(
    folder: Path, name: str | None, wanted: Sequence[str] = ()
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[str]]]:
    """Read the rows of each split of a data set; classes that it names are given by their names.

    Parameters
    ----------
    folder, name, wanted
        As for :func:`read_splits`.

    Returns
    -------
    rows : dict from split to list of dict
        Each row from the column's name to the value.
    classes : dict from column to list of str
        The names of the classes in the order of their numbers, for the columns that name them.

    Raises
    ------
    UserError
        When there is no such configuration or split.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    classes: dict[str, list[str]] = {}
    for split, found in _splits(folder, name, wanted).items():
        named = {column: kind for column, kind in (found.features or {}).items() if isinstance(kind, ClassLabel)}
        rows[split] = [{column: _named(named.get(column), value) for column, value in row.items()} for row in found]
        classes |= {column: kind.names for column, kind in named.items()}
    return rows, classes


def _splits(folder: Path, name: str | None, wanted: Sequence[str]) -> dict[str, IterableDataset]:
    """Open the splits of a data set in the order in which it names them."""
    try:
        known = get_dataset_split_names(str(folder), name)
        missing = sorted(set(wanted) - set(known))
        if missing:
            raise UserError(f"the data set has no split '{missing[0]}'; it has {', '.join(known)}")
        splits = [split for split in known if split in wanted or not wanted]
        return {split: load_dataset(str(folder), name, split=split, streaming=True) for split in splits}
    except (ValueError, FileNotFoundError) as error:
        raise UserError(f"the data set cannot be read: {str(error).splitlines()[0]}") from error


def _named(kind: ClassLabel | None, value: Any) -> Any:
    """Return a class by its name; a number that stands for none (-1, where labels are kept back) stays."""
    return kind.int2str(value) if kind is not None and value is not None and value >= 0 else value


def _cached(repo: str, revision: str, where: str, reason: Exception) -> Path:
    """Return what is in the cache, unless a download into it broke off."""
    try:
        folder = Path(snapshot_download(repo, repo_type="dataset", revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{where} is not in the cache, and {constants.ENDPOINT} cannot be reached; where there is a network, run: "
            f"hf download {repo} --repo-type dataset --revision {revision}"
        ) from error
    if any(folder.parents[1].glob("blobs/*.incomplete")) or not is_whole(folder):
        raise UserError(
            f"{where}: its download broke off, and {constants.ENDPOINT} cannot be reached; connect and run again"
        ) from reason
    check_blobs(path for path in folder.rglob("*") if path.is_file())
    print(
        f"{constants.ENDPOINT} cannot be reached; commit {folder.name} of {repo} is taken from the cache",
        file=sys.stderr,
    )
    return folder


def _join(rows: Iterable[Mapping[str, Any]], column: str) -> str:
    lines = []
    for row in rows:
        if not isinstance(row.get(column), str):
            raise UserError(f"the data set has no text column '{column}'; its columns are {', '.join(row)}")
        lines.append(row[column].removesuffix("\n"))
    return "\n".join(lines)
