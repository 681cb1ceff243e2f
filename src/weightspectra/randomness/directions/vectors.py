"""Tests whether the components of a singular vector could be those of a random direction.

The singular vectors of a matrix of Gaussian noise are directions drawn uniformly
from the unit sphere. Two statistics hold a vector against that null: the
distance of its components' distribution to that of a random direction (the
Porter-Thomas law), and its inverse participation ratio. Vectors are rows.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import betainc, betaincc, betainccinv

BLOCK = 1 << 19
"""Components worked on at a time: a few megabytes, which stay in a processor's cache."""

CELLS = 4096
"""Intervals of the table from which the law of a component is interpolated."""

TABLE_END = 9.0
"""Where that table ends, in units of a component's root mean square: 1e-18 of the components are larger."""

BODY = 0.1
"""The smallest p-value that is counted out in simulated draws; smaller ones come from the tail's law."""

SMALLEST_P = 1e-20
"""No p-value is given as smaller than this: what the tail's law says beyond is no use to anyone."""

TAIL = np.geomspace(BODY, SMALLEST_P, 128)
"""Probabilities for which the tail of the participation ratio is tabulated."""

MAGNITUDE_WEIGHT = 1.2
"""What the distance of magnitudes is multiplied by before it is compared with that of components.

The gap between the components' distribution and the law has a standard
deviation of at most 0.5 / sqrt(N), and for magnitudes 0.418 / sqrt(N), because
normalisation leaves those less freedom; the ratio makes the tails of both
equally thin.
"""


class Measures(NamedTuple):
    """What :func:`measure` finds; every array has shape (n_vectors,)."""

    distance: np.ndarray
    magnitude_distance: np.ndarray
    participation: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """The larger of both distances, the second weighted by ``MAGNITUDE_WEIGHT``: what is tested."""
        return np.maximum(self.distance, MAGNITUDE_WEIGHT * self.magnitude_distance)


def component_law(sizes: np.ndarray, dimension: int) -> np.ndarray:
    """Return the probability that a component of a random direction is smaller in magnitude.

    Parameters
    ----------
    sizes : ndarray
        Magnitudes between 0 and 1.
    dimension : int
        Components of the vector, N.

    Notes
    -----
    The square of a component of a vector drawn uniformly from the unit sphere
    follows Beta(1/2, (N - 1)/2). For large N the component is N(0, 1/N), and
    its square follows the law of C. E. Porter and R. G. Thomas, Physical Review
    104, 483 (1956).
    """
    return betainc(0.5, (dimension - 1) / 2, np.square(sizes))


