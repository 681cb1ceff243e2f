"""What a contract is: a Parquet file's name, version and columns, and how it is written and read."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from weightspectra.base import seals
from weightspectra.base.atomic import replace_file
from weightspectra.base.errors import UserError
from weightspectra.base.parquet import (
    StrPath,
    arrow_column,
    as_paths,
    deleting_if_corrupt,
    numpy_column,
    parquet_writer,
)
from weightspectra.contracts.matrix_key import KEY_COLUMNS, MatrixKey
from weightspectra.contracts.values import Column, first_fault

ROW_GROUP_BYTES = 1 << 25
"""Bytes of a matrix in one row group. Encoding takes a few times as much memory as the row group has bytes."""


@dataclass(frozen=True)
class Contract:
    """The promise that one kind of Parquet file keeps.

    Attributes
    ----------
    name : str
    version : int
    meaning : str
    columns : tuple of Column
    key : tuple of str
        Columns that identify a row: no two rows share all values of them. Empty if nothing does.
    ordered : tuple of tuples of str
        Columns whose values do not fall from one to the next: a lower end, what it bounds, an upper end.
    """

    name: str
    version: int
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    ordered: tuple[tuple[str, ...], ...] = ()

    @property
    def identity(self) -> str:
        """Name and version as they are stamped into a file, for example ``spectra/1``."""
        return f"{self.name}/{self.version}"

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema; no column may hold nulls."""
        return pa.schema([pa.field(c.name, c.type, nullable=False) for c in self.columns])

    @property
    def signature(self) -> str:
        """Identity and columns in one line; changes whenever the file's form does.

        Meanings and allowed values are no part of it: a stricter check re-runs nothing, but is made of every file read.
        """
        return f"{self.identity}({', '.join(f'{c.name} {c.type}' for c in self.columns)})"

    @cached_property
    def constraints(self) -> str:
        """Digest of what is checked of values; a file that carries it was held against the same when it was written."""
        allowed = [[c.name, c.allowed] for c in self.columns]
        return hashlib.sha256(json.dumps([allowed, self.key, self.ordered]).encode()).hexdigest()[:16]

    def write(
        self,
        rows: pd.DataFrame | Sequence[Mapping[str, Any]],
        path: StrPath,
        provenance: Mapping[str, Any],
    ) -> None:
        """Write a table: all rows at once, whole or not at all.

        Raises
        ------
        ValueError
            When a column is missing, unknown, of another type, or holds a null or a value that is not allowed.
        """
        if isinstance(rows, pd.DataFrame):
            frame = rows
        else:
            for row in rows:
                self._check_names(row)
            frame = pd.DataFrame(list(rows), columns=self.schema.names)
        table = self.checked_table({name: frame[name] for name in frame.columns})
        with (
            replace_file(path, table.nbytes) as stream,
            parquet_writer(stream, self._stamped(provenance), compression="zstd", use_dictionary=True) as writer,
        ):
            writer.write(table)

    @contextmanager
    def matrix_writer(self, path: StrPath, provenance: Mapping[str, Any]) -> Iterator["MatrixWriter"]:
        """Write a matrix file, one matrix at a time; the file appears when the block ends."""
        with replace_file(path) as stream, parquet_writer(stream, self._stamped(provenance)) as writer:
            yield MatrixWriter(self, writer)

    def read(self, paths: StrPath | Iterable[StrPath], columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read one table, or several parts of one, into a data frame.

        Raises
        ------
        UserError
            When a file is corrupt (it is deleted, so that the next run makes it
            again), of another contract or version, or holds a value that is not allowed.

        Notes
        -----
        Values are checked when they are written, and here in files whose writer checked something else.
        """
        tables = []
        for path in as_paths(paths):
            with self.opened(path) as file:
                table = file.read(columns=columns)
                seals.check_counts(table, file.metadata, range(file.num_row_groups))
                self.check_values(table, file, path)
                tables.append(table)
        return pa.concat_tables(tables).to_pandas()

    def empty(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a table without rows, as :meth:`read` would of a file that has none."""
        table: pd.DataFrame = self.schema.empty_table().select(columns or self.schema.names).to_pandas()
        return table

    def matrices(self, paths: StrPath | Iterable[StrPath]) -> "Matrices":
        """Open the parts of a matrix file as a mapping from ``MatrixKey`` to columns."""
        return Matrices(self, as_paths(paths))

    @contextmanager
    def opened(self, path: Path) -> Iterator[pq.ParquetFile]:
        """Open one file of this contract; raises as :meth:`read` does."""
        with deleting_if_corrupt(path, self.name), pq.ParquetFile(path, page_checksum_verification=True) as file:
            found = (file.metadata.metadata or {}).get(b"contract", b"no contract").decode()
            if found != self.identity:
                raise UserError(
                    f"{path}: expected {self.identity}, found {found}; "
                    "delete the file and run again to make it with this version"
                )
            if seals.KEY.encode() not in file.metadata.metadata:
                raise pa.ArrowInvalid("its footer is not sealed")
            yield file

    def _stamped(self, provenance: Mapping[str, Any]) -> pa.Schema:
        described = json.dumps(provenance, sort_keys=True, separators=(",", ":"))
        return self.schema.with_metadata(
            {"contract": self.identity, "provenance": described, "constraints": self.constraints}
        )

    def fault(self, table: pa.Table) -> str:
        """Return in words which value of a table is not allowed; nothing if all are."""
        return first_fault(table, self.columns, self.key, self.ordered)

    def check_values(self, table: pa.Table, file: pq.ParquetFile, path: Path) -> None:
        """Refuse what was read from a file if a value is not allowed, unless its writer has made the same check."""
        if file.metadata.metadata.get(b"constraints") == self.constraints.encode():
            return
        if found := self.fault(table):
            raise UserError(
                f"{path}: {found}; the file is whole, but was written by another version or program: "
                "delete it and run again to make it with this version"
            )

    def checked_table(self, columns: Mapping[str, Any]) -> pa.Table:
        """Return columns as an Arrow table whose values are all allowed; raises as :meth:`write` does."""
        table = self.arrow_table(columns)
        if found := self.fault(table):
            raise ValueError(f"{self.identity}: {found}")
        return table

    def arrow_table(self, columns: Mapping[str, Any]) -> pa.Table:
        """Return columns as an Arrow table; raises as :meth:`write` does, but whatever the values."""
        self._check_names(columns)
        arrays = []
        for field in self.schema:
            try:
                array = arrow_column(columns[field.name], field.type)
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise ValueError(f"{self.identity}: column '{field.name}' is not {field.type}: {error}") from error
            if array.null_count:
                raise ValueError(f"{self.identity}: column '{field.name}' holds {array.null_count} nulls")
            arrays.append(array)
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _check_names(self, names: Iterable[str]) -> None:
        missing = ", ".join(sorted(set(self.schema.names) - set(names)))
        unknown = ", ".join(sorted(set(names) - set(self.schema.names)))
        if missing or unknown:
            faults = [f"missing columns: {missing}"] * bool(missing) + [f"unknown columns: {unknown}"] * bool(unknown)
            raise ValueError(f"{self.identity}: {'; '.join(faults)}")


class MatrixWriter:
    """Appends matrices to an open matrix file; made by :meth:`Contract.matrix_writer`."""

    def __init__(self, contract: Contract, writer: pq.ParquetWriter):
        self._contract = contract
        self._writer = writer
        self._keys: set[MatrixKey] = set()

    def write(self, key: MatrixKey, values: np.ndarray, **columns: Any) -> None:
        """Append one matrix, as one row group or, if it is large, several.

        Parameters
        ----------
        key : MatrixKey
        values : ndarray of shape (n_rows, n_columns)
            Stored as float32, row by row, under ``index`` 0, 1, ...
        **columns : sequence of length n_rows, or one value for all rows
            The contract's further columns.

        Raises
        ------
        ValueError
            As :meth:`Contract.write` does, and for a matrix that is there already.
        """
        if key in self._keys:
            raise ValueError(f"{self._contract.identity}: {key} was written before, expected each matrix once")
        self._keys.add(key)
        n_rows = len(values)
        rows: dict[str, Any] = {**key._asdict(), **columns}
        spread = {
            name: value if isinstance(value, (np.ndarray, list)) else np.full(n_rows, value)
            for name, value in rows.items()
        }
        table = self._contract.checked_table({**spread, "index": np.arange(n_rows), "values": values})
        bytes_per_row = 4 * values.shape[1]
        self._writer.write(table, row_group_size=max(ROW_GROUP_BYTES // max(bytes_per_row, 1), 1))


class Matrices(Mapping[MatrixKey, dict[str, np.ndarray]]):
    """The matrices of one or more matrix files, read one at a time.

    Each value is a dict from column name to array; the column ``values`` is
    the float32 matrix itself, of shape (n_rows, n_columns).
    """

    def __init__(self, contract: Contract, paths: Sequence[Path]):
        self._contract = contract
        self._groups: dict[MatrixKey, tuple[Path, list[int]]] = {}
        for path in paths:
            with contract.opened(path) as file:
                for group in range(file.num_row_groups):
                    first = file.read_row_group(group, columns=KEY_COLUMNS).slice(0, 1)
                    contract.check_values(first, file, path)
                    key = MatrixKey(**first.to_pylist()[0])
                    other, groups = self._groups.setdefault(key, (path, []))
                    if other != path:
                        raise UserError(f"{path}: {key} is in {other} too; expected each matrix in one part only")
                    groups.append(group)

    def __getitem__(self, key: MatrixKey) -> dict[str, np.ndarray]:
        path, groups = self._groups[key]
        with self._contract.opened(path) as file:
            pieces = (seals.check_counts(file.read_row_group(group), file.metadata, [group]) for group in groups)
            columns = ({name: numpy_column(piece.column(name)) for name in piece.column_names} for piece in pieces)
            if len(groups) == 1:
                return next(columns)
            return _joined(columns, sum(file.metadata.row_group(group).num_rows for group in groups))

    def __iter__(self) -> Iterator[MatrixKey]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)


def _joined(pieces: Iterable[dict[str, np.ndarray]], n_rows: int) -> dict[str, np.ndarray]:
    """Join columns that come piece by piece; no more than one piece is held beside the result."""
    whole: dict[str, np.ndarray] = {}
    filled = 0
    for piece in pieces:
        for name, values in piece.items():
            if name not in whole:
                whole[name] = np.empty((n_rows, *values.shape[1:]), values.dtype)
            whole[name][filled : filled + len(values)] = values
        filled += len(piece["index"])
    return whole
