"""The weight matrices of a checkpoint, read one at a time in canonical orientation."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.models import claims, number_formats, quantised
from weightspectra.models.families.registry import family_of
from weightspectra.models.layouts import Slot
from weightspectra.sources import checkpoints
from weightspectra.sources.checkpoints import StoredTensor
from weightspectra.sources.formats.damaged import cure_of

BLOCK_BYTES = 1 << 25
"""Bytes of a checkpoint mapped at a time."""


@dataclass(frozen=True)
class StoredMatrix:
    """One weight matrix inside a checkpoint on disk.

    Parameters
    ----------
    key : MatrixKey
    tensor : StoredTensor
        The tensor that holds it, alone or with other matrices.
    slot : Slot
        Which part of the tensor it is.
    """

    key: MatrixKey
    tensor: StoredTensor
    slot: Slot

    def read(self) -> np.ndarray:
        """Return the matrix: float32, shape (n_out, n_in), y = W x + b.

        Raises
        ------
        UserError
            When an entry is NaN or infinite.
        """
        views = self.slot.views(self.tensor.array())
        matrix = np.empty((sum(len(view) for view in views), views[0].shape[1]), np.float32)
        step = max(1, BLOCK_BYTES // (views[0].shape[1] * views[0].itemsize))
        filled = 0
        for number, length in enumerate([len(view) for view in views]):
            for start in range(0, length, step):
                # A fresh map each time: the pages of the last one are given back.
                block = self.slot.views(self.tensor.array())[number][start : start + step]
                matrix[filled : filled + len(block)] = number_formats.to_float32(block, self.tensor.format)
                filled += len(block)
        self._check_finite(matrix)
        return matrix

    def describe(self, matrix: np.ndarray) -> dict[str, Any]:
        """Return what the contract ``MATRICES`` says of a matrix that was read: names, format, moments, hash."""
        format_name, rounding_std = self.rounding(matrix)
        return {
            **self.key._asdict(),
            "n_out": matrix.shape[0],
            "n_in": matrix.shape[1],
            "tensor": self.slot.tensor,
            "dtype": format_name,
            "rounding_std": rounding_std,
            **number_formats.moments(matrix),
            "sha256": hashlib.sha256(matrix.data).hexdigest(),
        }

    def rounding(self, matrix: np.ndarray) -> tuple[str, float]:
        """Return the number format of a matrix that was read, in words, and the error that it causes.

        That is the root mean square error of an entry; NaN where the format does not tell.
        """
        if self.tensor.rounding_std is not None:
            return self.tensor.quantisation or self.tensor.format, self.tensor.rounding_std
        stored = number_formats.FORMATS[self.tensor.format]
        name = "float64 (rounded to float32)" if self.tensor.format == "F64" else stored.name
        if self.tensor.format == "F32":
            stored = number_formats.narrowest(matrix)
            name += f" ({stored.name} values)" if stored is not number_formats.FLOAT32 else ""
        return name, number_formats.rounding_std(matrix, stored)

    def _check_finite(self, matrix: np.ndarray) -> None:
        n_wrong = matrix.size - sum(int(np.isfinite(row).sum()) for row in matrix)
        if n_wrong:
            raise UserError(
                f"{self.key}: {n_wrong:,} of {matrix.size:,} entries are NaN or infinite (tensor "
                f"'{self.slot.tensor}' in {self.tensor.file}); a singular value decomposition needs finite "
                f"numbers: take another revision of the model, or {cure_of(self.tensor.file)}"
            )


def matrices(
    folder: str | os.PathLike[str], *, part: str = "00-of-01", fused_split: str = "interleaved"
) -> dict[MatrixKey, StoredMatrix]:
    """Find the weight matrices of a checkpoint; reads only headers.

    Parameters
    ----------
    folder : path
        A model as written by ``save_pretrained``.
    part : str
        Which layers, as in :func:`layers_of_part`.
    fused_split : {'interleaved', 'thirds'}
        As in :func:`weightspectra.models.claims.claim`.

    Returns
    -------
    dict from MatrixKey to StoredMatrix
        Ordered by layer, role and expert.

    Raises
    ------
    UserError
        When the checkpoint is incomplete or quantised, or its architecture has
        no row or differs from it.
    """
    config, tensors = checkpoints.config(folder), checkpoints.tensors(folder)
    family = family_of(config)
    quantised.refuse_unread(set(tensors))
    _check_readable({name: tensor for name, tensor in tensors.items() if family.block.search(name)})
    slots = claims.claim(config, {name: tensor.shape for name, tensor in tensors.items()}, fused_split)
    layers = layers_of_part(family.depth(config), part)
    return {key: StoredMatrix(key, tensors[slot.tensor], slot) for key, slot in slots.items() if key.layer in layers}


def layers_of_part(n_layers: int, part: str) -> range:
    """Return the layers of one part: contiguous, and as many as in any other part, or one more.

    Parameters
    ----------
    n_layers : int
    part : str
        Number and count, for example ``"00-of-04"`` for the first of four.

    Raises
    ------
    UserError
        When there are more parts than layers.
    """
    number, count = (int(word) for word in part.split("-of-"))
    if count > n_layers:
        raise UserError(f"parts: {count}, but the model has only {n_layers} layers; set parts: {n_layers} or fewer")
    return range(number * n_layers // count, (number + 1) * n_layers // count)


def _check_readable(tensors: dict[str, StoredTensor]) -> None:
    for name, tensor in tensors.items():
        if len(tensor.shape) in (2, 3) and tensor.format not in number_formats.FORMATS:
            raise UserError(
                f"tensor '{name}' is stored as {tensor.format}; expected {', '.join(number_formats.FORMATS)}: "
                "the checkpoint is quantised, so take the original, or dequantise it with transformers and "
                "save it as bfloat16"
            )
