"""The hub's cache: a file in it is named by its own hash, so that damage is seen before anything is made of it."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from weightspectra.base.errors import UserError
from weightspectra.base.provenance import file_sha256


def check_blobs(files: Iterable[Path]) -> None:
    """Hold files of a snapshot against the hashes that name them: SHA-256 of large ones, Git's SHA-1 of small ones.

    Parameters
    ----------
    files : iterable of path
        Links from a snapshot into ``blobs``; what is no such link has no hash in its name, and passes.

    Raises
    ------
    UserError
        When one differs. It is removed from the cache, and the link to it stays: a snapshot with a link that leads
        nowhere counts as incomplete.
    """
    for path in files:
        blob = path.parent / path.readlink() if path.is_symlink() else path
        found = _hash(blob, blob.name)
        if found != blob.name:
            blob.resolve().unlink()
            raise UserError(
                f"{path}: damaged in the hub's cache: expected the hash {blob.name}, found {found}; "
                "it was removed: run again and it is downloaded anew"
            )


def is_whole(snapshot: Path) -> bool:
    """Return whether every link of a snapshot leads to a file."""
    return all(path.exists() for path in snapshot.rglob("*"))


def _hash(blob: Path, name: str) -> str:
    """Return the hash of a file in the kind of its name; the name itself, if that is no hash."""
    if re.fullmatch("[0-9a-f]{64}", name):
        return file_sha256(blob)
    if re.fullmatch("[0-9a-f]{40}", name):
        content = blob.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return name
