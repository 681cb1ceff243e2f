"""Every Parquet file of the pipeline: its columns, and the only code that reads or writes one.

A contract names its columns, their types and their meaning, and carries a
version that is stamped into each file. Writers refuse rows that do not fit,
readers refuse files of another contract or version, and both check the pages'
checksums, so that a flipped bit is an error and never a number.

Two kinds of file share this code. *Tables* hold one row per thing and come back
as a data frame. *Matrix files* (``WEIGHTS``, ``VECTORS``, ``MOMENTS``) begin a
row group with each matrix, so that a single matrix can be read without the others.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from weightspectra import seals
from weightspectra.atomic import replace_file
from weightspectra.errors import UserError

ROLES = ("query", "key", "value", "attention_output", "up", "gate", "down")
"""The roles a matrix can have, in the order in which tables and figures show them."""

StrPath = str | os.PathLike[str]


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
        table = self._arrow({name: frame[name] for name in frame.columns})
        with (
            replace_file(path, table.nbytes) as stream,
            _parquet_writer(stream, self._stamped(provenance), compression="zstd", use_dictionary=True) as writer,
        ):
            writer.write_table(table)

    @contextmanager
    def matrix_writer(self, path: StrPath, provenance: Mapping[str, Any]) -> Iterator["MatrixWriter"]:
        """Write a matrix file, one matrix at a time; the file appears when the block ends."""
        with replace_file(path) as stream, _parquet_writer(stream, self._stamped(provenance)) as writer:
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
        for path in _as_paths(paths):
            with self._opened(path) as file:
                table = file.read(columns=columns)
                tables.append(seals.check_counts(table, file.metadata, range(file.num_row_groups)))
        return pa.concat_tables(tables).to_pandas()

    def matrices(self, paths: StrPath | Iterable[StrPath]) -> "Matrices":
        """Open the parts of a matrix file as a mapping from ``MatrixKey`` to columns."""
        return Matrices(self, _as_paths(paths))

    @contextmanager
    def _opened(self, path: Path) -> Iterator[pq.ParquetFile]:
        with _deleting_if_corrupt(path, self.name), pq.ParquetFile(path, page_checksum_verification=True) as file:
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

    def _arrow(self, columns: Mapping[str, Any]) -> pa.Table:
        self._check_names(columns)
        arrays = []
        for field in self.schema:
            try:
                array = _arrow_column(columns[field.name], field.type)
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
        table = self._contract._arrow({**spread, "index": np.arange(n_rows), "values": values})
        bytes_per_row = 4 * values.shape[1]
        self._writer.write_table(table, row_group_size=max(ROW_GROUP_BYTES // max(bytes_per_row, 1), 1))


class Matrices(Mapping[MatrixKey, dict[str, np.ndarray]]):
    """The matrices of one or more matrix files, read one at a time.

    Each value is a dict from column name to array; the column ``values`` is
    the float32 matrix itself, of shape (n_rows, n_columns).
    """

    def __init__(self, contract: Contract, paths: Sequence[Path]):
        self._contract = contract
        self._groups: dict[MatrixKey, tuple[Path, list[int]]] = {}
        for path in paths:
            with contract._opened(path) as file:
                for group in range(file.num_row_groups):
                    first = file.read_row_group(group, columns=["layer", "role", "expert"]).slice(0, 1).to_pylist()[0]
                    self._groups.setdefault(MatrixKey(**first), (path, []))[1].append(group)

    def __getitem__(self, key: MatrixKey) -> dict[str, np.ndarray]:
        path, groups = self._groups[key]
        with self._contract._opened(path) as file:
            pieces = (seals.check_counts(file.read_row_group(group), file.metadata, [group]) for group in groups)
            columns = ({name: _numpy_column(piece.column(name)) for name in piece.column_names} for piece in pieces)
            if len(groups) == 1:
                return next(columns)
            return _joined(columns, sum(file.metadata.row_group(group).num_rows for group in groups))

    def __iter__(self) -> Iterator[MatrixKey]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)


def read_provenance(path: StrPath) -> dict[str, Any]:
    """Return what a file says of its own making; reads only the footer."""
    with _deleting_if_corrupt(Path(path), "Parquet"):
        metadata = pq.read_metadata(path).metadata or {}
    return json.loads(metadata.get(b"provenance", b"{}"))


@contextmanager
def _deleting_if_corrupt(path: Path, kind: str) -> Iterator[None]:
    """Check a file's seal; if that or anything in the block finds it corrupt, delete it and say so.

    A fault of the machine (no permission, no memory, a broken disk) is not the file's, and passes unchanged.
    """
    try:
        if seals.is_intact(path) is False:
            raise pa.ArrowInvalid("its footer does not match its seal")
        yield
    except pa.ArrowMemoryError:
        raise
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        path.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: corrupt {kind} file ({reason}); it was deleted: run again and it is made anew"
        ) from error


@contextmanager
def _parquet_writer(stream: BinaryIO, schema: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    plain = {"compression": "none", "use_dictionary": False}
    with pq.ParquetWriter(stream, schema, write_page_checksum=True, **{**plain, **options}) as writer:
        writer.add_key_value_metadata({seals.KEY: seals.BLANK})
        yield writer
    seals.seal(stream)


def _as_paths(paths: StrPath | Iterable[StrPath]) -> list[Path]:
    if isinstance(paths, (str, os.PathLike)):
        return [Path(paths)]
    return [Path(path) for path in paths]


def _arrow_column(values: Any, kind: pa.DataType) -> pa.Array:
    """Wrap values as an Arrow array; a 2-D array becomes a list column without a copy."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        n_rows, n_columns = values.shape
        flat = pa.array(np.ascontiguousarray(values).reshape(-1)).cast(kind.value_type)
        offsets = pa.array(np.arange(n_rows + 1, dtype=np.int32) * n_columns)
        return pa.ListArray.from_arrays(offsets, flat, type=kind)
    return pa.array(values, type=kind, from_pandas=False)


