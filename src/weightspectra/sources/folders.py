"""Which files make up a model's folder, and whether they are all there and whole."""

import fnmatch
from collections.abc import Collection, Iterable
from pathlib import Path

from weightspectra.base.errors import UserError
from weightspectra.sources import checkpoints
from weightspectra.sources.formats import pickles
from weightspectra.sources.formats.damaged import DamagedCheckpointError

SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model")
"""Files of which at least one comes with every tokenizer."""

_COMPANIONS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.bpe", "*.codes")


def companions(names: Iterable[str], *, code: bool = False) -> list[str]:
    """Choose configuration and tokenizer files (and Python files, if ``code``); no weights, no subfolders."""
    patterns = (*_COMPANIONS, "*.py") if code else _COMPANIONS
    chosen = {name for name in names for pattern in patterns if fnmatch.fnmatch(name, pattern)}
    return sorted(name for name in chosen if "/" not in name and not name.endswith(".index.json"))


def of_weights(names: Iterable[str]) -> list[str]:
    """Choose what may hold weights, or say where they are."""
    return sorted(name for name in names if name.endswith((".safetensors", ".bin", checkpoints.INDEX_SUFFIX)))


def checkpoint(names: Collection[str], where: str, *, allow_pickle: bool = False) -> str:
    """Choose the file that holds the weights, or the index of their shards.

    Parameters
    ----------
    names : collection of str
        The files that there are.
    where : str
        What to call the place in a message.
    allow_pickle : bool
        Accept pickled weights where there are no safetensors.

    Raises
    ------
    UserError
        When there is no ``config.json``, no weights, or only pickled ones.
    """
    if "adapter_config.json" in names:
        beside = any(name in names for name in (*SAFETENSORS, *PICKLES))
        cure = "take adapter_config.json away if the weights are merged or another model's" if beside else ""
        raise UserError(
            f"{where}: it holds an adapter (adapter_config.json), which transformers puts on another model; merge the "
            f"two (peft: merge_and_unload(), then save_pretrained) and take the result{', or ' * beside}{cure}"
        )
    if "config.json" not in names:
        raise UserError(f"{where}: no config.json; expected a folder as save_pretrained writes it")
    found = next((name for name in SAFETENSORS if name in names), None)
    pickled = next((name for name in PICKLES if name in names), None)
    if found or (pickled and allow_pickle):
        return found or str(pickled)
    if pickled:
        raise UserError(
            f"{where}: its weights are pickled ({pickled}), and a pickle can run code when it is opened; convert them "
            "to safetensors, or set allow_pickle: true for this model (they are then loaded with weights_only=True)"
        )
    raise UserError(
        f"{where}: no weights; expected {' or '.join(SAFETENSORS)}; found {', '.join(sorted(names)[:12]) or 'nothing'}"
    )


def weight_files(checkpoint_name: str, folder: Path) -> list[str]:
    """Return the files with weights: the one checkpoint, or the index and the shards that it names."""
    if not checkpoint_name.endswith(".index.json"):
        return [checkpoint_name]
    return [checkpoint_name, *checkpoints.assignments(folder / checkpoint_name)]


def check_weights(folder: Path, names: Iterable[str], where: str) -> None:
    """Refuse missing shards and truncated files; reads only the headers.

    Parameters
    ----------
    folder : path
    names : iterable of str
        What :func:`weight_files` returned.
    where : str
        What to call the folder in a message.

    Raises
    ------
    UserError
        Names the first fault.
    """
    names = list(names)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{where}: incomplete: {len(missing)} of {len(names)} files are missing, the first is {missing[0]}; "
            "fetch or copy them again"
        )
    for name in (name for name in names if name.endswith(".bin")):
        _check_pickle(folder / name, where)
    try:
        # The end of a zip archive shows that a pickle is whole; what is older has to be read for that.
        if not all(pickles.is_whole_archive(folder / name) for name in names if not name.endswith(".index.json")):
            checkpoints.tensors(folder)
    except UserError as error:
        # The cure of damage speaks of a fetched folder; here the fault is in what is to be fetched.
        found = f"{error.fault}; fetch or copy it again" if isinstance(error, DamagedCheckpointError) else str(error)
        raise UserError(found.replace(str(folder), where)) from error


def _check_pickle(path: Path, where: str) -> None:
    """Refuse a file that PyTorch cannot have written whole; tells one that was cut off from one that is only old."""
    if pickles.is_whole_archive(path) or pickles.is_old(path):
        return
    with open(path, "rb") as stream:
        begun = stream.read(2) == b"PK"
    found = "is truncated: it begins as PyTorch writes, but has no end" if begun else "is no checkpoint of PyTorch"
    raise UserError(f"{where}: {path.name} {found}; fetch or copy it again, or take safetensors files")
