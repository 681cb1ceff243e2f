"""Files that appear whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from weightspectra.errors import UserError


@contextmanager
def replace_file(path: str | os.PathLike[str], expected_bytes: int = 0) -> Iterator[BinaryIO]:
    """Open a file for writing (and reading back) that takes its name only once it is complete.

    The bytes go to a hidden neighbour in the same folder, which is flushed to
    the disk and renamed when the block ends without an error, and removed when
    it does not. The neighbour's name is fixed, so that what a killed process
    left behind is overwritten by the next one.

    Parameters
    ----------
    path : path
        Where the complete file will stand; missing folders are made.
    expected_bytes : int
        The size to name when the disk is full (0: what was written so far).

    Raises
    ------
    UserError
        When the disk is full; names the path, the bytes needed and those free.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    written = 0
    try:
        with open(partial, "w+b") as stream:
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            finally:
                written = os.fstat(stream.fileno()).st_size
        partial.replace(target)
        _flush_folder(target.parent)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = max(expected_bytes, written)
            free = shutil.disk_usage(target.parent).free
            raise UserError(
                f"{target}: the disk is full: the file needs at least {needed:,} bytes, "
                f"{free:,} are free; make room and run again (nothing half-written was left)"
            ) from error
        raise


def _flush_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
