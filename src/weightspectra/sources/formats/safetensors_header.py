"""The header of a safetensors file, held against the file: what each tensor is, and where its bytes lie.

The header is a stranger's text. What is not as the format describes it
(https://github.com/huggingface/safetensors, "Format") is refused by name, before
a byte of a tensor is read.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weightspectra.sources.formats.damaged import DamagedCheckpointError

BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""Bits of one number by the format's name."""

MAX_HEADER_BYTES = 100_000_000
"""The largest header that the format allows."""

MAX_DIMENSIONS = 64
"""Those of an array of NumPy."""


@dataclass(frozen=True)
class Entry:
    """One tensor: number format, shape, and the offset of its first byte in the file."""

    format: str
    shape: tuple[int, ...]
    offset: int


def read_header(path: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    """Return the tensors of a safetensors file in the order of their bytes, and its metadata.

    Parameters
    ----------
    path : path

    Raises
    ------
    UserError
        When the file is cut off, when its header is not of the format, when a
        shape contradicts its offsets, and when tensors overlap or leave holes.
    """
    n_bytes = path.stat().st_size
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if n_bytes < 8 or 8 + length > n_bytes:
            raise _fault(path, f"truncated or damaged safetensors file of {n_bytes:,} bytes: its header does not end")
        if length > MAX_HEADER_BYTES:
            raise _fault(path, f"its header has {length:,} bytes; the format allows {MAX_HEADER_BYTES:,}")
        text = stream.read(length)
    header = _parsed(path, text)
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _fault(path, "'__metadata__' in its header is no mapping of texts")
    entries = {name: _entry(path, name, found, 8 + length) for name, found in header.items()}
    ordered = dict(sorted(entries.items(), key=lambda item: (item[1].offset, _n_bytes(item[1]))))
    _check_places(path, ordered, 8 + length, n_bytes)
    return ordered, metadata


def _fault(path: Path, found: str) -> DamagedCheckpointError:
    return DamagedCheckpointError(f"{path}: {found}", path)


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("a name stands in it twice")
        return dict(pairs)

    try:
        header = json.loads(text, object_pairs_hook=unique)
    except RecursionError as error:
        raise _fault(path, "its header is nested too deeply to be one of a safetensors file") from error
    except ValueError as error:
        raise _fault(path, f"truncated or damaged safetensors file: its header cannot be read ({error})") from error
    if not isinstance(header, dict):
        raise _fault(path, f"its header is a {type(header).__name__}, and not a mapping of tensors by name")
    return header


def _entry(path: Path, name: str, found: Any, start: int) -> Entry:
    """Return one line of the header, if it is one."""
    what = f"the header's entry of tensor '{name[:80]}'"
    if not isinstance(found, dict) or found.keys() != {"dtype", "shape", "data_offsets"}:
        raise _fault(path, f"{what} does not hold just dtype, shape and data_offsets")
    number_format, shape, offsets = found["dtype"], found["shape"], found["data_offsets"]
    if not isinstance(number_format, str) or number_format not in BITS:
        raise _fault(path, f"{what} has the unknown number format {str(number_format)[:40]!r}")
    if (
        not _are_sizes(shape)
        or len(shape) > MAX_DIMENSIONS
        or not _are_sizes(offsets)
        or len(offsets) != 2
        or offsets[0] > offsets[1]
    ):
        raise _fault(path, f"{what} has shape {str(shape)[:80]} and offsets {str(offsets)[:80]}, which cannot be")
    entry = Entry(number_format, tuple(shape), start + offsets[0])
    if BITS[number_format] * math.prod(shape) != 8 * (offsets[1] - offsets[0]):
        raise _fault(
            path,
            f"{what} has shape {shape} of {number_format}, which is {_n_bytes(entry):,} bytes, and offsets of "
            f"{offsets[1] - offsets[0]:,} bytes",
        )
    return entry


def _are_sizes(numbers: Any) -> bool:
    """Say whether something is a list of whole numbers that sizes in a file can be."""
    return isinstance(numbers, list) and all(type(number) is int and 0 <= number < 1 << 63 for number in numbers)


def _n_bytes(entry: Entry) -> int:
    return BITS[entry.format] * math.prod(entry.shape) // 8


def _check_places(path: Path, entries: dict[str, Entry], start: int, n_bytes: int) -> None:
    """Refuse tensors that overlap, holes between them, and a file that ends too early or too late."""
    end, before = start, "the header"
    for name, entry in entries.items():
        if entry.offset != end:
            fault = "overlap" if entry.offset < end else "leave a hole between them"
            raise _fault(path, f"{before} and tensor '{name[:80]}' {fault}: byte {entry.offset:,} after {end:,}")
        end, before = end + _n_bytes(entry), f"tensor '{name[:80]}'"
    if end > n_bytes:
        raise _fault(path, f"truncated or damaged safetensors file of {n_bytes:,} bytes of {end:,}")
    if end < n_bytes:
        raise _fault(path, f"{n_bytes - end:,} bytes follow its last tensor, which belong to none")
