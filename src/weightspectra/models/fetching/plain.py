"""A fetched checkpoint that is the model's weights under the model's own names, and nothing else.

What every later stage reads, and what transformers loads, has to be one thing. So
tensors that the index of shards does not mean, names that a wrapper put a prefix
to, and weights in 8 bits are settled here once, in the fetched folder.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from weightspectra.base.atomic import replace_file
from weightspectra.base.errors import UserError
from weightspectra.base.progress import track
from weightspectra.models import number_formats, quantised
from weightspectra.models.quantised import Quantised
from weightspectra.sources import checkpoints
from weightspectra.sources.checkpoints import StoredTensor

_ANYWHERE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""What torch.compile, FSDP and activation checkpointing put into names, before the part that they wrap."""

_BASES = ("module.", "model.", "transformer.", "bert.", "roberta.", "gpt_neox.", "distilbert.", "albert.", "lm_head.")
"""What names of a whole model begin with; only before these is ``model.`` a wrapper's, and not the model's own."""


def with_architecture(config: Mapping[str, Any], architecture: str | None) -> dict[str, Any]:
    """Return a configuration with the ``model_type`` that the model's entry gives, where it has none of its own.

    Raises
    ------
    UserError
        When it has another one.
    """
    if architecture is None:
        return dict(config)
    found = config.get("model_type")
    if found not in (None, architecture):
        raise UserError(f"architecture: {architecture}, but config.json says model_type '{found}'; leave the key out")
    return {**config, "model_type": architecture}


def make_plain(folder: Path, architecture: str | None = None) -> list[str]:
    """Settle in a fetched folder what its files leave open; rewrites only what has to be another.

    Parameters
    ----------
    folder : path
        Holds links or files; links are replaced, and what they lead to is left as it is.
    architecture : str, optional
        As in :func:`with_architecture`.

    Returns
    -------
    list of str
        What was changed, in words; empty for most checkpoints.

    Raises
    ------
    UserError
        When the weights are quantised in a format that is not read, or belong to an adapter that is not merged.
    """
    given = checkpoints.config(folder)
    config, changes = with_architecture(given, architecture), []
    if config != given:
        changes.append(f"model_type {architecture} by the configuration")
    tensors = checkpoints.tensors(folder)
    found = quantised.find(tensors, _block(config))
    spent = quantised.companions(tensors, found)
    needed = [name for name in tensors if name not in spent]
    _check_read(config, {name: tensors[name] for name in needed if name not in found})
    for key in ("quantization_config", "compression_config"):
        method = (config.pop(key, None) or {}).get("quant_method", "unknown")
        if key in given:
            changes.append(f"{key} ({method}) left out: the weights are {'dequantised' if found else 'plain'}")
    names = _own_names(needed)
    stale = checkpoints.stale(folder)
    if stale:
        changes.append(f"{len(stale)} tensors left out that the index does not assign to their shard ({stale[0]})")
    if any(name != own for name, own in names.items()):
        changes.append("names without the prefixes of a wrapper")
    if found:
        changes.append(
            f"{len(found)} weights dequantised ({', '.join(sorted({held.format for held in found.values()}))})"
        )
        config["dtype"] = "float32"
        config.pop("torch_dtype", None)
    if stale or found or any(name != own for name, own in names.items()):
        _write(folder, tensors, names, found)
    if config != given:
        with replace_file(folder / "config.json") as stream:
            stream.write((json.dumps(config, indent=2, sort_keys=True) + "\n").encode())
    return changes


def _block(config: Mapping[str, Any]) -> tuple[int, int] | None:
    size = (config.get("quantization_config") or {}).get("weight_block_size")
    if isinstance(size, list) and len(size) == 2 and all(isinstance(step, int) and step > 0 for step in size):
        return size[0], size[1]
    return None


def _check_read(config: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> None:
    """Refuse a quantised checkpoint of which other matrices than those with scales are no plain floats."""
    spoken = config.get("quantization_config") or config.get("compression_config")
    for name, tensor in tensors.items():
        if spoken and len(tensor.shape) > 1 and tensor.format not in number_formats.FORMATS:
            raise UserError(
                f"the checkpoint is quantised ({spoken.get('quant_method', 'unknown method')}): '{name}' is stored as "
                f"{tensor.format}, without a scale that is known; take the original, or dequantise it and save it as "
                "bfloat16"
            )


def _own_names(names: Iterable[str]) -> dict[str, str]:
    """Return each name without what wrappers put into it."""
    own = {name: name for name in names}
    for part in _ANYWHERE:
        own = {name: short.replace(part, "") for name, short in own.items()}
    for prefix in ("module.", "model.") * 2:  # one may stand inside the other
        short = {name: found.removeprefix(prefix) for name, found in own.items()}
        wrapped = all(found.startswith(prefix) for found in own.values())
        if wrapped and (prefix != "model." or any(found.startswith(_BASES) for found in short.values())):
            own = short
    if len(set(own.values())) < len(own):
        twice = next(short for name, short in own.items() if name != short and short in own)
        raise UserError(
            f"'{twice}' stands in the checkpoint twice, with and without the prefix of a wrapper: which of them was "
            "trained is not known; save the model again without its wrapper (torch.compile, FSDP or DDP: the module "
            "inside), or take the other name out of the file"
        )
    return own


def _write(
    folder: Path, tensors: Mapping[str, StoredTensor], names: Mapping[str, str], found: Mapping[str, Quantised]
) -> None:
    """Write the weights into one file, in place of those that are there."""
    replaced = {tensor.file for tensor in tensors.values()} | set(folder.glob(f"*{checkpoints.INDEX_SUFFIX}"))
    kept = {name: tensors[name] for name in sorted(names, key=lambda name: names[name])}
    stored = {names[name]: ("F32" if name in found else held.format, held.shape) for name, held in kept.items()}

    def contents() -> Iterator[np.ndarray]:
        for name, held in track(kept.items(), len(kept), f"rewrite {folder.name}", "tensors"):
            yield found[name].read() if name in found else held.array()

    rounding = {names[name]: held.rounding_std() for name, held in found.items()}
    rounding |= {names[name]: held.rounding_std for name, held in kept.items() if held.rounding_std is not None}
    formats = {names[name]: held.format for name, held in found.items()}
    formats |= {names[name]: held.quantisation for name, held in kept.items() if held.quantisation is not None}
    notes = {"rounding_std": rounding, "formats": formats} if rounding else {}
    described = {key: json.dumps(value, sort_keys=True) for key, value in notes.items()}
    checkpoints.write_safetensors(folder / "model.safetensors", stored, contents(), {"format": "pt", **described})
    for path in replaced - {folder / "model.safetensors"}:
        path.unlink(missing_ok=True)
