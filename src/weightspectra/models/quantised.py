"""Weights stored in 8 bits with scales beside them, as the float32 that they stand for, and the rounding they carry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from weightspectra.base.errors import UserError
from weightspectra.models import number_formats
from weightspectra.models.number_formats import NumberFormat
from weightspectra.sources.checkpoints import StoredTensor

EIGHT_BITS = {
    "F8_E4M3": NumberFormat("float8 e4m3", 4, -5),
    "F8_E5M2": NumberFormat("float8 e5m2", 3, -13),
    "I8": None,
}
"""Formats that a scale is applied to, by the name in safetensors; whole numbers have the same spacing everywhere."""

SCALES = ("_scale_inv", "_scale")
"""Endings of a scale's name after its weight's. Both are factors; DeepSeek calls the inverse of the quantiser's so."""

_OF_ACTIVATIONS = re.compile(r"\.(input|output|k|v|q)_scale$|\.input_zero_point$|_global_scale$")
"""Scales of activations, of which no weight depends."""

_FORMATS = (
    (re.compile(r"\.(lora_\w+|base_layer|modules_to_save)\b|^base_model\.model\."), "an adapter that is not merged"),
    (re.compile(r"\.(qweight|qzeros|g_idx)$"), "GPTQ or AWQ"),
    (re.compile(r"\.SCB$"), "bitsandbytes with 8 bits"),
    (re.compile(r"\.(absmax|quant_map|nested_absmax|quant_state\b.*)$"), "bitsandbytes with 4 bits"),
    (re.compile(r"\.weight_(packed|shape)$"), "compressed-tensors with packed weights"),
    (re.compile(r"\.weight_scale_2$"), "NVFP4 of ModelOpt"),
    (re.compile(r"_proj_(blocks|scales)$"), "MXFP4"),
    (re.compile(r"\.(compressed|bitmask)$"), "compressed-tensors with sparse weights"),
    (re.compile(r"\.(W_q|_data|_packed|weight_scales|scales|qscales)$"), "packed weights with scales"),
    (re.compile(r"(weight|^|[._])_?scale_inv$|\.weight_(scale|zero_point)$"), "8 bits with scales"),
)
"""What tensors of these names say of the weights beside them."""

_PACKED = (
    *("aqlm", "auto-round", "awq", "bitsandbytes", "bitsandbytes_4bit", "bitsandbytes_8bit", "eetq", "fp_quant"),
    *("gptq", "higgs", "hqq", "mxfp4", "nvfp4", "quanto", "sinq", "spqr", "vptq"),
)
"""Values of ``quant_method`` whose checkpoints hold packed numbers in place of weights."""