def measure(vectors: np.ndarray) -> Measures:
    """Measure how far vectors are from random directions.

    Parameters
    ----------
    vectors : ndarray of shape (n_vectors, N), N >= 2
        Of any length but zero: they are normalised first.

    Returns
    -------
    Measures
        ``distance`` sup_t |share of components <= t, minus (1 + sgn(t)
        F(|t|)) / 2|, and ``magnitude_distance`` sup_t |share of magnitudes
        <= t, minus F(t)|, with F of :func:`component_law`; ``participation``
        P = sum_i v_i^4, which is 1 for a vector with a single component, 1/N for
        one with N of equal size, and 3/(N + 2) on average for a random direction.

    Raises
    ------
    ValueError
        When a vector is zero or not finite.

    Notes
    -----
    Reversing a vector changes none of them, so that its sign may be chosen in
    any way. Components alone would hide half of a deviation that is the same on
    both sides of zero, as of sparse vectors, and magnitudes all of an excess of
    one sign.

    Everything is done in float32, which moves the distances by less than 1e-6.
    """
    n_vectors, dimension = vectors.shape
    found = np.empty((3, n_vectors))
    step = max(1, BLOCK // dimension)
    table, cells_per_unit = _law_table(dimension)
    for start in range(0, n_vectors, step):
        block = np.array(vectors[start : start + step], dtype=np.float32)
        squared_norms = np.einsum("ij,ij->i", block, block)
        if not (np.isfinite(squared_norms) & (squared_norms > 0)).all():
            raise ValueError("a vector is zero or not finite: it has no direction")
        block /= np.sqrt(squared_norms)[:, None]
        rows = slice(start, start + len(block))
        squares = np.square(block)
        found[2, rows] = np.einsum("ij,ij->i", squares, squares)
        block.sort(axis=1)
        below = _looked_up(np.abs(block), table, cells_per_unit)
        found[0, rows] = _largest_gap((1 + np.copysign(below, block)) / 2)
        below.sort(axis=1)
        found[1, rows] = _largest_gap(below)
    return Measures(*found)


def null_draws(dimension: int, n_draws: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw random directions and measure them.

    Parameters
    ----------
    dimension : int
        Components of a vector, N >= 2.
    n_draws : int
    rng : numpy.random.Generator

    Returns
    -------
    dict from str to ndarray
        ``'vector distance'`` (``deviation`` of :class:`Measures`) and
        ``'participation'`` of each draw, ascending, and ``'participation
        tail'``: the values that the participation ratio exceeds with the
        probabilities ``TAIL``.

    Notes
    -----
    The tail of the participation ratio is that of a sum in which one term can
    outweigh all others, and no power of it falls off exponentially; laws fitted
    to the largest draws err tenfold at 1e-5. So it is computed: given the
    direction of all components but one, the square s of that one follows
    Beta(1/2, (N - 1)/2), and it is the largest one and takes P = s^2 + (1 - s)^2
    P' beyond y if s exceeds a bound. N times the mean of the probability of
    this over directions is the probability that P > y, without bias, for any y,
    and with a relative error that vanishes as y grows.

    References
    ----------
    S. Asmussen and D. P. Kroese, Advances in Applied Probability 38, 545 (2006).
    """
    step = max(1, BLOCK // dimension)
    parts = []
    for start in range(0, n_draws, step):
        draws = rng.standard_normal((min(step, n_draws - start), dimension), dtype=np.float32)
        measured, rest = measure(draws), np.square(draws[:, 1:])
        rest /= rest.sum(axis=1, keepdims=True)
        parts.append((measured.deviation, measured.participation, np.einsum("ij,ij->i", rest, rest), rest.max(axis=1)))
    distance, participation, rest_participation, rest_largest = (
        np.concatenate(found) for found in zip(*parts, strict=True)
    )
    participation.sort()
    start = np.quantile(participation, 1 - BODY)
    tail = _participation_tail(start, rest_participation, rest_largest, dimension)
    return {"vector distance": np.sort(distance), "participation": participation, "participation tail": tail}


def _participation_tail(start: float, rest: np.ndarray, rest_largest: np.ndarray, dimension: int) -> np.ndarray:
    """Return the values that the participation ratio exceeds with the probabilities ``TAIL``, beginning at ``start``.

    Parameters
    ----------
    start : float
        The value exceeded with probability ``BODY``.
    rest, rest_largest : ndarray of shape (n_draws,)
        Participation ratio and largest square of random directions of one dimension less.
    dimension : int
    """
    # A component that half of SMALLEST_P allows in any of N places ends the table.
    square = betainccinv(0.5, (dimension - 1) / 2, SMALLEST_P / (2 * dimension))
    end = square**2 + (1 - square) ** 2 * rest.max()
    # Both grids are of equal angles, in which the logarithms bend least.
    values = np.sin(np.linspace(np.arcsin(np.sqrt(start)), np.arcsin(np.sqrt(end)), len(TAIL))) ** 2
    sizes = np.sin(np.linspace(0, np.pi / 2, CELLS + 1))
    log_survival = np.log(np.maximum(betaincc(0.5, (dimension - 1) / 2, sizes**2), np.finfo(float).tiny))
    exceeded = np.empty(len(values))
    for number, value in enumerate(values):
        # The square that takes P to the value: the larger root of s^2 + (1 - s)^2 rest = value, or any.
        root = np.sqrt(np.maximum(rest**2 - (1 + rest) * (rest - value), 0))
        bound = np.maximum((rest + root) / (1 + rest), rest_largest / (1 + rest_largest))
        exceeded[number] = np.exp(np.interp(np.sqrt(bound), sizes, log_survival)).mean()
    return np.interp(-np.log(TAIL / BODY), -np.log(exceeded / exceeded[0]), values)


@lru_cache(maxsize=16)
def _law_table(dimension: int) -> tuple[np.ndarray, np.float32]:
    """Return the law at equally distant magnitudes, and how many of them there are to a unit of magnitude."""
    end = min(1.0, TABLE_END / np.sqrt(dimension))
    table = component_law(np.linspace(0, end, CELLS + 1), dimension)
    return np.append(table, table[-1]).astype(np.float32), np.float32(CELLS / end)


def _looked_up(magnitudes: np.ndarray, table: np.ndarray, cells_per_unit: np.float32) -> np.ndarray:
    """Return the law at float32 magnitudes, which are overwritten, by linear interpolation."""
    magnitudes *= cells_per_unit
    np.minimum(magnitudes, CELLS, out=magnitudes)
    cells = magnitudes.astype(np.int32)
    magnitudes -= cells
    magnitudes *= np.diff(table).take(cells, mode="clip")
    magnitudes += table.take(cells)
    return magnitudes


def _largest_gap(ascending: np.ndarray) -> np.ndarray:
    """Return how far the empirical distribution of each row of probabilities is from the uniform one."""
    n = ascending.shape[1]
    # The steps of the empirical distribution reach half a step to either side of their middle.
    return np.abs(ascending - ((np.arange(n) + 0.5) / n).astype(np.float32)).max(axis=1) + 0.5 / n
