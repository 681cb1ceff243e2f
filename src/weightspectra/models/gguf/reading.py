"""The header of a GGUF file, held against the file and against itself, before a weight is converted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGUFReader, ReaderTensor

from weightspectra.base.errors import UserError

Tensors = Mapping[str, ReaderTensor]

ARCHITECTURES = ("llama",)
"""Values of ``general.architecture`` that can be converted."""

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""What the GGUF library raises when a file is not as it expects."""


class Header:
    """Keys and tensors of a GGUF file.

    Parameters
    ----------
    file : path

    Attributes
    ----------
    fields : dict
        The key-value pairs.
    tensors : dict from str to ReaderTensor

    Raises
    ------
    UserError
        When the file is not a whole GGUF file, or of another architecture.
    """

    def __init__(self, file: Path):
        self.name = file.name
        try:
            with np.errstate(over="raise"):
                reader = _BoundedReader(file)
                self.fields: dict[str, Any] = {name: field.contents() for name, field in reader.fields.items()}
                self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        except _UNREADABLE as error:
            reason = str(error).partition("\n")[0][:200] or type(error).__name__
            raise UserError(f"{file.name}: not a whole GGUF file ({reason}); fetch or copy it again") from error
        architecture = self.fields.get("general.architecture")
        if architecture not in ARCHITECTURES:
            raise UserError(
                f"{file.name}: architecture '{architecture}' cannot be converted; supported: "
                f"{', '.join(ARCHITECTURES)}; use the model's original safetensors files"
            )

    def value(self, key: str, default: Any = None) -> Any:
        """Return what stands under a key of the architecture."""
        found = self.fields.get(f"llama.{key}", default)
        if found is None:
            raise UserError(f"{self.name}: the key 'llama.{key}' is missing; the file is not whole, fetch it again")
        return found

    def count(self, key: str, default: int | None = None) -> int:
        """Return a whole number above 0 that stands under a key of the architecture."""
        found = self.value(key, default)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < 1 << 31:
            raise UserError(f"{self.name}: llama.{key} is {str(found)[:40]}; expected a whole number above 0")
        return found

    def number(self, key: str, default: float | None = None) -> float:
        """Return a number above 0 that stands under a key of the architecture."""
        found = self.value(key, default)
        if not isinstance(found, int | float) or not 0 < found < float("inf"):
            raise UserError(f"{self.name}: llama.{key} is {str(found)[:40]}; expected a number above 0")
        return float(found)

    def check_shapes(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse tensors that are missing, left over, or of another shape than the header's numbers give.

        Parameters
        ----------
        expected : mapping from str to tuple of int
            Shapes as (n_out, n_in), by name; ``output.weight`` may be missing.
        """
        missing = sorted(expected.keys() - self.tensors.keys() - {"output.weight"})
        unknown = sorted(self.tensors.keys() - expected.keys())
        if missing or unknown:
            found = f"lacks {', '.join(missing[:3])}" if missing else f"holds {', '.join(unknown[:3])}"
            raise UserError(
                f"{self.name}: not the tensors of a plain Llama: it {found}; use the model's original safetensors files"
            )
        for name, tensor in self.tensors.items():
            shape = tuple(int(size) for size in tensor.shape[::-1])
            if shape != expected[name]:
                raise UserError(
                    f"{self.name}: tensor '{name}' has shape {shape}, but by the numbers of the header it has "
                    f"{expected[name]}; the file is damaged, or of a kind of model that is not read: use the model's "
                    "original safetensors files"
                )


class _BoundedReader(GGUFReader):
    """The library's reader, which takes what lies beyond a file's end for empty, and would read on for ever."""

    def _get(self, offset: int, dtype: npt.DTypeLike, count: int = 1, override_order: Any = None) -> npt.NDArray[Any]:
        end = int(offset) + np.dtype(dtype).itemsize * int(count)
        if end > len(self.data):
            raise ValueError(f"truncated: {len(self.data):,} bytes of at least {end:,}")
        return super()._get(int(offset), dtype, count, override_order)
