"""From a model's entry in the configuration to a local folder with everything that later stages read."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weightspectra.base.atomic import replace_folder
from weightspectra.base.errors import UserError
from weightspectra.base.progress import track
from weightspectra.base.provenance import file_sha256
from weightspectra.models import weights
from weightspectra.models.fetching.kinds import filled
from weightspectra.models.fetching.order import Check, Order, Origin
from weightspectra.models.fetching.plain import make_plain, with_architecture
from weightspectra.models.fetching.tokenizers import replace_tokenizer, tokenizer_files
from weightspectra.models.settings import Model
from weightspectra.sources import checkpoints
from weightspectra.sources.formats.damaged import REFETCH, DamagedCheckpointError

_CURES = {
    "hub": "take another revision of the model, or remove it from the hub's cache and run again",
    "path": "mend the files in its folder, or copy them again",
    "package": "take another version of the package",
}
"""What cures damage in what others wrote, by the kind of source."""


@dataclass(frozen=True)
class SourceFacts:
    """What was fetched: its origin, its architecture and its files (``path``, ``n_bytes``, ``sha256``)."""

    origin: Origin
    architecture: str
    files: list[dict[str, Any]]

    @property
    def provenance(self) -> dict[str, Any]:
        """The model's entry in the provenance of every result."""
        listed = "".join(f"{file['sha256']}  {file['path']}\n" for file in self.files)
        return {
            **{key: value for key, value in vars(self.origin).items() if key != "changes" or value},
            "architecture": self.architecture,
            "sha256": hashlib.sha256(listed.encode()).hexdigest(),
        }


def fetch(
    name: str,
    entry: Model,
    folder: Path,
    *,
    seed: int | None,
    made_from: Path | None = None,
    tokenizer_from: Path | None = None,
    check: Check = lambda config: None,
    texts: bool = False,
) -> SourceFacts:
    """Fill a folder with a model's weights, configuration and tokenizer.

    Files of the hub's cache and of local folders are linked, everything else
    is written. The folder is made anew beside its place and takes it when it
    is complete, so that nothing of an earlier source survives.

    Parameters
    ----------
    folder : path
        Where the files will stand.
    name, entry, seed, made_from, check
        As in an ``Order``.
    texts : bool
        Whether the model is given texts, so that it has to have a tokenizer that fits.
    tokenizer_from : path, optional
        Folder of the model whose tokenizer this one has.

    Raises
    ------
    UserError
        When the source cannot be had, is incomplete, or is not to be trusted.
    """

    def checked(config: dict[str, Any]) -> None:
        check(with_architecture(config, entry.architecture))

    try:
        # Before the model, which may take hours: what is missing is said at once.
        lent = tokenizer_files(entry.tokenizer, tokenizer_from) if entry.tokenizer else []
        with replace_folder(folder) as staging:
            origin = filled(Order(name, entry, staging, seed, made_from, checked))
            if entry.source.kind in _CURES:
                origin = replace(origin, changes=_made_plain(name, entry, staging))
            config = checkpoints.config(staging)
            check(config)
            if lent:
                replace_tokenizer(staging, lent)
            weights.matrices(staging)
            if texts and entry.source.kind in _CURES:
                from weightspectra.models.loading import check_reads_texts  # which imports transformers

                check_reads_texts(staging, trust_remote_code=entry.trust_remote_code)
            return SourceFacts(origin, _architecture(config), _manifest(name, staging))
    except DamagedCheckpointError as error:
        raise UserError(f"model '{name}': {error.fault}; {_CURES.get(entry.source.kind, REFETCH)}") from error
    except UserError as error:
        raise UserError(f"model '{name}': {error}") from error


def _made_plain(name: str, entry: Model, staging: Path) -> list[str]:
    """Make what came from outside plain; return what was changed, of which each line is printed, too."""
    changes = make_plain(staging, entry.architecture)
    for change in changes:
        print(f"{name}: {change}", file=sys.stderr)
    return changes


def _architecture(config: Mapping[str, Any]) -> str:
    return (config.get("architectures") or [config.get("model_type", "unknown")])[0]


def _manifest(name: str, folder: Path) -> list[dict[str, Any]]:
    paths = sorted(folder.iterdir())
    return [
        {"path": path.name, "n_bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in track(paths, len(paths), f"hash {name}", "files")
    ]
