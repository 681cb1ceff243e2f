"""A journal of finished work, so that a killed job goes on where it stopped."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weightspectra.base.errors import UserError

Row = dict[str, Any]


class Journal:
    """Rows that are on the disk as soon as they are done.

    Each row is one line: a digest of the key and the row, a space, and the row
    as JSON, whose floats come back to the last bit. Reading stops at the first
    line whose digest does not fit (torn by a kill or a power cut, damaged, or
    written under another key), and what follows is cut off. So a row is either
    what was written, by the same work, or absent.

    Parameters
    ----------
    path : path
        The journal; made if it does not exist.
    key : str
        Digest of everything that the rows depend on.
    """

    def __init__(self, path: str | os.PathLike[str], key: str):
        self.path = Path(path)
        self._key = key
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[Row] = []
        with open(self.path, "a+b") as stream:
            stream.seek(0)
            whole = 0
            for line in stream:
                row = self._decode(line)
                if row is None:
                    break
                self.rows.append(row)
                whole += len(line)
            stream.truncate(whole)

    def append(self, row: Mapping[str, Any]) -> Row:
        """Write one row through to the disk; returns it as a resumed job would read it.

        Raises
        ------
        UserError
            When the disk is full. Rows written before stay.
        """
        content = json.dumps(row).encode()
        line = self._digest(content) + b" " + content + b"\n"
        try:
            with open(self.path, "ab") as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise UserError(
                f"{self.path}: the disk is full: the next line needs {len(line):,} bytes, "
                f"{shutil.disk_usage(self.path.parent).free:,} are free; make room and run again, "
                f"and it goes on after the {len(self.rows)} finished rows"
            ) from error
        self.rows.append(json.loads(content))
        return self.rows[-1]

    def remove(self) -> None:
        """Delete the journal; for when its rows stand in a complete file."""
        self.path.unlink(missing_ok=True)

    def _digest(self, content: bytes) -> bytes:
        return hashlib.sha256(self._key.encode() + b" " + content).hexdigest()[:16].encode()

    def _decode(self, line: bytes) -> Row | None:
        found, _, content = line.rstrip(b"\n").partition(b" ")
        return json.loads(content) if line.endswith(b"\n") and found == self._digest(content) else None
