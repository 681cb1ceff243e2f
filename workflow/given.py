"""The user's own files: what is read of them, so that what is made of them is made anew when they change."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from weightspectra.base.provenance import digest
from weightspectra.config.configuration import Configuration
from weightspectra.sources import folders, given
from weightspectra.sources.fetched import Hashes
from weightspectra.sources.labelled import tables
from weightspectra.sources.texts import given_texts

Wildcards = Any


class Given:
    """The files on this machine that a configuration names.

    Those of models are inputs of their jobs, and seen to change by their dates. Of texts and tables, which are many and
    may be Parquet (jobs read the footers of Parquet inputs, and delete those that are corrupt), jobs get a digest of
    names and contents, so that what is only touched or copied re-runs nothing. Their hashes are remembered.
    """

    def __init__(self, settings: Configuration):
        self._settings = settings
        self._hashes = Hashes(Path(".snakemake") / "hashed-texts.json")

    def model_files(self, wildcards: Wildcards) -> list[str]:
        """Return the files of a local model that exist; nothing of a model that comes from elsewhere."""
        source = self._settings.models[wildcards.model].source
        if source.path:
            folder = Path(source.path).expanduser()
            names = [path.name for path in folder.glob("*")]
            read = {*folders.companions(names, code=True), *folders.of_weights(names)}
            return sorted(str(folder / name) for name in read)
        file = Path(source.gguf.path).expanduser() / source.gguf.file if source.gguf and source.gguf.path else None
        return [str(file)] if file and file.is_file() else []

    def texts(self, wildcards: Wildcards) -> str:
        """Return the digest of what a corpus is read from; nothing if it comes from elsewhere."""
        path = self._settings.corpora[wildcards.corpus].source.path
        return self._digest_of(path, given_texts(Path(path))) if path else ""

    def tables(self, wildcards: Wildcards) -> str:
        """Return the digest of what labelled texts are read from; nothing if they come from elsewhere."""
        path = self._settings.data_sets[wildcards.data_set].source.path
        return self._digest_of(path, given.files(Path(path), tables.READERS)) if path else ""

    def task_tables(self, wildcards: Wildcards) -> str:
        """Return the digest of the Parquet files that a task's data are read from; its other files are inputs."""
        path = self._settings.tasks[wildcards.task].data
        return self._digest_of(path, given.files(Path(path), (".parquet",))) if path else ""

    def _digest_of(self, place: str, files: Iterable[Path]) -> str:
        hashed = self._hashes.of_all(files)
        return digest([[path.relative_to(place).as_posix(), sha256] for path, sha256 in hashed.items()])
