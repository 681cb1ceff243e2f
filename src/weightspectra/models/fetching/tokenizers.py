"""Another tokenizer in the place of a model's own."""

import fnmatch
from collections.abc import Iterable
from pathlib import Path

from weightspectra.base.errors import UserError
from weightspectra.models.settings import TokenizerSource
from weightspectra.sources.folders import TOKENIZER

PARTS = (
    *TOKENIZER,
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", "chat_template.jinja"),
    *("normalizer.json", "*.tiktoken", "*.bpe", "*.codes"),
)
"""What makes up a tokenizer's files."""


def tokenizer_files(wanted: TokenizerSource, like: Path | None = None) -> list[Path]:
    """Return the files of another tokenizer.

    Parameters
    ----------
    wanted : TokenizerSource
    like : path, optional
        The folder of the model that ``wanted.like`` names.

    Raises
    ------
    UserError
        When there is no tokenizer where one is looked for.
    """
    source, where = _source(wanted, like)
    files = [source] if source.is_file() else [path for path in sorted(source.iterdir()) if _is_part(path.name)]
    if source.is_file() and source.name != "tokenizer.json":
        raise UserError(f"tokenizer: {where} is no tokenizer.json; name that file, or the folder of a tokenizer")
    if not any(path.name in TOKENIZER for path in files):
        raise UserError(f"tokenizer: {where} holds no tokenizer; expected one of {', '.join(TOKENIZER)}")
    return files


def replace_tokenizer(folder: Path, files: Iterable[Path]) -> None:
    """Take a model's tokenizer files out of its folder, and link those of another tokenizer."""
    for path in [path for path in folder.iterdir() if _is_part(path.name)]:
        path.unlink()
    for path in files:
        (folder / path.name).symlink_to(path.resolve())


def _source(wanted: TokenizerSource, like: Path | None) -> tuple[Path, str]:
    """Return the folder or file of a tokenizer, and what to call it in a message."""
    if wanted.hub:
        from weightspectra.sources.hub import fetch_files

        found = fetch_files(wanted.hub.repo, wanted.hub.revision, PARTS)
        return found, f"{wanted.hub.repo}@{wanted.hub.revision}"
    if wanted.path:
        place = Path(wanted.path).expanduser()
        if not place.exists():
            raise UserError(f"tokenizer: {place} does not exist; name a folder that holds one, or a tokenizer.json")
        return place, str(wanted.path)
    if like is None:
        raise ValueError(f"the folder of '{wanted.like}' is needed to take its tokenizer")
    return like, f"the model '{wanted.like}'"


def _is_part(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in PARTS)
