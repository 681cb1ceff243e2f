"""What quantisation did to the entries of a GGUF tensor."""

import math
from typing import NamedTuple

import gguf
import numpy as np


class _Layout(NamedTuple):
    """Where the levels of one kind stand in a block's bytes: all bits, the low bits, and the byte of all ones."""

    levels: slice
    low_bits: slice
    one: int


_KINDS = gguf.GGMLQuantizationType
_ONE_STEP = (_KINDS.Q4_0, _KINDS.Q4_1, _KINDS.Q5_0, _KINDS.Q5_1, _KINDS.Q8_0)
"""Kinds whose blocks have one step each, which is the float16 number that a block begins with."""

_MANY_STEPS = {
    _KINDS.Q2_K: _Layout(slice(16, 80), slice(16, 80), 0x55),
    _KINDS.Q3_K: _Layout(slice(0, 96), slice(32, 96), 0x55),
    _KINDS.Q4_K: _Layout(slice(16, 144), slice(16, 144), 0x11),
    _KINDS.Q5_K: _Layout(slice(16, 176), slice(48, 176), 0x11),
    _KINDS.Q6_K: _Layout(slice(0, 192), slice(0, 128), 0x11),
}
"""Kinds whose blocks are divided further, each division with a step of its own."""

_TERNARY = (_KINDS.TQ1_0, _KINDS.TQ2_0)
"""Kinds of three levels -d, 0, d, whose blocks end in the float16 number d."""

_TABLES = {
    _KINDS.IQ4_NL: (slice(2, 18), gguf.quants.IQ4_NL.kvalues),
    _KINDS.IQ4_XS: (slice(8, 136), gguf.quants.IQ4_NL.kvalues),
    _KINDS.MXFP4: (slice(1, 17), gguf.quants.MXFP4.kvalues),
    _KINDS.NVFP4: (slice(4, 36), gguf.quants.NVFP4.kvalues),
}
"""Kinds of sixteen unequal levels: where a block holds the numbers of the levels, and the levels by number."""


def quantisation_std(data: np.ndarray, kind: gguf.GGMLQuantizationType) -> float | None:
    """Estimate the root mean square error that a storage kind leaves in an entry.

    Parameters
    ----------
    data : ndarray of uint8, shape (n_rows, n_bytes), or of float16 or float32
        The tensor as the GGUF reader gives it.
    kind : GGMLQuantizationType
        How it is stored.

    Returns
    -------
    float or None
        None for float32, where nothing was rounded here; NaN for kinds whose
        levels stand for several entries at once (IQ1, IQ2, IQ3), and for any
        other: what the file does not tell is unknown, and not nothing.

    Notes
    -----
    An entry rounded to the nearest multiple of a step d has an error that is
    uniform in (-d/2, d/2), whose mean square is d^2/12. The step differs from
    block to block, and its square is averaged over all entries. Where a block
    has several steps, they are found by dequantising it twice, with all levels
    0 and all levels 1. With unequal levels, an entry's error is uniform between
    the middles to the levels below and above, which are a and b away, and its mean
    square (a^3 + b^3) / 3 (a + b); the outermost levels count as equally wide to
    both sides. For float16 and bfloat16 the step is the spacing of the
    numbers at the entry.

    Levels that the quantiser clipped, or chose by weighted least squares, err
    by more, and the original may have been rounded before (often bfloat16).
    """
    if kind == _KINDS.F16:
        steps = np.spacing(np.abs(data.astype(np.float16))).astype(np.float64)
    elif kind == _KINDS.BF16:
        steps = np.spacing(np.abs(gguf.dequantize(data, kind))).astype(np.float64) * 2.0**16
    elif kind in _ONE_STEP:
        steps = _blocks(data, kind)[:, :2].copy().view(np.float16).astype(np.float64)
    elif kind in _MANY_STEPS:
        steps = _step_of_entries(_blocks(data, kind).copy(), kind)
    elif kind in _TERNARY:
        steps = _blocks(data, kind)[:, -2:].copy().view(np.float16).astype(np.float64)
    elif kind in _TABLES:
        steps = _width_of_entries(_blocks(data, kind), kind)
    else:
        return None if kind == _KINDS.F32 else math.nan
    return float(np.sqrt(np.mean(np.square(steps)) / 12))


def _blocks(data: np.ndarray, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    _, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    return np.asarray(data).reshape(-1, n_bytes)


def _width_of_entries(blocks: np.ndarray, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """Return the step that would leave each entry the error that its level of a table leaves it."""
    place, table = _TABLES[kind]
    levels = np.unique(np.asarray(table, dtype=np.float64))
    middles = (levels[1:] + levels[:-1]) / 2
    below, above = levels - np.r_[np.nan, middles], np.r_[middles, np.nan] - levels
    below, above = np.where(np.isnan(below), above, below), np.where(np.isnan(above), below, above)
    widths = np.sqrt(4 * (below**3 + above**3) / (below + above))
    entries, largest = gguf.dequantize(blocks, kind), blocks.copy()
    largest[:, place] = 0x11 * int(np.argmax(np.abs(table)))
    scales = gguf.dequantize(largest, kind) / float(table[int(np.argmax(np.abs(table)))])
    with np.errstate(invalid="ignore", divide="ignore"):
        numbers = np.where(scales == 0, 0, entries / scales)
    nearest = np.searchsorted(middles, numbers)
    return np.abs(scales).astype(np.float64) * widths[nearest]


def _step_of_entries(blocks: np.ndarray, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """Return the step of every entry; overwrites the blocks' levels."""
    layout = _MANY_STEPS[kind]
    blocks[:, layout.levels] = 0
    lowest = gguf.dequantize(blocks, kind)
    blocks[:, layout.low_bits] = layout.one
    return (gguf.dequantize(blocks, kind) - lowest).astype(np.float64)
