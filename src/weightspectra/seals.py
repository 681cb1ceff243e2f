"""A checksum for the part of a Parquet file that Parquet itself leaves unprotected: its footer.

Pages carry checksums, the footer (column names, offsets, counts, provenance) does not, and a flipped bit there can
swap columns in silence. A seal is the footer's own SHA-256, kept in the footer: it is computed with zeros in its
place, so that the file stays an ordinary Parquet file.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO

KEY = "footer_sha256"
BLANK = "0" * 64
_TAIL_BYTES = 8  # the footer's length (4 bytes, little endian), and the letters PAR1
_VALUE = re.compile(KEY.encode() + rb"..(.{64})", re.DOTALL)  # between them: type and length of the value


def seal(stream: BinaryIO) -> None:
    """Put the footer's checksum into a complete Parquet file that holds ``KEY: BLANK`` in its metadata."""
    footer = _footer(stream)
    found = _VALUE.search(footer)
    if found is None:
        raise ValueError(f"the file's metadata has no place for a seal: expected {KEY}: {BLANK}")
    stream.seek(found.start(1) - len(footer) - _TAIL_BYTES, os.SEEK_END)
    stream.write(hashlib.sha256(footer).hexdigest().encode())
    stream.seek(0, os.SEEK_END)


def is_intact(path: str | os.PathLike[str]) -> bool | None:
    """Return whether a file's footer is as it was sealed; None if it never was (or is no Parquet file)."""
    with Path(path).open("rb") as stream:
        footer = _footer(stream)
    found = _VALUE.search(footer)
    if found is None:
        return None
    blank = footer[: found.start(1)] + BLANK.encode() + footer[found.end(1) :]
    return hashlib.sha256(blank).hexdigest().encode() == found[1]


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