@dataclass(frozen=True)
class Quantised:
    """A weight in 8 bits, with what turns it into the weight that the model uses: W = (stored - zero point) x scale.

    Parameters
    ----------
    weight : StoredTensor
        Of shape (n_out, n_in).
    scale : StoredTensor
        One number, one for each row, or one for each block of rows and columns.
    zero_point : StoredTensor or None
        Of the scale's shape.
    block : tuple of int or None
        Rows and columns of a block, where the configuration says; else blocks divide the weight equally.
    """

    weight: StoredTensor
    scale: StoredTensor
    zero_point: StoredTensor | None
    block: tuple[int, int] | None

    @property
    def format(self) -> str:
        """The number format in words: of the stored numbers, and what shares a scale."""
        stored = EIGHT_BITS[self.weight.format]
        rows, columns = self._block()
        n_out, n_in = self.weight.shape
        shared = {(n_out, n_in): "matrix", (1, n_in): "row"}.get((rows, columns), f"{rows} x {columns} block")
        return f"{stored.name if stored else 'int8'}, one scale per {shared}"

    def read(self) -> np.ndarray:
        """Return the weight: float32, shape (n_out, n_in)."""
        values = _numbers(self.weight)
        if self.zero_point is not None:
            values = values - self._spread(_numbers(self.zero_point))
        return values * self._spread(_numbers(self.scale))

    def rounding_std(self) -> float:
        r"""Return the root mean square error of an entry by the rounding to 8 bits.

        Notes
        -----
        The error of an entry is uniform in :math:`\pm u s/2`, with the spacing u
        of the stored numbers at the entry and its scale s: its mean square is
        :math:`u^2 s^2/12`, averaged over all entries. The scale's own rounding is
        not in it.
        """
        stored = EIGHT_BITS[self.weight.format]
        scales = self._spread(_numbers(self.scale)).astype(np.float64)
        steps = scales if stored is None else scales * number_formats.spacings(_numbers(self.weight), stored)
        return float(np.sqrt(np.mean(np.square(steps)) / 12))

    def _block(self) -> tuple[int, int]:
        """Return the rows and columns that share a scale."""
        n_out, n_in = self.weight.shape
        shape = self.scale.shape if len(self.scale.shape) == 2 else (*self.scale.shape, 1, 1)[:2]
        if self.block and shape == tuple(
            -(-size // step) for size, step in zip((n_out, n_in), self.block, strict=True)
        ):
            return self.block
        if n_out % shape[0] or n_in % shape[1]:
            scales, weight = self.scale.shape, self.weight.shape
            raise UserError(f"{self.weight.file}: scales of shape {scales} do not fit a weight of shape {weight}")
        return n_out // shape[0], n_in // shape[1]

    def _spread(self, numbers: np.ndarray) -> np.ndarray:
        """Return one number for each entry of the weight."""
        (rows, columns), (n_out, n_in) = self._block(), self.weight.shape
        numbers = numbers.reshape(-(-n_out // rows), -(-n_in // columns))
        return np.repeat(np.repeat(numbers, rows, axis=0)[:n_out], columns, axis=1)[:, :n_in]


def find(tensors: Mapping[str, StoredTensor], block: tuple[int, int] | None = None) -> dict[str, Quantised]:
    """Return the weights in 8 bits that a checkpoint has scales for, by name.

    Parameters
    ----------
    tensors : mapping from str to StoredTensor
    block : tuple of int, optional
        As in ``Quantised``.

    Raises
    ------
    UserError
        When other tensors say that weights are not the weights, in a format that is not read: names format and cure.
    """
    found, used = {}, set()
    for name, tensor in tensors.items():
        scale = next((name + ending for ending in SCALES if name + ending in tensors), None)
        if tensor.format in EIGHT_BITS and len(tensor.shape) == 2 and scale:
            zero = f"{name}_zero_point"
            found[name] = Quantised(tensor, tensors[scale], tensors.get(zero), block)
            used |= {scale, zero}
    refuse_unread({name for name in tensors if name not in used})
    return found


def companions(tensors: Mapping[str, StoredTensor], found: Mapping[str, Quantised]) -> set[str]:
    """Return the names of tensors that a checkpoint needs no more once its weights are read."""
    own = {name + ending for name in found for ending in (*SCALES, "_zero_point")}
    return {name for name in tensors if name in own or (found and _OF_ACTIVATIONS.search(name))}


def refuse_announced(config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose ``config.json`` says that its weights are packed in a way that is not read.

    This is for checkpoints that are not there yet; of others their tensors tell, which may be plain all the same.

    Raises
    ------
    UserError
        Names the format and the cure.
    """
    told = config.get("quantization_config") or config.get("compression_config") or {}
    if not isinstance(told, Mapping):
        return
    method = str(told.get("quant_method", "bitsandbytes" if told.keys() & {"load_in_4bit", "load_in_8bit"} else ""))
    sparse = told.get("sparsity_config")
    ways = [told.get("format"), told.get("quant_algo"), sparse.get("format") if isinstance(sparse, Mapping) else None]
    packed = [way for way in ways if isinstance(way, str) and re.search("pack|sparse|marlin|4", way.lower())]
    if method in _PACKED or packed:
        raise UserError(
            f"config.json says that the weights are quantised ({', '.join([method, *packed])}), in a format that is "
            "not read, so none were downloaded; take the original, or dequantise it with the library that wrote it and "
            "save it as bfloat16. If they are plain all the same, download them and name their folder (source: path)"
        )


def refuse_unread(names: set[str]) -> None:
    """Refuse tensors that say of those beside them that they are not the weights, by their names alone.

    Raises
    ------
    UserError
        Names the format and the cure.
    """
    for pattern, meant in _FORMATS:
        told = min((name for name in names if pattern.search(name) and not _OF_ACTIVATIONS.search(name)), default=None)
        if told and "adapter" in meant:
            raise UserError(
                f"'{told}' belongs to {meant}, so the tensors beside it are not the model's weights; merge it "
                "(peft: merge_and_unload(), then save_pretrained) and take the result"
            )
        if told:
            raise UserError(
                f"'{told}' says that the weights are quantised ({meant}), so the tensors beside it are not the "
                "weights; take the original, or dequantise it with the library that wrote it and save it as bfloat16"
            )


def _numbers(tensor: StoredTensor) -> np.ndarray:
    """Return stored numbers of any format of weights and scales as float32."""
    if tensor.format in EIGHT_BITS or tensor.format in number_formats.FORMATS:
        return number_formats.to_float32(tensor.array(), tensor.format)
    raise UserError(f"a scale in {tensor.file} is stored as {tensor.format}, which is not read as one")
