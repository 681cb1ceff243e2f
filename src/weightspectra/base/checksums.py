"""Checksums of files that carry none of their own, in a file beside them as ``sha256sum`` writes and checks it."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from weightspectra.base.atomic import replace_file
from weightspectra.base.errors import UserError
from weightspectra.base.provenance import file_sha256

SUFFIX = ".sha256"

StrPath = str | os.PathLike[str]


def write_sums(files: Iterable[StrPath], sums: StrPath) -> None:
    """Write the checksums of files that lie in one folder, or in folders in it, into a file of that folder."""
    folder = Path(sums).parent
    hashed = {Path(path).relative_to(folder).as_posix(): file_sha256(path) for path in files}
    with replace_file(sums) as stream:
        stream.write(_listed(hashed))


def whole(path: StrPath) -> Path:
    """Return a file that is as the checksums in the file of the same stem beside it say.

    Raises
    ------
    UserError
        When it differs, or nothing there speaks of it. It is deleted, so that the next run makes it anew.
    """
    file = Path(path)
    sums = file.with_suffix(SUFFIX)
    fault = covered(sums).get(file, f"{sums.name} does not name it") if sums.is_file() else f"{sums.name} is missing"
    if fault:
        file.unlink(missing_ok=True)
        raise UserError(f"{file}: damaged ({fault}); it was deleted: run again and it is made anew")
    return file


def covered(sums: Path) -> dict[Path, str]:
    """Return the files that a file of checksums speaks of, itself included, and what is wrong with each; '' if nothing.

    Its own form is strict, so that no bit of it can change in silence.
    """
    told = sums.read_bytes()
    promised = dict(line.split("  ", 1)[::-1] for line in told.decode(errors="replace").split("\n") if "  " in line)
    found: dict[Path, str] = {}
    for name, expected in promised.items():
        path = sums.parent / name
        actual = file_sha256(path) if path.is_file() else ""
        found[path] = f"expected SHA-256 {expected}, found {actual}" if actual else "it is missing"
        found[path] = "" if actual == expected else found[path]
    found[sums] = "" if promised and told == _listed(promised) else "it is no list of checksums"
    return found


def remove_others(folder: StrPath, stems: Collection[str]) -> list[str]:
    """Delete the files of a folder that have checksums, but for those of these stems; return the stems deleted.

    Only what has the stem of its checksums goes, and the checksums go last: what is interrupted is found again.
    """
    found = [sums for sums in sorted(Path(folder).glob(f"*{SUFFIX}")) if sums.stem not in stems]
    for sums in found:
        for path in sorted(covered(sums).keys() - {sums}):
            if path.parent == sums.parent and path.stem == sums.stem:
                path.unlink(missing_ok=True)
        sums.unlink()
    return [sums.stem for sums in found]


def _listed(hashed: Mapping[str, str]) -> bytes:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(hashed.items())).encode()
