"""The user's own files: which of a folder are read, and so which of them bring a text anew when they change."""

from collections.abc import Collection
from pathlib import Path


def files(path: Path, suffixes: Collection[str]) -> list[Path]:
    """Return a file, or those in a folder and the folders in it whose names end in one of some ways.

    Hidden files and folders are left out: editors and file managers keep copies there
    (``.ipynb_checkpoints/notes-checkpoint.txt``, ``._notes.txt``).

    Parameters
    ----------
    path : path
        It need not exist.
    suffixes : collection of str
        In small letters, with their dots; ``.TXT`` ends as ``.txt`` does. A file that is named itself may end in any.
    """
    if path.is_file():
        return [path]
    return sorted(found for found in _shown(path) if found.suffix.lower() in suffixes)


def endings(path: Path) -> str:
    """Name the endings of the files that a folder shows, for a message: ``.csv, .md``."""
    return ", ".join(sorted({found.suffix or found.name for found in _shown(path)})) or "nothing"


def _shown(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