def _numpy_column(column: pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks()
    if pa.types.is_list(array.type) and pa.types.is_floating(array.type.value_type):
        return array.flatten().to_numpy().reshape(len(array), -1)
    return array.to_numpy(zero_copy_only=False)


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


def _float32_list() -> pa.DataType:
    return pa.list_(pa.field("element", pa.float32(), nullable=False))


def _list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind, nullable=False))


_KEY = (
    Column("layer", pa.int16(), "block of the model, counted from 0"),
    Column("role", pa.string(), f"what the matrix does: one of {', '.join(ROLES)}"),
    Column("expert", pa.int16(), "expert of a mixture; 0 in a dense layer"),
)
_MODEL = Column("model", pa.string(), "the model's name in the configuration")
_SHAPE = (
    Column("n_out", pa.int32(), "rows: dimension of the output"),
    Column("n_in", pa.int32(), "columns: dimension of the input"),
)

SOURCES = Contract(
    "sources",
    1,
    "The files of a fetched model, with their hashes; the resolved revision stands in the provenance.",
    (
        _MODEL,
        Column("path", pa.string(), "file, relative to the model's folder"),
        Column("n_bytes", pa.int64(), "size in bytes"),
        Column("sha256", pa.string(), "SHA-256 of the file"),
    ),
)

CORPUS = Contract(
    "corpus",
    1,
    "The documents of a text corpus, divided into a part to observe and a part to evaluate on.",
    (
        Column("corpus", pa.string(), "the corpus' name in the configuration"),
        Column("part", pa.string(), "'observe' or 'evaluate'; no document is in both"),
        Column("document", pa.string(), "name of the document, unique in the corpus"),
        Column("text", pa.large_string(), "the text itself"),
    ),
)

WEIGHTS = Contract(
    "weights",
    1,
    "Matrix file: every 2-D weight in canonical orientation (n_out, n_in); y = W x + b.",
    (
        *_KEY,
        Column("index", pa.int32(), "row of the matrix: component of the output"),
        Column("values", _float32_list(), "the row's n_in entries; float32 holds bf16 and fp16 without loss"),
    ),
)

MATRICES = Contract(
    "matrices",
    1,
    "One row per weight matrix: where it came from, its size and its first moments.",
    (
        _MODEL,
        *_KEY,
        *_SHAPE,
        Column("tensor", pa.string(), "name of the tensor in the checkpoint that holds it"),
        Column("dtype", pa.string(), "the checkpoint's number format"),
        Column("entry_mean", pa.float64(), "mean of the entries"),
        Column("entry_std", pa.float64(), "standard deviation of the entries about that mean"),
        Column("frobenius_norm", pa.float64(), "root of the sum of squared entries"),
        Column("rounding_std", pa.float64(), "estimated root mean square error of an entry by storage format"),
        Column("sha256", pa.string(), "SHA-256 of the float32 entries in row order"),
    ),
)

SPECTRA = Contract(
    "spectra",
    1,
    "One row per weight matrix: all singular values, and the certificate of their computation.",
    (
        _MODEL,
        *_KEY,
        *_SHAPE,
        Column("short_side", pa.string(), "'left' if n_out <= n_in, else 'right': whose vectors are stored"),
        Column("singular_values", _list_of(pa.float64()), "all min(n_out, n_in) values, largest first"),
        Column("route", pa.string(), "'gram' (float64 Gram matrix) or 'gesdd' (float64 LAPACK, the fall-back)"),
        Column("residual", pa.float64(), "max_k |W v_k - s_k u_k| / s_1"),
        Column("orthogonality_short", pa.float64(), "max |Q'Q - 1| of the short side's vectors"),
        Column("orthogonality_long", pa.float64(), "max |Q'Q - 1| of the long side's vectors"),
        Column("condition", pa.float64(), "largest over smallest singular value; infinite if the smallest is 0"),
        Column("rounding_floor", pa.float64(), "singular values below this are the storage format's rounding noise"),
    ),
)

