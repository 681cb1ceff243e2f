r"""The law of noise whose variance differs from row to row and from column to column.

The entry in row i and column j is independent, with mean zero and variance
:math:`a_i b_j`. Dyson's equation gives the resolvent of such a matrix; for a product
of variances it comes down to two numbers. With :math:`\lambda = s^2`, a squared
singular value,

.. math:: \lambda x = -\sum_i a_i / (1 + a_i y), \quad \lambda y = -\sum_j b_j / (1 + b_j x),

of which one solution has positive imaginary parts when :math:`\lambda` has. For
:math:`a_i = b_j = 1` it is the Marchenko-Pastur law, with equal variances on one
side Silverstein's. The sums run over the rows and columns there are: no limit is taken.

References
----------
Girko, Theory of Stochastic Canonical Equations (2001), for the equation; Silverstein
and Choi, J. Multivar. Anal. 54, 295 (1995), for the support; Hachem, Hardy and
Najim, Ann. Probab. 44, 2264 (2016), for the fluctuations at the edges.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from weightspectra.spectra import marchenko_pastur

N_EXTREMES = 16
N_GROUPS = 96
"""Inside the bulk so many variances at each end of a side stand for themselves, those between in so many groups."""

ACCURACY = 1e-13
QUANTILE_ACCURACY = 1e-10
MAX_STEPS = 200


class Side:
    """The variances along one side of a matrix, each standing for a number of rows or columns.

    Parameters
    ----------
    variances : array
        Positive, in any unit.
    length : float, optional
        How many rows or columns they stand for in all, if not one each.
    weights : array, optional
        How many each stands for, instead; need not be whole numbers.
    """

    def __init__(self, variances: ArrayLike, length: float | None = None, weights: np.ndarray | None = None):
        self.variances = np.asarray(variances, dtype=np.float64)
        each = 1.0 if length is None else length / self.variances.size
        self.weights = np.full(self.variances.size, each) if weights is None else weights
        self.length = float(self.weights.sum())

    def grouped(self) -> "Side":
        """Return nearly the same side with fewer variances: the extremes, and the means of groups between them."""
        size = self.variances.size
        if size <= 2 * N_EXTREMES + N_GROUPS:
            return self
        order = np.argsort(self.variances)
        inner = N_EXTREMES + np.arange(N_GROUPS) * (size - 2 * N_EXTREMES) // N_GROUPS
        starts = np.concatenate([np.arange(N_EXTREMES), inner, np.arange(size - N_EXTREMES, size)])
        weights = np.add.reduceat(self.weights[order], starts)
        sums = np.add.reduceat((self.weights * self.variances)[order], starts)
        return Side(sums / weights, weights=weights)


@dataclass(frozen=True)
class Edge:
    """One end of the bulk.

    Attributes
    ----------
    square : float
        The squared singular value there.
    width : float
        Tracy-Widom unit in which the outermost squared singular value strays, as a share of ``square``.
    """

    square: float
    width: float


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


def upper_edge(short: Side, long: Side) -> Edge:
    r"""Return the upper edge of the bulk.

    Notes
    -----
    To its right x and y are real and negative, and each is a function of
    :math:`t = -\sum_i a_i y / (1 + a_i y) = -\sum_j b_j x / (1 + b_j x) > 0`; then
    :math:`\lambda = t / (x y)`. The edge is the minimum over t, where
    :math:`d \ln x / d \ln t + d \ln y / d \ln t = 1`; the sum falls with t, and lies
    above 1 for small t and below it for t beyond the geometric mean of both lengths.

    Near the edge :math:`t - t_+` is imaginary, and the density of squared singular
    values is :math:`|Im t| / (\pi \lambda)`. With the curvature
    :math:`\kappa = -d (d \ln x / d \ln t + d \ln y / d \ln t) / d \ln t` it is that of
    the Airy process in units of :math:`\lambda_+ (\kappa / 2 t^2)^{1/3}`.
    """
    tops = [side.variances.max() for side in (short, long)]
    shares = [(side.variances / top, side.weights) for side, top in zip((short, long), tops, strict=True)]

    def surplus(log_t: float) -> float:
        t = np.exp(log_t)
        return float(np.log(sum(_slope_at_pole(t, t, *share)[1] for share in shares)))

    highest = np.log(short.length * long.length) / 2
    lowest = min(np.log(min(side.weights.min() for side in (short, long))), highest) - 1
    t = np.exp(brentq(surplus, lowest, highest + 1e-6, xtol=ACCURACY))
    (u, _, bend_u), (v, _, bend_v) = (_slope_at_pole(t, t, *share) for share in shares)
    square = t * (1 + 1 / u) * (1 + 1 / v) * tops[0] * tops[1]
    return Edge(float(square), float((-(bend_u + bend_v) / 2 / t**2) ** (1 / 3)))


def lower_edge(short: Side, long: Side) -> Edge:
    r"""Return the lower edge of the bulk; the long side must be longer.

    Notes
    -----
    Between zero and the edge x is positive and y below -1 / min(a). Both are
    functions of :math:`t = \sum_i a_i y / (1 + a_i y) = \sum_j b_j x / (1 + b_j x)`,
    which lies between the two lengths, :math:`\lambda = -t / (x y)`, and the edge is
    the maximum over t.
    """
    bottom, top = short.variances.min(), long.variances.max()
    shares, relative = bottom / short.variances, long.variances / top
    gap = long.length - short.length

    def sides(position: float) -> tuple[float, tuple[float, float, float], tuple[float, float, float]]:
        excess, deficit = gap / (1 + np.exp(-position)), gap / (1 + np.exp(position))
        t = short.length + excess
        return (
            t,
            _slope_at_pole(t, excess, shares, short.weights),
            _slope_before_saturation(t, deficit, relative, long.weights),
        )

    def surplus(position: float) -> float:
        _, (_, rise, _), (_, fall, _) = sides(position)
        return float(np.log((1 + rise) / fall))

    t, (v, _, bend_v), (x, _, bend_x) = sides(brentq(surplus, -60.0, 60.0, xtol=ACCURACY))
    square = t / (x / top) / ((1 + 1 / v) / bottom)
    return Edge(float(square), float(((bend_x - bend_v) / 2 / t**2) ** (1 / 3)))


def _slope_at_pole(t: float, excess: float, shares: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Solve sum(w c u / (1 + u (1 - c))) = excess for u, where the largest share c is 1.

    Returns u, d ln(u / (1 + u)) / d ln t, and the derivative of that to ln t; ``excess`` is t up to a constant.
    """
    products = weights * shares
    u = excess / products.sum()
    for _ in range(MAX_STEPS):  # the sum is concave in u: Newton's steps approach from the left
        inverse = 1 / (1 + u * (1 - shares))
        first = products * inverse
        slope = float(first @ inverse)
        step = (excess - u * first.sum()) / slope
        u += step
        if abs(step) <= ACCURACY * u:
            break
    inverse = 1 / (1 + u * (1 - shares))
    slope = float(products @ inverse**2)
    bend = -2 * float((products * (1 - shares)) @ inverse**3)
    rate = t / (u * (1 + u) * slope)
    return u, rate, rate * (1 - t / slope * (1 / u + 1 / (1 + u) + bend / slope))


