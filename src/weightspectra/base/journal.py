"""A journal of finished work, so that a killed job goes on where it stopped; and the check that nothing of it lacks."""

import hashlib
import json
import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

from weightspectra.base.atomic import disk_is_full, free_bytes
from weightspectra.base.errors import UserError

Row = dict[str, Any]


class Journal:
    """Rows that are on the disk as soon as they are done.

    Each row is one line: a digest, a space, and the row as JSON, whose floats
    come back to the last bit. The digest is that of the digest before it (of
    the key, on the first line) and of the row, so that a line fits nowhere but
    behind those that it was written behind. Reading stops at the first line that
    does not fit: torn by a kill or a power cut, damaged, doubled, written under
    another key, or behind a line that is gone. What follows is cut off. So what
    is gone on with are the first rows that the same work has written, without a hole.

    A journal has one writer, which the lock of its job sees to; a writer that finds
    what it has not written stops.

    Parameters
    ----------
    path : path
        The journal; made if it does not exist.
    key : str
        Digest of everything that the rows depend on.
    """

    def __init__(self, path: str | os.PathLike[str], key: str):
        self.path = Path(path)
        self._last = key.encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[Row] = []
        self._n_bytes = 0
        with open(self.path, "a+b") as stream:
            stream.seek(0)
            for line in stream:
                found, _, content = line.rstrip(b"\n").partition(b" ")
                if not line.endswith(b"\n") or found != self._digest(content):
                    break
                self._note(found, content, len(line))
            stream.truncate(self._n_bytes)

    def append(self, row: Mapping[str, Any]) -> Row:
        """Write one row through to the disk; returns it as a resumed job would read it.

        Raises
        ------
        UserError
            When the disk is full (rows written before stay), or when the file is not as this journal has left it.
        """
        content = json.dumps(row).encode()
        digest = self._digest(content)
        line = digest + b" " + content + b"\n"
        found = self.path.stat().st_size if self.path.exists() else None
        if found != self._n_bytes:
            raise UserError(
                f"{self.path}: another program has changed it while this job worked: expected {self._n_bytes:,} bytes, "
                f"found {'no file' if found is None else f'{found:,}'}; run again, and it goes on after what is whole"
            )
        try:
            with open(self.path, "ab") as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            if not disk_is_full(error):
                raise
            raise UserError(
                f"{self.path}: the disk is full: the next line needs {len(line):,} bytes, "
                f"{free_bytes(self.path):,} are free; make room and run again, "
                f"and it goes on after the {len(self.rows)} finished rows"
            ) from error
        self._note(digest, content, len(line))
        return self.rows[-1]

    def remove(self) -> None:
        """Delete the journal; for when its rows stand in a complete file."""
        self.path.unlink(missing_ok=True)

    def _digest(self, content: bytes) -> bytes:
        return hashlib.sha256(self._last + b" " + content).hexdigest()[:16].encode()

    def _note(self, digest: bytes, content: bytes, n_bytes: int) -> None:
        self.rows.append(json.loads(content))
        self._last = digest
        self._n_bytes += n_bytes


def check_complete(what: str, found: Iterable[Hashable], asked: Iterable[Hashable]) -> None:
    """Refuse to write what is not all that was asked, or more: damage or a defect, which shall not look like a result.

    Parameters
    ----------
    what : str
        What is counted and where, for example ``"train toy, seed 1: checkpoints"``.
    found, asked : iterables
        In the order in which they are to be written.

    Raises
    ------
    UserError
        Names what is missing, too much, or doubled.
    """
    made, wanted = list(found), list(asked)
    if made == wanted:
        return
    faults = {
        "missing": [each for each in wanted if each not in made],
        "not asked for": [each for each in made if each not in wanted],
        "there twice": list(dict.fromkeys(each for each in made if made.count(each) > 1)),
    }
    told = "; ".join(f"{fault}: {_some(those)}" for fault, those in faults.items() if those) or "in another order"
    raise UserError(
        f"{what}: expected {len(wanted)}, found {len(made)} ({told}); nothing was written: run again, and if it says "
        "the same, report it as a defect"
    )


def _some(those: list[Hashable]) -> str:
    more = f" and {len(those) - 3} more" if len(those) > 3 else ""
    return f"{', '.join(map(str, those[:3]))}{more}"
