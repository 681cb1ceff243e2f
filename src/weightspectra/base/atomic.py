"""Files and folders that appear whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from weightspectra.base.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)


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
    partial = target.with_name(f".{target.name}.partial")
    written = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "w+b") as stream:
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            finally:
                written = os.fstat(stream.fileno()).st_size
        partial.replace(target)
        _flush(target.parent)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        _explain_full_disk(error, target, "file", max(expected_bytes, written))
        raise


@contextmanager
def replace_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a folder that takes its name, and the place of an older one, only once it is complete.

    What is put into the hidden neighbour that the block is given is flushed to the disk,
    readable for everyone, and renamed when the block ends without an error,
    and removed when it does not. What links in it lead to is left as it is.

    Parameters
    ----------
    path : path
        Where the complete folder will stand; missing folders above it are made.

    Raises
    ------
    UserError
        When the disk is full.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        for found in (partial, *partial.rglob("*")):
            if not found.is_symlink():
                found.chmod(0o755 if found.is_dir() else 0o644)
                _flush(found)
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
        _flush(target.parent)
    except BaseException as error:
        written = sum(found.stat().st_size for found in partial.rglob("*") if found.is_file())
        shutil.rmtree(partial, ignore_errors=True)
        _explain_full_disk(error, target, "folder", written)
        raise


def disk_is_full(error: BaseException | None) -> bool:
    """Say whether an error, or one that it was raised from, is of a full disk or quota.

    Libraries of other languages tell it in words alone, as safetensors and the hub's do.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if not isinstance(error, UserError) and any(os.strerror(code) in str(error) for code in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def free_bytes(path: Path) -> int:
    """Return how many bytes are free where a path is or would be."""
    whole = path.absolute()
    return shutil.disk_usage(next(place for place in (whole, *whole.parents) if place.exists())).free


def _explain_full_disk(error: BaseException, target: Path, what: str, needed: int) -> None:
    if not isinstance(error, UserError) and disk_is_full(error):
        raise UserError(
            f"{target}: the disk is full: the {what} needs at least {needed:,} bytes, "
            f"{free_bytes(target):,} are free; make room and run again (nothing half-written was left)"
        ) from error


def _flush(path: Path) -> None:
    """Make the bytes of a file, or a rename in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