def _slope_before_saturation(
    t: float, deficit: float, shares: np.ndarray, weights: np.ndarray
) -> tuple[float, float, float]:
    """Solve sum(w / (1 + c x)) = deficit for x > 0, where t + deficit is the sum of the weights.

    Returns x, d ln x / d ln t, and the derivative of that to ln t.
    """
    x = (weights.sum() / deficit - 1) / np.average(shares, weights=weights)
    for _ in range(MAX_STEPS):  # the sum is convex in x: Newton's steps approach from the left
        inverse = 1 / (1 + shares * x)
        first = weights * inverse
        step = (first.sum() - deficit) / float((first * shares) @ inverse)
        x += step
        if abs(step) <= ACCURACY * x:
            break
    inverse = 1 / (1 + shares * x)
    slope = float((weights * shares) @ inverse**2)
    bend = -2 * float((weights * shares**2) @ inverse**3)
    rate = t / (x * slope)
    return x, rate, rate * (1 - t / slope * (1 / x + bend / slope))


def density(singular_values: ArrayLike, short: Side, long: Side) -> np.ndarray:
    """Return the probability density of the noise's singular values, zero outside the edges.

    Zero itself, where the density of a square matrix is largest, is not a point of it.
    """
    short, long = short.grouped(), long.grouped()
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
    short, long = short.grouped(), long.grouped()
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


def support(short: Side, long: Side) -> tuple[float, float]:
    """Return the first and the last squared singular value of the bulk."""
    lowest = lower_edge(short, long).square if long.length > short.length else 0.0
    return lowest, upper_edge(short, long).square


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
