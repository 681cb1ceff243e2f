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

from functools import cache
from pathlib import Path

import numpy as np

from weightspectra.base.errors import UserError
from weightspectra.base.seeds import derived_seed, generator
from weightspectra.models.fetching.order import Order, Origin
from weightspectra.models.made.rewriting import opened, rounding_passed_on, write_copy
from weightspectra.models.weights import StoredMatrix


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

    Only the matrices that the pipeline analyses become noisier.

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
    original = opened(like)

    def added(matrix: np.ndarray) -> float:
        return float(block * np.square(steps_of_blocks(matrix, bits, block), dtype=np.float64).sum() / 12)

    stream_of = cache(lambda tensor: generator(seed, tensor))

    def noisier(stored: StoredMatrix, matrix: np.ndarray) -> np.ndarray:
        noise = stream_of(stored.slot.tensor).random(matrix.shape, np.float32) - np.float32(0.5)
        matrix += np.repeat(steps_of_blocks(matrix, bits, block), block, axis=1) * noise
        return matrix

    described = rounding_passed_on(original, f"noise of {bits} bits added", added)
    write_copy(original, folder, noisier, described, doing="add noise to", trust_remote_code=trust_remote_code)


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
