"""Number formats of checkpoints: into float32, and how much rounding they leave behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK_ENTRIES = 1 << 20
"""Entries worked on at a time, so that nothing as large as a second matrix is made."""


@dataclass(frozen=True)
class NumberFormat:
    """A binary floating-point format.

    Parameters
    ----------
    name : str
    significand_bits : int
        With the leading bit that is not stored.
    min_exponent : int
        Exponent e of the smallest normal number, written as m 2^e with
        1/2 <= m < 1; below it the spacing no longer shrinks.
    """

    name: str
    significand_bits: int
    min_exponent: int


BFLOAT16 = NumberFormat("bfloat16", 8, -125)
FLOAT16 = NumberFormat("float16", 11, -13)
FLOAT32 = NumberFormat("float32", 24, -125)

FORMATS = {"BF16": BFLOAT16, "F16": FLOAT16, "F32": FLOAT32, "F64": FLOAT32}
"""By the name in safetensors. float64 is rounded to float32 when it is read, so that is its precision here."""


def _of_e4m3(bits: int) -> float:
    """Return an 8-bit float with 4 bits of exponent (Micikevicius et al., FP8 Formats for Deep Learning, 2022)."""
    sign, exponent, fraction = -1.0 if bits & 128 else 1.0, bits >> 3 & 15, bits & 7
    if bits & 127 == 127:
        return float("nan")
    return sign * (fraction * 2.0**-9 if exponent == 0 else (8 + fraction) * 2.0 ** (exponent - 10))


_E4M3 = np.array([_of_e4m3(bits) for bits in range(256)], dtype=np.float32)


def to_float32(stored: np.ndarray, name: str) -> np.ndarray:
    """Return stored numbers as float32, exactly except for float64.

    Parameters
    ----------
    stored : ndarray
        As mapped from the file; bfloat16 as its bits in uint16.
    name : {'BF16', 'F16', 'F32', 'F64', 'F8_E4M3', 'F8_E5M2', 'I8'}
    """
    if name == "F8_E4M3":
        return _E4M3[stored]
    if name == "F8_E5M2":
        return (stored.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    if name == "BF16":
        bits = stored.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    with np.errstate(over="ignore"):  # an overflow becomes infinite, which is refused by name later
        return stored.astype(np.float32)


def narrowest(values: np.ndarray) -> NumberFormat:
    """Return the coarsest format that holds every one of these float32 values exactly.

    A checkpoint saved as float32 after training in bfloat16 still carries the
    rounding of bfloat16.
    """
    if all(not (block.view(np.uint32) & 0xFFFF).any() for block in _blocks(values)):
        return BFLOAT16
    with np.errstate(over="ignore"):
        if all((block.astype(np.float16) == block).all() for block in _blocks(values)):
            return FLOAT16
    return FLOAT32


def rounding_std(values: np.ndarray, stored: NumberFormat) -> float:
    r"""Return the root mean square error of an entry due to rounding to a format.

    Parameters
    ----------
    values : ndarray of float32
        The rounded entries.
    stored : NumberFormat
        The format they were rounded to.

    Notes
    -----
    Rounding to nearest moves an entry :math:`m 2^e` by an error that is uniform
    in :math:`\pm u/2`, where the spacing is :math:`u = 2^{e-p}` for p significand
    bits. Its variance is :math:`u^2/12` (Widrow and Kollar, Quantization Noise,
    2008, chapter 12), averaged here over the entries' own spacings.
    """
    total = 0.0
    for block in _blocks(values):
        steps = spacings(block, stored)
        total += float(steps @ steps)
    return float(np.sqrt(total / values.size / 12))


def spacings(values: np.ndarray, stored: NumberFormat) -> np.ndarray:
    """Return the distance to the next number of a format, at each value; float64."""
    significands, exponents = np.frexp(values)
    exponents[significands == 0] = stored.min_exponent
    np.maximum(exponents, stored.min_exponent, out=exponents)
    return np.ldexp(1.0, exponents - stored.significand_bits)


def moments(matrix: np.ndarray) -> dict[str, Any]:
    """Return the moments that the contract ``MATRICES`` names, summed in float64.

    Two passes, block of rows by block of rows: standard deviation and kurtosis
    are about the mean that the first pass finds, the mean squares of rows and
    columns about zero.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_out, n_in)

    Returns
    -------
    dict
        ``entry_mean``, ``entry_std``, ``excess_kurtosis`` (NaN if all entries
        are equal), ``frobenius_norm``, ``largest_entry``, ``row_mean_squares``
        of shape (n_out,), ``column_mean_squares`` of shape (n_in,).
    """
    n_out, n_in = matrix.shape
    total = largest = 0.0
    rows, columns = np.empty(n_out), np.zeros(n_in)
    for start, block in _row_blocks(matrix):
        exact = block.astype(np.float64)
        total += float(exact.sum())
        largest = max(largest, float(exact.max()), -float(exact.min()))
        np.square(exact, out=exact)
        rows[start : start + len(block)] = exact.mean(axis=1)
        columns += exact.sum(axis=0)
    mean = total / matrix.size
    variance, fourth = _central_moments(matrix, mean)
    return {
        "entry_mean": mean,
        "entry_std": variance**0.5,
        "excess_kurtosis": fourth / variance**2 - 3 if variance else float("nan"),
        "frobenius_norm": float(rows.sum() * n_in) ** 0.5,
        "largest_entry": largest,
        "row_mean_squares": rows,
        "column_mean_squares": columns / n_out,
    }


def _central_moments(matrix: np.ndarray, mean: float) -> tuple[float, float]:
    """Return the mean second and fourth power of the entries' distances from their mean."""
    second = fourth = 0.0
    for _, block in _row_blocks(matrix):
        exact = block.astype(np.float64).reshape(-1)
        exact -= mean
        np.square(exact, out=exact)
        second += float(exact.sum())
        fourth += float(exact @ exact)
    return second / matrix.size, fourth / matrix.size


def _row_blocks(matrix: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield blocks of whole rows, each with the number of its first row."""
    step = max(1, BLOCK_ENTRIES // matrix.shape[1])
    for start in range(0, len(matrix), step):
        yield start, matrix[start : start + step]


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    flat = values.reshape(-1)
    for start in range(0, flat.size, BLOCK_ENTRIES):
        yield flat[start : start + BLOCK_ENTRIES]
