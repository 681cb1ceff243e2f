"""What a fetched task consists of: every file of it, and the digest that each had when it was fetched."""

from collections.abc import Iterator
from pathlib import Path

import yaml


def recorded(folder: Path, file: str, sha256: str) -> Iterator[tuple[str, str]]:
    """Yield the files of one task and their digests, that of its settings first: what they say is not read before it.

    Parameters
    ----------
    folder : path
        What :func:`weightspectra.ablation.tasks.task_files.prepare` filled.
    file, sha256 : str
        As in ``contracts.TASKS``.
    """
    yield file, sha256
    settings = yaml.safe_load((folder / file).read_text())
    yield from settings["code"].items()
    for stored in settings["splits"].values():
        yield f"{settings['data']}/{stored['file']}", stored["sha256"]
