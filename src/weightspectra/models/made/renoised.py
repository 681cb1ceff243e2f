"""Noisier copies: a model with the estimated noise of its quantisation added once more.

A format with a scale and an offset for each block (GGUF's Q4_1) stores the
numbers ``m + d q`` with ``q = 0 ... 2^bits - 1``, and the quantiser chooses
``m`` and ``d`` such that both ends occur. The dequantised values alone thus
give the step back, ``d = (max - min) / (2^bits - 1)``; in SmolLM2-135M that is
the file's own scale in each of 3,317,760 blocks. Rounding to such a grid leaves
an error uniform over one step; another one, ``U(-d/2, d/2)``, independent for
every entry, is added. Its mean square is ``d^2 / 12``, as large again as
the error that is there already, so that both together are 1.41 times as
large: what depends on the quantiser's noise moves, and what does not, stays
(B. Widrow and I. Kollar, Quantization Noise, Cambridge 2008, chapter 5).

llama.cpp permutes the rows of query and key matrices. Blocks lie within
rows, so that this changes nothing here.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from weightspectra.base.errors import UserError
from weightspectra.base.progress import track
from weightspectra.base.seeds import derived_seed, generator
from weightspectra.models import claims, number_formats
from weightspectra.models.fetching.order import Order, Origin
from weightspectra.models.layouts import Slot
from weightspectra.sources import checkpoints, folders
from weightspectra.sources.checkpoints import StoredTensor

Slots = Mapping[str, list[Slot]]
"""The weight matrices in each tensor."""


def make_noisier(order: Order) -> Origin:
    """Make the noisier copy that a model's entry asks for."""
    like, seed = order.original()
    spec, trusted = order.spec, order.entry.trust_remote_code
    own = derived_seed(seed, order.name, "renoise")
    write_renoised(like, order.staging, own, bits=spec.bits, block=spec.block, trust_remote_code=trusted)
    return Origin("renoised", spec.like, f"seed {seed}", f"noise of {spec.bits} bits in blocks of {spec.block} added")


def write_renoised(
    like: Path, folder: Path, seed: int, *, bits: int = 4, block: int = 32, trust_remote_code: bool = False
) -> None:
    """Write a copy of a model whose weight matrices have passed through the noise of rounding twice.

    Only the matrices that the pipeline analyses become noisier; they are
    stored as float32. Embeddings, norms, biases and heads keep their bits.

    Parameters
    ----------
    like : path
        Folder of the other model, dequantised.
    folder : path
        Where the copy is put.
    seed : int
        Each tensor has its own stream, from this and its name; the same seed gives the same bytes.
    bits : int
        Bits per value of the storage format.
    block : int
        Consecutive values along the input dimension that share a step.
    trust_remote_code : bool
        Copy the other model's own Python code, too.

    Raises
    ------
    UserError
        When the rows of a matrix do not divide into blocks, or a tensor's
        number format is unknown.
    """
    tensors = checkpoints.tensors(like)
    slots = _slots_by_tensor(checkpoints.config(like), tensors)
    tensors = dict(sorted(tensors.items()))
    _copy_companions(like, folder, trust_remote_code)
    checkpoints.write_safetensors(
        folder / "model.safetensors",
        {name: ("F32" if name in slots else held.format, held.shape) for name, held in tensors.items()},
        _contents(tensors, slots, seed, bits, block, like.name),
        _described(tensors, slots, bits, block, like.name),
    )


def steps_of_blocks(matrix: np.ndarray, bits: int, block: int) -> np.ndarray:
    """Return the step of each block of a dequantised matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n_out, n_in)
    bits, block : int
        As for :func:`write_renoised`.

    Returns
    -------
    ndarray of shape (n_out, n_in / block)

    Raises
    ------
    UserError
        When the rows do not divide into blocks.
    """
    n_out, n_in = matrix.shape
    if n_in % block:
        raise UserError(f"rows of {n_in} values do not divide into blocks of {block}; set the block of their format")
    blocks = matrix.reshape(n_out, n_in // block, block)
    return (blocks.max(axis=2) - blocks.min(axis=2)) / (2**bits - 1)


def _slots_by_tensor(config: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> Slots:
    found: dict[str, list[Slot]] = {}
    for slot in claims.claim(config, {name: held.shape for name, held in tensors.items()}).values():
        found.setdefault(slot.tensor, []).append(slot)
    return found


def _copy_companions(like: Path, folder: Path, trust_remote_code: bool) -> None:
    """Copy what stands beside the weights, and say in the configuration that these are float32."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in folders.companions([path.name for path in like.iterdir()], code=trust_remote_code):
        shutil.copyfile(like / name, folder / name)
    config = {**checkpoints.config(like), "dtype": "float32"}
    config.pop("torch_dtype", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _contents(
    tensors: Mapping[str, StoredTensor], slots: Slots, seed: int, bits: int, block: int, label: str
) -> Iterator[np.ndarray]:
    """Yield every tensor as it is to be stored, one at a time."""
    for name, held in track(tensors.items(), len(tensors), f"add noise to {label}", "tensors"):
        if name not in slots:
            yield held.array()
            continue
        values, stream = number_formats.to_float32(held.array(), held.format), generator(seed, name)
        for slot in slots[name]:
            for view in slot.views(values):
                steps = np.repeat(steps_of_blocks(view, bits, block), block, axis=1)
                view += steps * (stream.random(view.shape, np.float32) - np.float32(0.5))
        yield values


def _described(tensors: Mapping[str, StoredTensor], slots: Slots, bits: int, block: int, label: str) -> dict[str, str]:
    """Return what later stages read in the file's header: the formats, and the error of each tensor's entries."""
    errors, formats = {}, {held.quantisation or held.format for name, held in tensors.items() if name in slots}
    for name in track(slots, len(slots), f"estimate rounding of {label}", "tensors"):
        held = tensors[name]
        values = number_formats.to_float32(held.array(), held.format)
        before = held.rounding_std
        if before is None:
            before = number_formats.rounding_std(values, number_formats.FORMATS[held.format])
        views = [view for slot in slots[name] for view in slot.views(values)]
        added = (
            sum(block * np.square(steps_of_blocks(view, bits, block), dtype=np.float64).sum() for view in views) / 12
        )
        errors[name] = float(np.sqrt(before**2 + added / values.size))
    return {
        "format": "pt",
        "quantisation": f"{'/'.join(sorted(formats))}, noise of {bits} bits added",
        "rounding_std": json.dumps({name: None if np.isnan(e) else e for name, e in errors.items()}, sort_keys=True),
    }
