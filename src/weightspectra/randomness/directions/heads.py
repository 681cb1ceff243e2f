"""Tests of singular vectors head by head: which heads they prefer, and whether they are random within each."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import betaincc

from weightspectra.randomness.directions import vectors
from weightspectra.randomness.directions.vector_tests import Draws, Shape, deviation_p_values
from weightspectra.statistics.multiple import HEADS, significant

NO_DIRECTION = 1e-12
"""A part with a smaller share of a vector's squared norm is rounding (float32 errs by 6e-8 of the norm)."""


def score(side_vectors: np.ndarray, n_heads: int, nulls: Mapping[Shape, Draws], level: float) -> pd.DataFrame:
    """Test the singular vectors of the side on which the heads of an attention matrix lie.

    Parameters
    ----------
    side_vectors : ndarray of shape (n_vectors, N)
        Unit vectors, largest singular value first. Each head has N / n_heads adjacent components.
    n_heads : int
    nulls : mapping from (int, int) to Draws
        By number of components and 1, as in :func:`weightspectra.randomness.noise.nulls.tables`.
    level : float
        False discovery rate over all vectors and heads of the matrix.

    Returns
    -------
    DataFrame
        One row per head: head, n_components, n_vectors, n_concentrated,
        n_nonrandom, largest_share, largest_index, smallest_p_value.

    Raises
    ------
    ValueError
        When N does not divide into the heads.
    """
    n_vectors, n_components = side_vectors.shape
    if n_components % n_heads:
        raise ValueError(f"{n_components} components do not divide into {n_heads} heads")
    parts = side_vectors.reshape(n_vectors, n_heads, -1)
    shares = np.einsum("khd,khd->kh", parts, parts, dtype=np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    size = n_components // n_heads
    share_p = share_p_values(shares, size, n_components)
    direction_p = direction_p_values(parts, shares, nulls[size, 1])
    return pd.DataFrame(
        {
            "head": np.arange(n_heads),
            "n_components": size,
            "n_vectors": n_vectors,
            "n_concentrated": discoveries(share_p, level),
            "n_nonrandom": discoveries(direction_p, level),
            "largest_share": shares.max(axis=0),
            "largest_index": shares.argmax(axis=0),
            "smallest_p_value": share_p.min(axis=0),
        }
    )


def share_p_values(shares: np.ndarray, size: int, dimension: int) -> np.ndarray:
    """Return the probability that a random direction has as large a share of its squared norm in one block.

    Parameters
    ----------
    shares : ndarray
        Between 0 and 1.
    size : int
        Components of the block, d.
    dimension : int
        Components of the vector, N.

    Notes
    -----
    The share follows Beta(d/2, (N - d)/2), exactly. A block that is the whole
    vector has a share of 1 and a p-value of 1.
    """
    if size == dimension:
        return np.ones_like(shares)
    found = betaincc(size / 2, (dimension - size) / 2, np.minimum(shares, 1))
    return np.maximum(found, np.finfo(float).tiny)


def direction_p_values(parts: np.ndarray, shares: np.ndarray, draws: Draws) -> np.ndarray:
    """Return the p-value of each part as a random direction of its own dimension.

    Parameters
    ----------
    parts : ndarray of shape (n_vectors, n_heads, d)
    shares : ndarray of shape (n_vectors, n_heads)
        Of the vectors' squared norms.
    draws : Draws
        For d dimensions.

    Notes
    -----
    The part of a random direction that lies in a block is again a random
    direction there, whatever its length. Parts of less than ``NO_DIRECTION``
    are not tested: their p-value is 1.
    """
    found = np.ones(shares.shape)
    tested = shares >= NO_DIRECTION
    found[tested] = deviation_p_values(vectors.measure(parts[tested]).deviation, draws["vector distance"])
    return found


def discoveries(p_values: np.ndarray, level: float) -> np.ndarray:
    """Return how many vectors of each head Benjamini and Hochberg's procedure finds.

    Parameters
    ----------
    p_values : ndarray of shape (n_vectors, n_heads)
        All of them are one family.
    level : float
        False discovery rate.

    Returns
    -------
    ndarray of shape (n_heads,)
    """
    return np.asarray(significant(HEADS.corrected(p_values), level)).sum(axis=0)
