"""Tables of labelled texts in files: TSV, CSV, JSON lines and Parquet, one file or one for each split."""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weightspectra.base.errors import UserError
from weightspectra.sources import given, plain_text

Row = dict[str, Any]


def read_tables(path: Path, columns: Sequence[str] = (), wanted: Sequence[str] = ()) -> dict[str, list[Row]]:
    """Read one table, or those of a folder and the folders in it.

    Parameters
    ----------
    path : path
        A file that ends in ``.tsv`` (no quoting: a quotation mark is a character),
        ``.csv``, ``.jsonl`` (or ``.json``: one object a line) or ``.parquet``, or
        a folder with such files; others in it are left alone.
    columns : sequence of str
        Names of the columns of TSV and CSV files that do not begin with them.
    wanted : sequence of str
        The splits to read; all if none is named.

    Returns
    -------
    dict from str to list of dict
        The rows of each split. A split is called as its file without the ending
        and without ``-00000-of-00002``; such pieces are joined.

    Raises
    ------
    UserError
        When there is no such file or split, no table in the folder, or one
        cannot be read.
    """
    if path.is_file() and path.suffix.lower() not in READERS:
        raise UserError(f"{path}: expected a file that ends in {', '.join(READERS)}")
    files = given.files(path, READERS)
    if not files:
        if not path.is_dir():
            raise UserError(f"{path}: no such file or folder; correct the data set's 'source'")
        wanted = f"files that end in {', '.join(READERS)}"
        raise UserError(f"{path}: expected {wanted} in this folder, found {given.endings(path)}")
    splits: dict[str, list[Path]] = {}
    for file in files:
        splits.setdefault(re.sub(r"-\d{5}-of-\d{5}$", "", file.stem), []).append(file)
    missing = [split for split in wanted if split not in splits]
    if missing:
        raise UserError(f"{path} has no split '{missing[0]}'; it has {', '.join(splits)}")
    return {split: [row for file in splits[split] for row in _read(file, columns)] for split in wanted or splits}


def _read(file: Path, columns: Sequence[str]) -> list[Row]:
    try:
        return READERS[file.suffix.lower()](file, columns)
    except (csv.Error, ValueError, RecursionError, pa.ArrowInvalid) as error:
        raise UserError(f"{file}: not a readable {file.suffix} file: {str(error).splitlines()[0]}") from error


def _text(file: Path) -> str:
    try:
        return plain_text.decode(file.read_bytes())
    except UserError as error:
        raise UserError(f"{file}: {error}") from error


def _read_tsv(file: Path, columns: Sequence[str]) -> list[Row]:
    return _read_lines(file, columns, {"delimiter": "\t", "quoting": csv.QUOTE_NONE})


def _read_csv(file: Path, columns: Sequence[str]) -> list[Row]:
    return _read_lines(file, columns, {"strict": True})


def _read_lines(file: Path, columns: Sequence[str], form: dict[str, Any]) -> list[Row]:
    with io.StringIO(_text(file), newline="") as stream:
        lines = csv.reader(stream, **form)
        names = list(columns) or next(lines, [])
        rows = []
        for line in lines:
            if len(line) != len(names) and line:
                raise UserError(
                    f"{file}, line {lines.line_num}: found {len(line)} columns, expected {len(names)} "
                    f"({', '.join(names)}); where the first line does not name the columns, set 'columns'"
                )
            if line:
                rows.append(dict(zip(names, line, strict=True)))
    return rows


def _read_json(file: Path, columns: Sequence[str]) -> list[Row]:
    rows = [json.loads(line) for line in _text(file).split("\n") if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f'{file}: expected one JSON object a line, like {{"text": "...", "label": 0}}')
    return rows


def _read_parquet(file: Path, columns: Sequence[str]) -> list[Row]:
    return pq.read_table(file).to_pylist()


READERS: dict[str, Callable[[Path, Sequence[str]], list[Row]]] = {
    ".tsv": _read_tsv,
    ".csv": _read_csv,
    ".jsonl": _read_json,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
"""How a table is read, by the ending of its file's name."""
