"""Parquet files on the disk: sealed, checked, and deleted where they are corrupt."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weightspectra.base import seals
from weightspectra.base.errors import UserError

StrPath = str | os.PathLike[str]


def read_provenance(path: StrPath) -> dict[str, Any]:
    """Return what a file says of its own making; reads only the footer."""
    with deleting_if_corrupt(Path(path), "Parquet"):
        metadata = pq.read_metadata(path).metadata or {}
    return json.loads(metadata.get(b"provenance", b"{}"))


@contextmanager
def deleting_if_corrupt(path: Path, kind: str) -> Iterator[None]:
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
def parquet_writer(stream: BinaryIO, schema: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    """Open a stream for writing Parquet with checksums; seal it at the end."""
    plain = {"compression": "none", "use_dictionary": False}
    with pq.ParquetWriter(stream, schema, write_page_checksum=True, **{**plain, **options}) as writer:
        writer.add_key_value_metadata(seals.PLACES)
        yield writer
    seals.seal(stream)


def as_paths(paths: StrPath | Iterable[StrPath]) -> list[Path]:
    """Return one path, or several, as a list."""
    if isinstance(paths, (str, os.PathLike)):
        return [Path(paths)]
    return [Path(path) for path in paths]


def arrow_column(values: Any, kind: pa.DataType) -> pa.Array:
    """Wrap values as an Arrow array; a 2-D array becomes a list column without a copy."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        n_rows, n_columns = values.shape
        flat = pa.array(np.ascontiguousarray(values).reshape(-1)).cast(kind.value_type)
        offsets = pa.array(np.arange(n_rows + 1, dtype=np.int32) * n_columns)
        return pa.ListArray.from_arrays(offsets, flat, type=kind)
    return pa.array(values, type=kind, from_pandas=False)


def numpy_column(column: pa.ChunkedArray) -> np.ndarray:
    """Return an Arrow column as an array; lists of numbers, which must be equally long, become its rows."""
    array = column.combine_chunks()
    if pa.types.is_list(array.type) and pa.types.is_floating(array.type.value_type):
        return array.flatten().to_numpy().reshape(len(array), -1)
    return array.to_numpy(zero_copy_only=False)
