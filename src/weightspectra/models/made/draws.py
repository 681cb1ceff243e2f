"""Random matrices that keep some properties of a given one: arrays in, arrays out."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from weightspectra.models import number_formats


class Correlations(NamedTuple):
    """Lag-one correlations of a matrix: of neighbours in the same row, and of neighbours in the same column."""

    along_rows: float
    along_columns: float


def flip(matrix: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Give every entry's distance from the mean a sign of its own, as likely plus as minus.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_out, n_in)
        Changed in place.
    stream : Generator

    Returns
    -------
    ndarray of float32, shape (n_out, n_in)
        S o (W - mean(W)); the distances are taken in float64 and rounded once.

    Notes
    -----
    The null of parallel analysis by sign flips (D. Hong, Y. Sheng and E. Dobriban, arXiv 2012.02985): independent
    entries, symmetric about their mean, of any variance profile.
    """
    np.subtract(matrix, matrix.mean(dtype=np.float64), out=matrix, dtype=np.float64, casting="same_kind")
    signs = stream.integers(0, 2, matrix.shape, np.int8).view(bool)
    return np.negative(matrix, out=matrix, where=signs)


def shuffle(blocks: Iterable[np.ndarray], stream: np.random.Generator) -> None:
    """Permute the entries of each block, a view of a matrix, in place."""
    for block in blocks:
        entries = block.reshape(-1)
        stream.shuffle(entries)
        block[:] = entries.reshape(block.shape)


def rescaled(matrix: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Draw independent Gaussian entries of mean 0 and variance r_i c_j / mean(r).

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_out, n_in)
        Whose rows have the mean squares r and whose columns have the mean squares c.
    stream : Generator

    Returns
    -------
    ndarray of float32, shape (n_out, n_in)
    """
    return _scaled_like(matrix, stream.standard_normal(matrix.shape, np.float32))


def correlated(matrix: np.ndarray, asked: Correlations, stream: np.random.Generator) -> np.ndarray:
    """Draw the same, with neighbours correlated: an autoregressive process of order one along rows and along columns.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_out, n_in)
    asked : Correlations
        Of entries divided by their scales; i and j steps apart along a column and a row, two of them have the
        correlation along_columns^i along_rows^j.
    stream : Generator

    Returns
    -------
    ndarray of float32, shape (n_out, n_in)
    """
    drawn = _autoregressive(stream.standard_normal(matrix.shape, np.float32), asked.along_rows)
    return _scaled_like(matrix, _autoregressive(drawn.T, asked.along_columns).T)


def neighbour_correlations(matrix: np.ndarray) -> Correlations:
    """Return the correlations of neighbouring entries, each divided by the scales of its row and column.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_out, n_in)

    Returns
    -------
    Correlations
        About the mean of all divided entries; 0 where there are no neighbours, or nothing varies.
    """
    rows, columns = (np.where(scale > 0, scale, 1) for scale in _scales(matrix))
    entries = matrix / rows[:, None].astype(np.float32)
    entries /= columns
    entries -= entries.mean(dtype=np.float64)
    return Correlations(*(_lag_one(turned) for turned in (entries, entries.T)))


def _scales(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what multiplies rows and columns: the roots of r_i and of c_j / mean(r)."""
    found = number_formats.moments(matrix)
    rows, columns = found["row_mean_squares"], found["column_mean_squares"]
    return np.sqrt(rows), np.sqrt(columns / (rows.mean() or 1.0))


def _scaled_like(matrix: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Give entries of variance 1 the scales of a matrix's rows and columns, in place."""
    rows, columns = _scales(matrix)
    drawn *= rows[:, None]
    drawn *= columns
    return drawn


def _lag_one(entries: np.ndarray) -> float:
    """Return the correlation of neighbours along the second axis."""
    before, after = entries[:, :-1], entries[:, 1:]
    products, first, second = (
        float(np.einsum("ij,ij->", one, other, dtype=np.float64))
        for one, other in ((before, after), (before, before), (after, after))
    )
    norm = (first * second) ** 0.5
    return float(np.clip(products / norm, -1, 1)) if norm else 0.0


def _autoregressive(noise: np.ndarray, rho: float) -> np.ndarray:
    """Make white noise of variance 1 a stationary process of order one along the second axis, of variance 1 again."""
    found = np.empty_like(noise)
    found[:, :1] = noise[:, :1]
    new, old = (np.array(weights, np.float32) for weights in ([(1 - rho**2) ** 0.5], [1, -rho]))
    found[:, 1:], _ = lfilter(new, old, noise[:, 1:], axis=1, zi=np.float32(rho) * noise[:, :1])
    return found
