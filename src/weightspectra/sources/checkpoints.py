"""The tensors of a checkpoint on disk, one at a time, without building the model.

Safetensors files are mapped into memory by NumPy, so that reading a matrix
costs the matrix and no deep-learning library is imported; they are written likewise. Pickled checkpoints
(.bin) need PyTorch, which is imported only for them.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from weightspectra.base.atomic import replace_file
from weightspectra.base.errors import UserError
from weightspectra.sources.formats.damaged import DamagedCheckpointError
from weightspectra.sources.formats.safetensors_header import Entry, read_header

STORAGE: dict[str, np.dtype[Any]] = {
    "BF16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "BOOL": np.dtype("?"),
    "F8_E4M3": np.dtype("u1"),
    "F8_E5M2": np.dtype("u1"),
}
"""NumPy type of each number format that can be read; bfloat16 and 8-bit floats come as their bits."""

SINGLE = ("model.safetensors", "pytorch_model.bin")
INDEX_SUFFIX = ".index.json"

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class StoredTensor:
    """One tensor in a checkpoint.

    Parameters
    ----------
    format : str
        Number format in the words of safetensors: ``BF16``, ``F32``, ...
    shape : tuple of int
    file : path
    array : callable
        Returns a fresh, read-only array of the stored numbers (see ``STORAGE``),
        whose pages are given back when it is dropped.
    quantisation : str or None
        Format from which the tensor was dequantised (``Q4_1``).
    rounding_std : float or None
        Root mean square error of an entry by that, where the file's writer says it.
    """

    format: str
    shape: tuple[int, ...]
    file: Path
    array: Callable[[], np.ndarray]
    quantisation: str | None = None
    rounding_std: float | None = None


def config(folder: StrPath) -> dict[str, Any]:
    """Return the content of a model's ``config.json``.

    Raises
    ------
    UserError
        When it is absent or no JSON.
    """
    path = Path(folder) / "config.json"
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError, RecursionError) as error:
        raise DamagedCheckpointError(f"{path}: no readable model configuration ({error})", path) from error
    if not isinstance(found, dict):
        raise DamagedCheckpointError(
            f"{path}: it holds a {type(found).__name__}, and not a model's configuration", path
        )
    return found


def tensors(folder: StrPath) -> dict[str, StoredTensor]:
    """Return the tensors of a checkpoint by name; reads only headers.

    Parameters
    ----------
    folder : path
        Holds ``model.safetensors`` or ``pytorch_model.bin``, or the index of
        several shards.

    Raises
    ------
    UserError
        When there is no checkpoint, a shard is missing or a file is truncated.
    """
    found: dict[str, StoredTensor] = {}
    for path, assigned in _files(Path(folder)).items():
        if not path.is_file():
            raise DamagedCheckpointError(f"{path}: this shard of the checkpoint is missing", path)
        held = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
        for name in held if assigned is None else assigned:
            if name not in held:
                raise DamagedCheckpointError(
                    f"{path}: the index assigns '{name}' to this shard, which does not hold it; the files are not of "
                    "one checkpoint",
                    path,
                )
            found[name] = held[name]
    return found


def stale(folder: StrPath) -> list[str]:
    """Return the tensors that lie in a shard to which the index does not assign them; another reader may take them."""
    found = []
    for path, assigned in _files(Path(folder)).items():
        if assigned is not None:
            held = read_header(path)[0] if path.suffix == ".safetensors" else _pickled(path)
            found += sorted(held.keys() - set(assigned))
    return found


def assignments(index: Path) -> dict[str, list[str]]:
    """Return the shards of a checkpoint, and which tensors its index assigns to each.

    Parameters
    ----------
    index : path
        Ends in ``.safetensors.index.json`` or ``.bin.index.json``.

    Raises
    ------
    UserError
        When it is no index, leads out of its folder, or names a file of another
        kind than itself: an index of safetensors that names a pickle would have it
        opened unasked.
    """
    try:
        places = json.loads(index.read_text())["weight_map"]
        strange = {str(shard) for shard in places.values() if not isinstance(shard, str)}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise DamagedCheckpointError(
            f"{index}: not an index of shards ({type(error).__name__}: {error})", index
        ) from error
    strange |= {str(shard) for shard in places.values() if "/" in str(shard) or str(shard).startswith(".")}
    if strange:
        raise UserError(f"{index}: '{min(strange)}' is not a plain file name; the index is not to be trusted")
    kind = Path(index.name.removesuffix(INDEX_SUFFIX)).suffix
    other = sorted({shard for shard in places.values() if not shard.endswith(kind)})
    if other:
        raise UserError(
            f"{index}: it names '{other[0]}', which is no {kind} file; the index is not to be trusted, so "
            "nothing was opened"
        )
    shards: dict[str, list[str]] = {shard: [] for shard in sorted(set(places.values()))}
    for name, shard in places.items():
        shards[shard].append(name)
    return shards


def write_safetensors(
    path: Path,
    tensors: Mapping[str, tuple[str, tuple[int, ...]]],
    arrays: Iterable[np.ndarray],
    described: Mapping[str, str],
) -> None:
    """Write a safetensors file tensor by tensor, so that no more than one is in memory.

    Parameters
    ----------
    path : path
    tensors : mapping from str to (str, tuple of int)
        Number format (a key of ``STORAGE``) and shape by name, in the order in which they are stored.
    arrays : iterable of ndarray
        The numbers, in that order.
    described : mapping from str to str
        Metadata for the header. ``quantisation`` and ``rounding_std`` are what
        :func:`tensors` gives back; the latter is JSON, from names to numbers.

    Raises
    ------
    UserError
        When the disk is full, or a format is unknown.
    """
    header: dict[str, Any] = {"__metadata__": dict(described)}
    end = 0
    for name, (number_format, shape) in tensors.items():
        if number_format not in STORAGE:
            raise UserError(f"tensor '{name}' is stored as {number_format}; expected one of {', '.join(STORAGE)}")
        start, end = end, end + STORAGE[number_format].itemsize * math.prod(shape)
        header[name] = {"dtype": number_format, "shape": list(shape), "data_offsets": [start, end]}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with replace_file(path, 8 + len(head) + end) as stream:
        stream.write(len(head).to_bytes(8, "little") + head)
        for (number_format, _), array in zip(tensors.values(), arrays, strict=True):
            stream.write(np.ascontiguousarray(array, dtype=STORAGE[number_format]).reshape(-1).data)


def _files(folder: Path) -> dict[Path, list[str] | None]:
    """Return the files with weights, each with the tensors to take of it; None for all."""
    for name in SINGLE:
        if (folder / name).is_file():
            return {folder / name: None}
        index = folder / f"{name}{INDEX_SUFFIX}"
        if index.is_file():
            return {folder / shard: held for shard, held in assignments(index).items()}
    raise DamagedCheckpointError(f"{folder}: found neither {' nor '.join(SINGLE)} nor an index of shards")


def _safetensors(path: Path) -> dict[str, StoredTensor]:
    entries, metadata = read_header(path)
    rounding, formats = _notes(path, metadata, "rounding_std"), _notes(path, metadata, "formats")
    return {
        name: StoredTensor(
            format=entry.format,
            shape=entry.shape,
            file=path,
            array=_mapper(path, entry),
            quantisation=formats.get(name, metadata.get("quantisation")) if name in rounding else None,
            rounding_std=math.nan if name in rounding and rounding[name] is None else rounding.get(name),
        )
        for name, entry in entries.items()
    }


def _pickled(path: Path) -> dict[str, StoredTensor]:
    from weightspectra.sources.formats import pickles  # which imports PyTorch

    return {
        name: StoredTensor(number_format, shape, path, array)
        for name, (number_format, shape, array) in pickles.tensors(path).items()
    }


def _notes(path: Path, metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    """Return what this program's own converters note of each tensor in a file's header."""
    try:
        notes = json.loads(metadata.get(key, "{}"))
    except (ValueError, RecursionError):
        notes = None
    if not isinstance(notes, dict):
        raise DamagedCheckpointError(f"{path}: '{key}' in its header's metadata is no mapping of tensors")
    return notes


def _mapper(path: Path, entry: Entry) -> Callable[[], np.ndarray]:
    def open_map() -> np.ndarray:
        if not math.prod(entry.shape):
            return np.empty(entry.shape, STORAGE[entry.format])  # no byte can be mapped
        return np.memmap(path, STORAGE[entry.format], mode="r", offset=entry.offset, shape=entry.shape)

    return open_map
