"""Pickled checkpoints of PyTorch: opened with ``weights_only=True``, and only where the configuration allows them."""

import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from weightspectra.base.errors import UserError

_OLD_BEGINNING = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
"""The pickled number with which a file of PyTorch before 1.6 begins."""

_UNREADABLE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(TypeError, ValueError, pickle.UnpicklingError, struct.error),
)
"""What PyTorch's reader raises when a file is not as it expects."""


def is_old(path: Path) -> bool:
    """Say whether a file begins as PyTorch before 1.6 wrote it: a bare pickle, and no zip archive.

    An archive whose end is cut off begins otherwise, so that age is told from truncation.
    """
    with open(path, "rb") as stream:
        return stream.read(len(_OLD_BEGINNING)) == _OLD_BEGINNING


def is_whole_archive(path: Path) -> bool:
    """Say whether a file is a zip archive that ends as one, as PyTorch writes them since 1.6."""
    return zipfile.is_zipfile(path)


def tensors(path: Path) -> dict[str, tuple[str, tuple[int, ...], Callable[[], np.ndarray]]]:
    """Return format, shape and numbers of each tensor, in the words of safetensors.

    Raises
    ------
    UserError
        When the file is damaged, or holds more than tensors by name.
    """
    import torch

    formats = {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32", torch.float64: "F64"}
    formats |= {torch.int64: "I64", torch.int32: "I32", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}
    zipped = is_whole_archive(path)
    try:
        # Files from before PyTorch 1.6 are no zip archives, and cannot be mapped.
        state = torch.load(path, map_location="cpu", mmap=zipped, weights_only=True)
    except _UNREADABLE as error:
        fault = "damaged" if zipped else "truncated or damaged" if is_old(path) else "no file of PyTorch"
        raise UserError(
            f"{path}: {fault}, or more than plain tensors ({_reason(error)}); use safetensors files"
        ) from error
    if not isinstance(state, dict):
        raise UserError(f"{path}: it holds a {type(state).__name__}, and not tensors by name; use safetensors files")

    def mapper(tensor: torch.Tensor) -> Callable[[], np.ndarray]:
        bits = tensor.detach().view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor.detach()
        return bits.numpy

    return {
        str(name): (formats.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape), mapper(tensor))
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor)
    }


def _reason(error: BaseException) -> str:
    """Say why PyTorch refused a file, without its advice to open it as a program."""
    refused = re.search(r"Unsupported (?:global|class|operand)[^.\n]*[^\n]{0,60}", str(error))
    said = (str(error).splitlines() or [""])[0]
    if refused:
        return refused[0].partition(" was not")[0]
    return type(error).__name__ if "weights_only" in said or not said else said
