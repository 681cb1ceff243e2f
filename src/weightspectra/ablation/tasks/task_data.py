"""The data of tasks: fetched once, and kept as files that are read without a network."""

import socket
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse

import datasets
import pyarrow as pa
from datasets import Dataset, get_dataset_config_names, load_dataset

from weightspectra.base.errors import UserError
from weightspectra.base.provenance import file_sha256
from weightspectra.sources.hub import ANSWER_SECONDS, within
from weightspectra.sources.hub_data_sets import fetch_data_set

READERS = ("arrow", "csv", "json", "parquet", "text", "xml")
"""Readers of single files that a task may name in place of a data set."""


class Fetched(NamedTuple):
    """Rows by split, and where they came from, without any path of this machine."""

    splits: Mapping[str, Dataset]
    origin: str


def fetch(path: str, name: str | None, options: Mapping[str, Any], *, local: Path | None, beside: Path) -> Fetched:
    """Read a task's data set: from a local copy, from files, or from the hub.

    Parameters
    ----------
    path, name : str
        The data set's id on the hub, a local folder, or one of ``READERS``; its configuration.
    options : mapping
        Further arguments of ``load_dataset``, such as ``data_files``.
    local : path or None
        A folder to take in place of the hub: the data set itself, or one that
        holds data sets under their ids (``owner/name``) or names.
    beside : path
        The folder of the task file, where relative ``data_files`` are looked for
        that do not lie in the working folder.

    Raises
    ------
    UserError
        When the data can neither be read nor be had within seconds; says where
        it was looked for, and how to provide it.
    """
    asked = f"data set '{path}'" + (f", configuration '{name}'" if name else "")
    options = {key: value for key, value in options.items() if key != "trust_remote_code"}
    try:
        if local is not None:
            folder = _local_copy(path, local)
            return Fetched(_load(str(folder), _configuration(folder, name), options), f"folder {folder.name}")
        if path in READERS:
            files = _existing(options.get("data_files"), beside)
            return Fetched(_load(path, name, {**options, "data_files": files}), "files of the task")
        if Path(path).expanduser().is_dir():
            folder = Path(path).expanduser()
            return Fetched(_load(str(folder), name, options), f"folder {folder.name}")
        if path.startswith((".", "/", "~")) or path.count("/") > 1:
            raise UserError(f"the folder {path} does not exist; correct 'dataset_path' in the task's file")
        revision = options.pop("revision", None) or "main"
        folder = fetch_data_set(path, revision)
        where = f"{path}@{folder.name}" + (f" {name}" if name else "")
        return Fetched(_load(str(folder), name, options), where)
    except UserError as error:
        raise UserError(f"{asked}: {error}") from error
    except (ValueError, OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{asked} cannot be read: {reason}") from error


def store(splits: Mapping[str, Dataset], folder: Path) -> dict[str, dict[str, Any]]:
    """Write each split to a file of Arrow's stream format; return its name, number of rows and SHA-256.

    The same rows give the same bytes. There is no contract of them: their columns are the task's own, and lm-eval
    reads them through ``datasets``, in Arrow's stream format.
    """
    folder.mkdir(parents=True)
    stored = {}
    for split, rows in splits.items():
        file = folder / f"{split}.arrow"
        table = rows.with_format("arrow")[:].combine_chunks()
        with pa.OSFile(str(file), "wb") as stream, pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)
        stored[split] = {"file": file.name, "rows": len(rows), "sha256": file_sha256(file)}
    return stored


def stored_splits(folder: Path, splits: Iterable[str]) -> dict[str, Dataset]:
    """Read splits that :func:`store` wrote; they are held in memory, so that no cache grows beside them."""
    return {split: Dataset.from_file(str(folder / f"{split}.arrow"), in_memory=True) for split in splits}


def reach(host: str, port: int = 443) -> None:
    """Ask within seconds whether a machine answers at all; libraries try for minutes.

    Raises
    ------
    UserError
        When it does not.
    """

    def connect() -> None:
        socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()

    try:
        within(ANSWER_SECONDS, connect)
    except OSError as error:
        raise UserError(f"{host} cannot be reached ({error}); connect to the network and run again") from error


def _load(path: str, name: str | None, options: Mapping[str, Any]) -> dict[str, Dataset]:
    """Read all splits, leaving nothing in the library's cache, whose key does not see every change of a file."""
    with tempfile.TemporaryDirectory(prefix="task-data-", ignore_cleanup_errors=True) as scratch:
        loaded = load_dataset(path, name or None, cache_dir=scratch, keep_in_memory=True, **options)
        return {str(split): rows for split, rows in loaded.items()}


def _local_copy(path: str, local: Path) -> Path:
    """Return the folder of a data set in a folder that the user names."""
    candidates = [local / path, local / path.rpartition("/")[2], local] if path else [local]
    for folder in candidates:
        if folder.is_dir():
            return folder
    searched = ", ".join(str(folder) for folder in candidates)
    raise UserError(f"no such folder; searched: {searched}; correct 'data'")


def _configuration(folder: Path, name: str | None) -> str | None:
    """Return the configuration to ask of a local folder; plain files have a single one without a name."""
    known = get_dataset_config_names(str(folder))
    return name if name in known or len(known) != 1 else known[0]


def _existing(files: Any, beside: Path) -> Any:
    """Resolve the files of a task: as they are from the working folder, otherwise from beside the task's file."""

    def resolve(file: str) -> str:
        if "://" in file:
            reach(str(urlparse(file).hostname))
            return file
        path = Path(file).expanduser()
        found: list[Path] = [place for place in (path, beside / path) if place.exists() or _matches(place)]
        if not found:
            raise UserError(f"no file {file}; searched: {path.absolute().parent}, {beside}; correct 'data_files'")
        return str(found[0])

    return _map_leaves(files, resolve)


def _matches(pattern: Path) -> bool:
    anchor = Path(pattern.anchor or ".")
    return "*" in str(pattern) and any(True for _ in anchor.glob(str(pattern.relative_to(anchor))))


def _map_leaves(value: Any, call: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _map_leaves(each, call) for key, each in value.items()}
    if isinstance(value, list):
        return [_map_leaves(each, call) for each in value]
    return call(value)
