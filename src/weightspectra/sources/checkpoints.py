"""The tensors of a checkpoint on disk, one at a time, without building the model.

Safetensors files are mapped into memory by NumPy, so that reading a matrix
costs the matrix and no deep-learning library is imported; they are written likewise. Pickled checkpoints
(.bin) need PyTorch, which is imported only for them.
"""

import json
import math
import os
import pickle
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from weightspectra.base.atomic import replace_file
from weightspectra.base.errors import UserError

STORAGE: dict[str, np.dtype[Any]] = {
    "BF16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
"""NumPy type of each number format that can be read; bfloat16 comes as its 16 bits. Weights are of the first four."""

SINGLE = ("model.safetensors", "pytorch_model.bin")
INDEX_SUFFIX = ".index.json"

REFETCH = "remove the model's folder and the manifest beside it, and run again to fetch it anew"

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
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"{path}: no readable model configuration ({error}); {REFETCH}") from error


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
    for path in _files(Path(folder)):
        if not path.is_file():
            raise UserError(f"{path}: this shard of the checkpoint is missing; {REFETCH}")
        found.update(_safetensors(path) if path.suffix == ".safetensors" else _pickle(path))
    return found


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


def _files(folder: Path) -> list[Path]:
    for name in SINGLE:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}{INDEX_SUFFIX}"
        if index.is_file():
            return [folder / shard for shard in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    raise UserError(f"{folder}: found neither {' nor '.join(SINGLE)} nor an index of shards; {REFETCH}")


def _safetensors(path: Path) -> dict[str, StoredTensor]:
    n_bytes = path.stat().st_size
    with open(path, "rb") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        try:
            header = json.loads(stream.read(start - 8)) if start <= n_bytes else None
        except ValueError:
            header = None
    entries = header or {}
    metadata = entries.pop("__metadata__", {})
    end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    if header is None or start + end > n_bytes:
        raise UserError(f"{path}: truncated or damaged safetensors file of {n_bytes:,} bytes; {REFETCH}")
    rounding = json.loads(metadata.get("rounding_std", "{}"))
    quantisation = metadata.get("quantisation")
    return {
        name: StoredTensor(
            format=entry["dtype"],
            shape=tuple(entry["shape"]),
            file=path,
            array=_mapper(path, entry, start),
            quantisation=quantisation if name in rounding else None,
            rounding_std=rounding.get(name),
        )
        for name, entry in entries.items()
    }


def _mapper(path: Path, entry: Mapping[str, Any], start: int) -> Callable[[], np.ndarray]:
    def open_map() -> np.ndarray:
        storage, offset = STORAGE[entry["dtype"]], start + entry["data_offsets"][0]
        return np.memmap(path, storage, mode="r", offset=offset, shape=tuple(entry["shape"]))

    return open_map


def _pickle(path: Path) -> dict[str, StoredTensor]:
    import torch

    formats = {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32", torch.float64: "F64"}
    formats |= {torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}
    try:
        # Files from before PyTorch 1.6 are no zip archives, and cannot be mapped.
        state = torch.load(path, map_location="cpu", mmap=zipfile.is_zipfile(path), weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: damaged, or more than plain tensors ({reason}); use safetensors files") from error

    def mapper(tensor: torch.Tensor) -> Callable[[], np.ndarray]:
        bits = tensor.detach().view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor.detach()
        return bits.numpy

    return {
        name: StoredTensor(formats.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape), path, mapper(tensor))
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor)
    }
