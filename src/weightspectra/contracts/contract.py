"""What a contract is: a Parquet file's name, version and columns, and how it is written and read."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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

ROLES = ("query", "key", "value", "attention_output", "up", "gate", "down")
"""The roles a matrix can have, in the order in which tables and figures show them."""

ROW_GROUP_BYTES = 1 << 25
"""Bytes of a matrix in one row group. Encoding takes a few times as much memory as the row group has bytes."""


class MatrixKey(NamedTuple):
    """What identifies a weight matrix inside one model.

    ``expert`` counts the experts of a mixture; a dense layer has one, number 0.
    """

    layer: int
    role: str
    expert: int = 0

    def __str__(self) -> str:
        expert = f", expert {self.expert}" if self.expert else ""
        return f"layer {self.layer} '{self.role}'{expert}"


KEY_COLUMNS = [*MatrixKey._fields]
"""The columns that identify a matrix in tables of one model."""


class Column(NamedTuple):
    """One column of a contract: its name, Arrow type, and what it means (with its unit)."""

    name: str
    type: pa.DataType
    meaning: str


@dataclass(frozen=True)
class Contract:
    """The promise that one kind of Parquet file keeps: name, version, meaning, columns."""

    name: str
    version: int
    meaning: str
    columns: tuple[Column, ...]

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
        """Identity and columns in one line; changes whenever the file's form does."""
        return f"{self.identity}({', '.join(f'{c.name} {c.type}' for c in self.columns)})"

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
            When a column is missing, unknown, of another type, or holds a null.
        """
        if isinstance(rows, pd.DataFrame):
            frame = rows
        else:
            for row in rows:
                self._check_names(row)
            frame = pd.DataFrame(list(rows), columns=self.schema.names)
        table = self.arrow_table({name: frame[name] for name in frame.columns})
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
            again), of another contract, or of another version.
        """
        tables = []
        for path in as_paths(paths):
            with self.opened(path) as file:
                table = file.read(columns=columns)
                tables.append(seals.check_counts(table, file.metadata, range(file.num_row_groups)))
        return pa.concat_tables(tables).to_pandas()

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
        return self.schema.with_metadata({"contract": self.identity, "provenance": described})

    def arrow_table(self, columns: Mapping[str, Any]) -> pa.Table:
        """Return columns as an Arrow table; raises as :meth:`write` does."""
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

    def write(self, key: MatrixKey, values: np.ndarray, **columns: Any) -> None:
        """Append one matrix, as one row group or, if it is large, several.

        Parameters
        ----------
        key : MatrixKey
        values : ndarray of shape (n_rows, n_columns)
            Stored as float32, row by row, under ``index`` 0, 1, ...
        **columns : sequence of length n_rows, or one value for all rows
            The contract's further columns.
        """
        n_rows = len(values)
        rows: dict[str, Any] = {**key._asdict(), **columns}
        spread = {
            name: value if isinstance(value, (np.ndarray, list)) else np.full(n_rows, value)
            for name, value in rows.items()
        }
        table = self._contract.arrow_table({**spread, "index": np.arange(n_rows), "values": values})
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
                    first = file.read_row_group(group, columns=KEY_COLUMNS).slice(0, 1).to_pylist()[0]
                    self._groups.setdefault(MatrixKey(**first), (path, []))[1].append(group)

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
