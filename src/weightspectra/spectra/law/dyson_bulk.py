"""The inside of the bulk of noise with a variance profile: density and quantiles of its singular values.

Dyson's equation, as :mod:`weightspectra.spectra.law.dyson` has it, solved at points of the
real axis by Newton's method, from far above them down.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from weightspectra.spectra.law import marchenko_pastur
from weightspectra.spectra.law.dyson import Side, support, upper_edge

N_EXTREMES = 16
N_GROUPS = 96
"""Inside the bulk so many variances at each end of a side stand for themselves, those between in so many groups."""

QUANTILE_ACCURACY = 1e-8
MAX_STEPS = 200


class Solution(NamedTuple):
    """Points inside the bulk, and Dyson's equation solved there.

    Attributes
    ----------
    squares : ndarray
        Squared singular values.
    x : complex ndarray of the same shape
    """

    squares: np.ndarray
    x: np.ndarray


def density(singular_values: ArrayLike, short: Side, long: Side) -> np.ndarray:
    """Return the probability density of the noise's singular values, zero outside the edges.

    Zero itself, where the density of a square matrix is largest, is not a point of it.
    """
    short, long = grouped(short), grouped(long)
    values = np.asarray(singular_values, dtype=np.float64)
    lowest, highest = support(short, long)
    inside = (values**2 > lowest) & (values**2 < highest)
    squares = values[inside] ** 2
    found = np.zeros(values.shape)
    found[inside] = 2 * values[inside] * _density(squares, _solve(squares, short, long), short, long) / short.length
    return found


def quantiles(probabilities: ArrayLike, short: Side, long: Side, near: Solution | None = None) -> Solution:
    r"""Return the squared singular values below which these shares of the noise's lie.

    Parameters
    ----------
    probabilities : array of shape (n,)
        Each between 0 and 1.
    short, long : Side
    near : Solution, optional
        The same quantiles of a law not far from this one, which spares most of the work.

    Notes
    -----
    The number of them above :math:`\lambda` needs no integral. The logarithm of
    the determinant whose stationary point Dyson's equation is gives it as
    :math:`Im(\sum_i \ln(1 + a_i y) + \sum_j \ln(1 + b_j x) + \lambda x y) / \pi`.
    """
    short, long = grouped(short), grouped(long)
    wanted = np.asarray(probabilities, dtype=np.float64)
    low, high = (np.full(wanted.shape, edge) for edge in support(short, long))
    guess = _homogeneous_quantiles(wanted, short, long) if near is None else near.squares
    squares = np.clip(guess, 0.99 * low + 0.01 * high, 0.01 * low + 0.99 * high)
    x = _solve(squares, short, long, None if near is None else near.x)
    for _ in range(MAX_STEPS):
        missing = wanted - 1 + _number_above(squares, x, short, long) / short.length
        if np.abs(missing).max() < QUANTILE_ACCURACY:
            return Solution(squares, x)
        low, high = np.where(missing > 0, squares, low), np.where(missing > 0, high, squares)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = squares + missing * short.length / _density(squares, x, short, long)
        squares = np.where((moved > low) & (moved < high), moved, (low + high) / 2)
        x = _solve(squares, short, long, x)
    raise ArithmeticError(f"quantiles of the noise were found to {np.abs(missing).max():.1g} only")


def _homogeneous_quantiles(probabilities: np.ndarray, short: Side, long: Side) -> np.ndarray:
    """Return the quantiles of the Marchenko-Pastur law with the same mean variance, to a hundredth or so."""
    aspect_ratio = long.length / short.length
    grid = 1 + aspect_ratio**-0.5 * np.linspace(-1, 1, 257)
    mean = np.average(short.variances, weights=short.weights) * (long.weights @ long.variances)
    return mean * np.interp(probabilities, marchenko_pastur.cdf(grid, aspect_ratio), grid) ** 2


def _number_above(squares: np.ndarray, x: np.ndarray, short: Side, long: Side) -> np.ndarray:
    inverse = 1 / (1 + np.multiply.outer(x, long.variances))
    y = -(inverse @ (long.weights * long.variances)) / squares
    # All angles lie between 0 and pi; in a gap, rounding may turn pi into -pi.
    angles = np.abs(np.angle(1 + np.multiply.outer(y, short.variances))) @ short.weights
    angles += np.abs(np.angle(inverse)) @ long.weights
    return (angles + squares * (x * y).imag) / np.pi


def _density(squares: np.ndarray, x: np.ndarray, short: Side, long: Side) -> np.ndarray:
    """Return how many squared singular values there are per unit."""
    inverse = 1 / (1 + np.multiply.outer(x, long.variances))
    y = -(inverse @ (long.weights * long.variances)) / squares
    traces = (1 / (1 + np.multiply.outer(y, short.variances))) @ short.weights
    return -(traces / squares).imag / np.pi


def _solve(squares: np.ndarray, short: Side, long: Side, start: np.ndarray | None = None) -> np.ndarray:
    """Return x at points on the real axis, reached from above; ``start`` is x at points nearby.

    Where no start is given or Newton's method strays from it, x is followed from far above the axis, where it is
    known, down to it.
    """
    found = np.empty(squares.shape, dtype=np.complex128)
    strayed = np.ones(squares.shape, dtype=bool)
    if start is not None:
        found, good = _newton(squares + 0j, start, short, long)
        # Outside the bulk there are several real solutions: from nearby any of them may be found.
        strayed = ~good | (found.imag < 1e-8 * np.abs(found))
    if strayed.any():
        found[strayed] = _descend(squares[strayed], short, long)
    return found


def _descend(squares: np.ndarray, short: Side, long: Side) -> np.ndarray:
    height = 8 * upper_edge(short, long).square
    x = -(short.weights @ short.variances) / (squares + 1j * height)
    factor = 0.3
    lowest = 1e-12 * squares.min()
    for _ in range(MAX_STEPS):
        trial = height * factor
        moved, good = _newton(squares + 1j * trial, x, short, long)
        if good.all():
            x, height = moved, trial
            if height < lowest:
                return _newton(squares + 0j, x, short, long)[0]
        else:
            factor **= 0.5
    raise ArithmeticError(f"Dyson's equation was not solved down to the real axis, only to {height:.3g} above it")


def _newton(points: np.ndarray, x: np.ndarray, short: Side, long: Side) -> tuple[np.ndarray, np.ndarray]:
    """Solve for x from nearby values; also return where that succeeded."""
    for _ in range(12):
        inverse = 1 / (1 + np.multiply.outer(x, long.variances))
        y = -(inverse @ (long.weights * long.variances)) / points
        slope = (inverse**2 @ (long.weights * long.variances**2)) / points
        inverse = 1 / (1 + np.multiply.outer(y, short.variances))
        residual = points * x + inverse @ (short.weights * short.variances)
        step = residual / (points - (inverse**2 @ (short.weights * short.variances**2)) * slope)
        x = x - step
        small = np.abs(step) < 1e-10 * np.abs(x)
        if small.all():
            break
    return x, small & (x.imag > 0) & (y.imag > 0)


def grouped(side: Side) -> Side:
    """Return nearly the same side with fewer variances: equal ones joined, or the extremes and means of the others."""
    order = np.argsort(side.variances)
    ascending, weights = side.variances[order], side.weights[order]
    starts = np.flatnonzero(np.diff(ascending, prepend=-1.0))
    if starts.size > 2 * N_EXTREMES + N_GROUPS:
        size = ascending.size
        inner = N_EXTREMES + np.arange(N_GROUPS) * (size - 2 * N_EXTREMES) // N_GROUPS
        starts = np.concatenate([np.arange(N_EXTREMES), inner, np.arange(size - N_EXTREMES, size)])
    joined = np.add.reduceat(weights, starts)
    return Side(np.add.reduceat(weights * ascending, starts) / joined, weights=joined)
