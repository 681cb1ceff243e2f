"""Checks of the parts of a Parquet file that Parquet itself leaves unprotected: its footer and its page headers.

The contents of pages carry checksums. The footer (column names, offsets, counts, provenance) does not, and a flipped
bit there can swap columns in silence. A seal is the footer's own SHA-256, kept in the footer: it is computed with zeros
in its place, so that the file stays an ordinary Parquet file. The headers of pages say how many values they hold, and
a flipped bit there can shorten a list; the sealed footer knows the right number.

The footer also holds the SHA-256 of all that lies before it. Readers do not compute that: pages carry checksums, and
not all of them are read. Who wants to know of every bit asks for :func:`fault`.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

KEY = "footer_sha256"
BODY = "body_sha256"
BLANK = "0" * 64
PLACES = {KEY: BLANK, BODY: BLANK}
"""Metadata that a file must be written with to be sealed."""

_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # the footer's length (4 bytes, little endian), and the letters PAR1
_VALUES = {key: re.compile(key.encode() + rb"..(.{64})", re.DOTALL) for key in PLACES}
"""Between a key and its value stand two bytes: the value's type and length."""


def seal(stream: BinaryIO) -> None:
    """Put both checksums into a complete Parquet file that holds ``PLACES`` in its metadata."""
    _put(stream, BODY, _body_sha256(stream, len(_footer(stream))))
    _put(stream, KEY, hashlib.sha256(_footer(stream)).hexdigest())
    stream.seek(0, os.SEEK_END)


def is_intact(path: str | os.PathLike[str]) -> bool | None:
    """Return whether a file's footer is as it was sealed; None if it never was (or is no Parquet file)."""
    with Path(path).open("rb") as stream:
        footer = _footer(stream)
    found = _VALUES[KEY].search(footer)
    if found is None:
        return None
    blank = footer[: found.start(1)] + BLANK.encode() + footer[found.end(1) :]
    return hashlib.sha256(blank).hexdigest().encode() == found[1]


def fault(path: str | os.PathLike[str]) -> str:
    """Return in words where a file differs from the Parquet file that was sealed; nothing if no bit does."""
    if not is_intact(path):
        return "its footer does not match its seal"
    with Path(path).open("rb") as stream:
        footer = _footer(stream)
        promised = _VALUES[BODY].search(footer)
        if promised is None:
            return "its footer holds no checksum of what lies before it: an earlier version wrote it"
        if _body_sha256(stream, len(footer)).encode() != promised[1]:
            return "it does not match the checksum in its footer"
        stream.seek(-len(_MAGIC), os.SEEK_END)
        return "" if stream.read() == _MAGIC else "it does not end as a Parquet file"


def check_counts(table: pa.Table, metadata: pq.FileMetaData, row_groups: Iterable[int]) -> pa.Table:
    """Return what was read from these row groups, if it holds as many values as the footer promises.

    Raises
    ------
    pyarrow.ArrowInvalid
        Names the column whose number of values differs.
    """
    promised: Counter[str] = Counter()
    for group in map(metadata.row_group, row_groups):
        for column in map(group.column, range(group.num_columns)):
            promised[column.path_in_schema.split(".")[0]] += column.num_values
    for name, values in zip(table.column_names, table.columns, strict=True):
        found = len(values)
        if pa.types.is_list(values.type):  # an empty list is stored as one value, that says so
            found = sum(max(n, 1) * count for n, count in _lengths(values).items())
        if found != promised[name]:
            raise pa.ArrowInvalid(f"column '{name}' holds {found} values, the footer promises {promised[name]}")
    return table


def _lengths(lists: pa.ChunkedArray) -> dict[int, int]:
    """Return how many lists there are of each length."""
    counts = pc.value_counts(pc.list_value_length(lists))
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def _put(stream: BinaryIO, key: str, value: str) -> None:
    """Put a value of 64 letters in the place that the footer has for it."""
    footer = _footer(stream)
    found = _VALUES[key].search(footer)
    if found is None:
        raise ValueError(f"the file's metadata has no place for a seal: expected {key}: {BLANK}")
    stream.seek(found.start(1) - len(footer) - _TAIL_BYTES, os.SEEK_END)
    stream.write(value.encode())


def _body_sha256(stream: BinaryIO, footer_bytes: int) -> str:
    """Return the SHA-256 of all that lies before a file's footer."""
    left = stream.seek(0, os.SEEK_END) - footer_bytes - _TAIL_BYTES
    stream.seek(0)
    found = hashlib.sha256()
    while left > 0:
        piece = stream.read(min(left, 1 << 24))
        found.update(piece)
        left -= len(piece)
    return found.hexdigest()


def _footer(stream: BinaryIO) -> bytes:
    """Return the bytes of the footer without its length; nothing if the file is too short to have one."""
    n_bytes = stream.seek(0, os.SEEK_END)
    if n_bytes < _TAIL_BYTES:
        return b""
    stream.seek(-_TAIL_BYTES, os.SEEK_END)
    length = int.from_bytes(stream.read(4), "little")
    if length + _TAIL_BYTES > n_bytes:
        return b""
    stream.seek(-_TAIL_BYTES - length, os.SEEK_END)
    return stream.read(length)
