"""Which singular vectors of a matrix are no random directions: p-values, and the false discovery rate."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from weightspectra.randomness.directions import vectors
from weightspectra.randomness.directions.vectors import BODY, SMALLEST_P, TAIL
from weightspectra.spectra import svd
from weightspectra.spectra.rounding import numerical_rank, one_valued
from weightspectra.statistics.multiple import VECTORS

Draws = Mapping[str, np.ndarray]
"""What :func:`weightspectra.randomness.directions.vectors.null_draws` returns."""


OTHER = {"left": "right", "right": "left"}

Shape = tuple[int, int]
"""Number of components of a vector, and 1."""


def n_tested(singular_values: np.ndarray, rounding_floor: float) -> int:
    """Return how many singular vectors of a matrix can be tested: those whose values lie above the rounding floor.

    None where these differ by rounding alone, as of an orthogonal matrix: it has no vectors of its own.
    """
    rank = numerical_rank(singular_values, rounding_floor)
    return 0 if one_valued(singular_values[:rank], rounding_floor) else rank


def both_sides(weight: np.ndarray, short: np.ndarray, n: int, device: torch.device) -> dict[str, np.ndarray]:
    """Return the first singular vectors of either side of a matrix, from those of its short side.

    Parameters
    ----------
    weight : ndarray of shape (n_out, n_in)
    short : ndarray of shape (n_vectors, min(n_out, n_in))
    n : int
        How many to return.
    device : torch.device
        Where those of the long side are computed.

    Returns
    -------
    dict from str to ndarray of shape (n, n_out or n_in)
        ``"left"`` and ``"right"``, that of the short side first.
    """
    side = svd.short_side(*weight.shape)
    return {side: short[:n], OTHER[side]: svd.long_side_vectors(weight, short[:n], device=device).cpu().numpy()}


def score(sides: Mapping[str, np.ndarray], nulls: Mapping[Shape, Draws], window: int) -> pd.DataFrame:
    """Test all singular vectors of a matrix.

    Parameters
    ----------
    sides : mapping from str to ndarray of shape (n_vectors, N)
        ``"left"`` and ``"right"``: one vector a row, largest singular value first.
    nulls : mapping from (int, int) to Draws
        By number of components and 1, as in :func:`weightspectra.randomness.noise.nulls.tables`.
    window : int
        Neighbouring ranks over which p-values are averaged.

    Returns
    -------
    DataFrame
        side, index, distance, magnitude_distance, p_value, window_p_value, q_value, participation,
        participation_p_value, participation_q_value; q-values are those of
        Benjamini and Hochberg, for each statistic over all vectors of both sides.

    References
    ----------
    Y. Benjamini and Y. Hochberg, Journal of the Royal Statistical Society B 57, 289 (1995).
    """
    tables = []
    for side, found in sides.items():
        draws, measured = nulls[found.shape[1], 1], vectors.measure(found)
        p_values = deviation_p_values(measured.deviation, draws["vector distance"])
        columns = {
            "side": side,
            "index": np.arange(len(found)),
            "distance": measured.distance,
            "magnitude_distance": measured.magnitude_distance,
            "p_value": p_values,
            "window_p_value": window_means(p_values, window),
            "participation": measured.participation,
            "participation_p_value": participation_p_values(
                measured.participation, draws["participation"], draws["participation tail"]
            ),
        }
        tables.append(pd.DataFrame(columns))
    joined = pd.concat(tables, ignore_index=True)
    return joined.assign(
        q_value=VECTORS.corrected(joined["p_value"].to_numpy()),
        participation_q_value=VECTORS.corrected(joined["participation_p_value"].to_numpy()),
    )


def deviation_p_values(deviation: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the probability that a random direction is as far from the law of random directions.

    Parameters
    ----------
    deviation : ndarray
        Of :class:`weightspectra.randomness.directions.vectors.Measures`.
    draws : ndarray of shape (n_draws,)
        ``'vector distance'`` of :func:`weightspectra.randomness.directions.vectors.null_draws` for the same dimension.

    Returns
    -------
    ndarray
        p-values between ``SMALLEST_P`` and 1.

    Notes
    -----
    Down to ``BODY`` they are shares of the draws. Beyond it log p falls linearly
    with the square, as in the law of Kolmogorov and as for the maximum of any
    Gaussian process with the local roughness of a Brownian bridge whose variance
    has a single highest point. The slope is fitted to the draws beyond ``BODY``.

    References
    ----------
    V. I. Piterbarg, Asymptotic Methods in the Theory of Gaussian Processes and
    Fields (American Mathematical Society, 1996).
    """
    start = np.quantile(draws, 1 - BODY)
    mean_excess = (draws[draws > start] ** 2 - start**2).mean()
    tail = BODY * np.exp(-np.maximum(deviation**2 - start**2, 0) / mean_excess)
    return np.where(deviation > start, np.maximum(tail, SMALLEST_P), _counted(deviation, draws))


def participation_p_values(participation: np.ndarray, draws: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """Return the probability that a random direction has as large a participation ratio.

    Parameters
    ----------
    participation : ndarray
        P of :func:`weightspectra.randomness.directions.vectors.measure`.
    draws, tail : ndarray
        ``'participation'`` and ``'participation tail'`` of
        :func:`weightspectra.randomness.directions.vectors.null_draws` for the same dimension.

    Returns
    -------
    ndarray
        p-values between ``SMALLEST_P`` and 1; small ones for vectors with few large components.
    """
    beyond = np.exp(np.interp(participation, tail, np.log(TAIL)))
    return np.where(participation > tail[0], beyond, _counted(participation, draws))


def window_means(p_values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean p-value of the ranks around each one; at the ends, of those that there are.

    Parameters
    ----------
    p_values : ndarray of shape (n_vectors,)
        By rank of the singular value.
    window : int
        Ranks in a window; of an even number, the one more lies before the rank.

    Notes
    -----
    Random directions have a mean of 1/2 and a standard deviation of 1/sqrt(12
    w) in a window of w ranks, in good approximation for vectors that are
    orthogonal to each other. Eq. (4) in version 1 of Staats, Thamm and
    Rosenow, arXiv 2410.17770.
    """
    before = window // 2
    sums = np.concatenate([[0.0], np.cumsum(p_values)])
    ranks = np.arange(len(p_values))
    first = np.maximum(ranks - before, 0)
    last = np.minimum(ranks - before + window, len(p_values))
    return (sums[last] - sums[first]) / (last - first)


def _counted(values: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the shares of ascending draws that are as large as each value, the value itself counted among them."""
    return (len(draws) - np.searchsorted(draws, values) + 1) / (len(draws) + 1)