VECTORS = Contract(
    "vectors",
    1,
    "Matrix file: the singular vectors of the short side, one per row, largest singular value first.",
    (
        *_KEY,
        Column("index", pa.int32(), "rank of the singular value; 0 is the largest"),
        Column("values", _float32_list(), "the unit vector's min(n_out, n_in) components"),
    ),
)

BULK = Contract(
    "bulk",
    1,
    "One row per weight matrix: its Marchenko-Pastur law, and how many singular values leave it.",
    (
        _MODEL,
        *_KEY,
        *_SHAPE,
        Column("aspect_ratio", pa.float64(), "q = long side / short side, >= 1"),
        Column("entry_std", pa.float64(), "standard deviation of the noise entries, by median matching"),
        Column("scale", pa.float64(), "entry_std * sqrt(long side)"),
        Column("edge_lower", pa.float64(), "scale * (1 - q**-0.5)"),
        Column("edge_upper", pa.float64(), "scale * (1 + q**-0.5)"),
        Column("n_values", pa.int32(), "number of singular values"),
        Column("n_below", pa.int32(), "values below edge_lower"),
        Column("n_above", pa.int32(), "values above edge_upper"),
        Column("rounding_floor", pa.float64(), "as in spectra"),
        Column("n_below_floor", pa.int32(), "values below rounding_floor"),
    ),
)

MOMENTS = Contract(
    "moments",
    1,
    "Matrix file: centred second moments of a linear layer's input over tokens, as eigenpairs, with the mean. "
    "Layers that read the same input share one entry, under the first of their roles.",
    (
        *_KEY,
        Column("roles", pa.string(), "all roles that read this input, joined by '+'"),
        Column("n_tokens", pa.int64(), "tokens averaged over"),
        Column("index", pa.int32(), "rank of the eigenvalue (0 is the largest), and component of the mean"),
        Column("mean", pa.float64(), "component `index` of the mean input"),
        Column("eigenvalue", pa.float64(), "eigenvalue of the covariance, largest first"),
        Column("values", _float32_list(), "its unit eigenvector, n_in components"),
    ),
)

OVERLAPS = Contract(
    "overlaps",
    1,
    "One row per right singular vector: how it meets the eigenvectors of its layer's input covariance.",
    (
        _MODEL,
        Column("corpus", pa.string(), "the corpus observed"),
        *_KEY,
        Column("index", pa.int32(), "rank of the singular value; 0 is the largest"),
        Column("singular_value", pa.float64(), "the singular value"),
        Column("overlap", pa.float64(), "O_k = max_j |v_k . f_j|"),
        Column("overlap_signed", pa.float64(), "max_j v_k . f_j, as printed in the paper's Eq. 7"),
        Column("component", pa.int32(), "the j of the maximum of |v_k . f_j|; 0 is the largest eigenvalue"),
        Column("localisation", pa.float64(), "M_k = max_i |v_k . e_i|, in the standard basis"),
        Column("null_low", pa.float64(), "0.135 % quantile of O_k for a random vector of this dimension"),
        Column("null_median", pa.float64(), "50 % quantile"),
        Column("null_high", pa.float64(), "99.865 % quantile"),
    ),
)

EVALUATIONS = Contract(
    "evaluations",
    1,
    "One row per cut and metric: what removing these singular values does. The first row removes nothing.",
    (
        _MODEL,
        Column("experiment", pa.string(), "the experiment's name in the configuration"),
        Column("cut", pa.string(), "label of the cut, unique in the experiment; 'none' is the untouched model"),
        Column("scope", pa.string(), "how matrices were grouped into cuts: role, layer, matrix, all (or none)"),
        Column("removed", pa.string(), "which singular values: 'decile 1', 'indices 0-15', 'below', 'above', 'none'"),
        Column("decile", pa.int16(), "the decile removed, 1 (smallest) to 10 (largest); 0 if the cut is none"),
        Column("roles", _list_of(pa.string()), "roles touched"),
        Column("layers", _list_of(pa.int16()), "layers touched"),
        Column("n_removed", pa.int32(), "singular values removed, over all matrices touched"),
        Column("removed_energy", pa.float64(), "share of the touched matrices' squared Frobenius norm removed"),
        Column("metric", pa.string(), "name of the metric, for example 'perplexity_per_token'"),
        Column("value", pa.float64(), "the metric"),
        Column("standard_error", pa.float64(), "its standard error over documents"),
        Column("difference", pa.float64(), "value minus that of the untouched model"),
        Column("difference_se", pa.float64(), "standard error of the difference, paired over documents"),
        Column("n_tokens", pa.int64(), "tokens scored"),
        Column("documents", _list_of(pa.string()), "documents scored"),
        Column("document_tokens", _list_of(pa.int32()), "tokens scored in each"),
        Column("document_nll", _list_of(pa.float64()), "negative log-likelihood of each, in nats"),
    ),
)

ALL = (SOURCES, CORPUS, WEIGHTS, MATRICES, SPECTRA, VECTORS, BULK, MOMENTS, OVERLAPS, EVALUATIONS)
"""Every contract, in the order in which data moves."""
