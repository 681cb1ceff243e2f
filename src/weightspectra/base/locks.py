"""Locks of the operating system's: what one process works on, no other one touches, on whatever machine.

A lock ends with its process, however that ends. Its file says who holds it, and is deleted when it is given back; one
that a killed process has left is no lock, and the next holder takes it over.
"""

import contextlib
import errno
import fcntl
import os
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from weightspectra.base.errors import UserError

_PAUSE_S = 0.2
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class Lock:
    """The right to work on something, for one process at a time.

    Parameters
    ----------
    path : path
        The lock's file; folders above it are made.
    what : str
        What is worked on, as a message calls it.
    patience_s : float
        How long to wait for another holder's end.

    Notes
    -----
    ``flock`` and not ``lockf``: it is not lost when some library opens and closes the same file, and a process
    that is forked from the holder keeps it. Over NFS, Linux makes it a lock that all machines see.
    """

    def __init__(self, path: str | os.PathLike[str], what: str, patience_s: float = 0):
        self._path, self._what, self._patience_s = Path(path), what, patience_s
        self._stream: BinaryIO | None = None

    def __enter__(self) -> "Lock":
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()

    def take(self) -> None:
        """Take the lock, or wait for it.

        Raises
        ------
        UserError
            When another process holds it all the while (names its number, machine and folder), or the folder cannot
            be written to.
        """
        end = time.monotonic() + self._patience_s
        waits = False
        while (stream := self._attempt()) is None:
            holder = _holder(self._path)
            if time.monotonic() >= end:
                raise UserError(f"{self._what} is being written to by {holder}; wait for its end, or stop it")
            if not waits:
                print(f"{self._what}: waiting for {holder}, which still writes to it", file=sys.stderr)
            waits = True
            time.sleep(_PAUSE_S)
        self._stream = stream
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()} in {Path.cwd()}\n".encode())
        stream.flush()

    def give_back(self) -> None:
        """Give the lock back, and delete its file."""
        if self._stream is not None:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            self._stream.close()
            self._stream = None

    def _attempt(self) -> BinaryIO | None:
        """Return the locked file, or nothing if somebody else holds it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            stream = open(self._path, "a+b")  # noqa: SIM115 (closed by give_back)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            raise UserError(
                f"{self._what} cannot be written to ({self._path.parent}: {os.strerror(error.errno)}); "
                "make the folder writable, or name another one under pathvars: results"
            ) from error
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            print(
                f"{self._what}: its file system has no locks: see to it that no second run writes there",
                file=sys.stderr,
            )
            return stream
        if _is_still_there(stream, self._path):
            return stream
        stream.close()  # its last holder has deleted it meanwhile: others would lock the file that stands there now
        return self._attempt()


def _is_still_there(stream: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    """Return who says to hold a lock."""
    try:
        return path.read_text().strip() or "another process"
    except OSError:
        return "another process"
