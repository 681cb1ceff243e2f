"""Wheels, zip files and tar files as lists of the files in them; what is not of their formats is refused."""

import errno
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from weightspectra.base.atomic import free_bytes, replace_file
from weightspectra.base.errors import UserError

_FAULTS = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, MemoryError),
    # Encrypted files are a RuntimeError, unknown methods a NotImplementedError, impossible offsets the other two.
    *(RuntimeError, ValueError, OverflowError),
)


_ZIP_END = struct.Struct("<4s6xH10x")
"""The record that ends a zip file: its signature and the number of entries (0xFFFF: a larger record says)."""

_ENCRYPTED = 1


class _Entry(NamedTuple):
    """One file of an archive; links, devices and files with holes are not plain."""

    name: str
    n_bytes: int
    is_plain: bool
    open: Callable[[], IO[bytes]]


def unpack_package(archive: Path, member: str, destination: Path) -> list[Path]:
    """Unpack one folder, or one file, of an archive.

    Parameters
    ----------
    archive : path
        A wheel or another zip file, or a tar file.
    member : str
        A folder or file inside it, as the archive spells it: ``"name/data"``.
    destination : path
        The folder's content, or the file, is put into this folder.

    Returns
    -------
    list of path
        The unpacked files, sorted.

    Raises
    ------
    UserError
        When the archive lacks the member, cannot be read, would fill the disk, or holds an entry
        there that is a link, stands twice, or leads out of the folder.
    """
    wanted = member.strip("/")
    unpacked = []
    with _opened(archive) as entries:
        chosen = [entry for entry in entries if entry.name == wanted or entry.name.startswith(f"{wanted}/")]
        if not chosen:
            folders = sorted({entry.name.rpartition("/")[0] or entry.name for entry in entries})
            shown = ", ".join(folders[:12]) + (", ..." if len(folders) > 12 else "")
            raise UserError(f"{archive.name} holds no '{member}'; it holds: {shown}")
        _check_sizes(archive, chosen, destination)
        for entry in chosen:
            inner = entry.name[len(wanted) + 1 :] or PurePosixPath(entry.name).name
            if not entry.is_plain or {"..", ""} & set(inner.split("/")) or "\\" in inner:
                raise UserError(f"{archive.name}: '{entry.name}' is a link or leads out of its folder; nothing is used")
            with entry.open() as source, replace_file(destination / inner, entry.n_bytes) as target:
                shutil.copyfileobj(source, target, 1 << 20)
                if target.tell() != entry.n_bytes:
                    raise ValueError(f"'{entry.name}' has {target.tell():,} bytes in place of {entry.n_bytes:,}")
            unpacked.append(destination / inner)
    return sorted(unpacked)


def _check_sizes(archive: Path, chosen: list[_Entry], destination: Path) -> None:
    """Refuse names that stand twice, and sizes that the disk cannot hold: a few bytes may claim to be any number."""
    name, n_times = Counter(entry.name for entry in chosen).most_common(1)[0]
    if n_times > 1:
        raise UserError(f"{archive.name}: '{name}' stands in it {n_times} times; nothing is used")
    needed = sum(entry.n_bytes for entry in chosen)
    free = free_bytes(destination)
    if needed > free:
        raise UserError(
            f"{archive.name}: its files are said to be {needed:,} bytes, {free:,} are free in {destination}; make room "
            "and run again if that can be, or take another archive"
        )


@contextmanager
def _opened(archive: Path) -> Iterator[list[_Entry]]:
    """Open a zip or tar file as a list of its entries, folders left out."""
    try:
        if archive.name.endswith((".whl", ".zip")):
            with zipfile.ZipFile(archive) as file:
                _check_directory(file)
                yield [_zip_entry(file, info) for info in file.infolist() if not info.is_dir()]
        else:
            with tarfile.open(archive) as file:
                yield [_tar_entry(file, info) for info in _members(file) if not info.isdir()]
    except _FAULTS as error:
        raise UserError(f"{archive.name}: not a readable archive ({str(error) or type(error).__name__})") from error
    except OSError as error:
        # The decompressors' own errors have no number; the others are of names that no file can have.
        if error.errno not in (None, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL):
            raise
        raise UserError(f"{archive.name}: not a readable archive ({error})") from error


def _members(file: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield what a tar file holds, up to its end: tarfile itself takes whatever is no header for that."""
    info = None
    for info in file:
        if info.size < 0:  # which would lead back to where it stands, for ever
            raise ValueError(f"'{info.name}' is said to have {info.size} bytes")
        yield info
    stream: IO[bytes] = file.fileobj  # type: ignore[assignment]
    stream.seek(file.offset)
    last = f"after '{info.name}'" if info else "at its beginning"
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise ValueError(f"it breaks off {last}, where its end or another file should be")
    while padding := stream.read(1 << 20):  # read to the end, too, for the decompressor to compare its checksum
        if padding.strip(b"\0"):
            raise ValueError(f"its end stands {last}, but more follows")


def _check_directory(file: zipfile.ZipFile) -> None:
    """Hold the list of a zip file's entries against their number, and each name against the one before its content.

    The list has no checksum: what is lost of it, or renamed in it, would not be missed.
    """
    entries, stream = file.infolist(), file.fp
    assert stream is not None
    stream.seek(-len(file.comment) - _ZIP_END.size, 2)
    signature, n_entries = _ZIP_END.unpack(stream.read(_ZIP_END.size))
    if signature == b"PK\5\6" and n_entries not in (0xFFFF, len(entries)):
        raise ValueError(f"its end speaks of {n_entries:,} entries, its list of {len(entries):,}")
    for info in entries:
        if not info.flag_bits & _ENCRYPTED:
            file.open(info).close()


def _zip_entry(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Entry:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return _Entry(info.filename, info.file_size, kind in (0, stat.S_IFREG), lambda: file.open(info))


def _tar_entry(file: tarfile.TarFile, info: tarfile.TarInfo) -> _Entry:
    plain = info.isreg() and not info.issparse()  # holes cost nothing to claim
    return _Entry(info.name.removeprefix("./"), info.size, plain, lambda: file.extractfile(info))  # type: ignore[arg-type,return-value]
