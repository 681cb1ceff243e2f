"""What quantisation did to the entries of a GGUF tensor."""

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
        None for kinds with a table of unequal levels, whose error the file
        does not tell, and for float32, where nothing was rounded here.

    Notes
    -----
    An entry rounded to the nearest multiple of a step d has an error that is
    uniform in (-d/2, d/2), whose mean square is d^2/12. The step differs from
    block to block, and its square is averaged over all entries. Where a block
    has several steps, they are found by dequantising it twice, with all levels
    0 and all levels 1. For float16 and bfloat16 the step is the spacing of the
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
    else:
        return None
    return float(np.sqrt(np.mean(np.square(steps)) / 12))


def _blocks(data: np.ndarray, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    _, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    return np.asarray(data).reshape(-1, n_bytes)


def _step_of_entries(blocks: np.ndarray, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """Return the step of every entry; overwrites the blocks' levels."""
    layout = _MANY_STEPS[kind]
    blocks[:, layout.levels] = 0
    lowest = gguf.dequantize(blocks, kind)
    blocks[:, layout.low_bits] = layout.one
    return (gguf.dequantize(blocks, kind) - lowest).astype(np.float64)
