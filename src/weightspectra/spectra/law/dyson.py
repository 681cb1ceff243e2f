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

ACCURACY = 1e-6
"""Relative, of a last Newton step, after which the error is its square; the edges are extrema and as exact."""

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

    def blurred(self, relative_variance: float) -> "Side":
        """Return the side with every variance split evenly into two, so that about it they have this variance."""
        shift = relative_variance**0.5
        parts = [self.variances * (1 - shift), self.variances * (1 + shift)]
        return Side(np.concatenate(parts), weights=np.tile(self.weights / 2, 2))


@dataclass(frozen=True)
class Edge:
    """One end of the bulk.

    Attributes
    ----------
    square : float
        The squared singular value there.
    width : float
        Tracy-Widom unit in which the outermost squared singular value strays, as a share of ``square``.
    participation_short, participation_long : float
        Sum over rows, or columns, of (d ln square / d ln variance)**2: 1 when one of them makes the edge, and
        one over their number when all of them share in it.
    """

    square: float
    width: float
    participation_short: float
    participation_long: float


class Slope(NamedTuple):
    """How one of the unknowns depends on t, at one t.

    Attributes
    ----------
    root : float
        The unknown that was solved for.
    rate, bend : float
        d ln x / d ln t, or that of y but for the sign, and its derivative to ln t.
    participation : float
        Sum over rows or columns of (d ln x / d ln variance)**2.
    """

    root: float
    rate: float
    bend: float
    participation: float


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
    unknowns = _AtPole(short.variances, short.weights), _AtPole(long.variances, long.weights)

    def surplus(log_t: float) -> float:
        t = np.exp(log_t)
        return float(np.log(sum(unknown.slope(t, t).rate for unknown in unknowns)))

    highest = np.log(short.length * long.length) / 2
    lowest = min(np.log(min(side.weights.min() for side in (short, long))), highest) - 1
    t = np.exp(brentq(surplus, lowest, highest + 1e-6, xtol=ACCURACY))
    of_short, of_long = (unknown.slope(t, t) for unknown in unknowns)
    square = t * (1 + 1 / of_short.root) * (1 + 1 / of_long.root) * short.variances.max() * long.variances.max()
    width = (-(of_short.bend + of_long.bend) / 2 / t**2) ** (1 / 3)
    return Edge(float(square), float(width), of_short.participation, of_long.participation)


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
    at_pole = _AtPole(1 / short.variances, short.weights)
    saturating = _BeforeSaturation(long.variances, long.weights)
    gap = long.length - short.length

    def slopes(position: float) -> tuple[float, Slope, Slope]:
        excess, deficit = gap / (1 + np.exp(-position)), gap / (1 + np.exp(position))
        t = short.length + excess
        return t, at_pole.slope(t, excess), saturating.slope(t, deficit)

    def surplus(position: float) -> float:
        _, of_short, of_long = slopes(position)
        return float(np.log((1 + of_short.rate) / of_long.rate))

    t, of_short, of_long = slopes(brentq(surplus, -60.0, 60.0, xtol=ACCURACY))
    square = t / (of_long.root / top) / ((1 + 1 / of_short.root) / bottom)
    width = ((of_long.bend - of_short.bend) / 2 / t**2) ** (1 / 3)
    return Edge(float(square), float(width), of_short.participation, of_long.participation)


class _AtPole:
    """The unknown that nears the pole of the largest number c in sum(w c u / (1 + u (1 - c))) = excess.

    Dyson's unknown is proportional to u / (1 + u). The c are the given numbers over the largest of them.
    """

    def __init__(self, numbers: np.ndarray, weights: np.ndarray):
        shares = numbers / numbers.max()
        self.gaps, self.products, self.weights = 1 - shares, weights * shares, weights
        self.total = float(self.products.sum())
        self.near = 0.0

    def slope(self, t: float, excess: float) -> Slope:
        """Solve for u, where ``excess`` is t up to a constant."""
        u = max(self.near, excess / self.total)
        for _ in range(MAX_STEPS):
            inverse = 1 / (1 + u * self.gaps)
            parts = self.products * inverse
            step = (excess - u * (self.products @ inverse)) / (parts @ inverse)
            # The sum is concave: a step never ends right of the root, but from far right of it below zero.
            u = u + step if u + step > 0 else excess / self.total
            if abs(step) <= ACCURACY * u:
                break
        self.near = float(u)
        inverse = 1 / (1 + u * self.gaps)
        parts = self.products * inverse**2
        slope = float(parts.sum())
        curve = -2 * float(parts @ (self.gaps * inverse))
        rate = t / (u * (1 + u) * slope)
        bend = rate * (1 - t / slope * (1 / u + 1 / (1 + u) + curve / slope))
        return Slope(float(u), float(rate), float(bend), float(parts @ (parts / self.weights)) / slope**2)


class _BeforeSaturation:
    """The unknown of sum(w / (1 + c x)) = deficit; x is Dyson's times the largest of the given numbers."""

    def __init__(self, numbers: np.ndarray, weights: np.ndarray):
        self.shares, self.weights = numbers / numbers.max(), weights
        self.products = weights * self.shares
        self.length, self.total = float(weights.sum()), float(self.products.sum())

    def slope(self, t: float, deficit: float) -> Slope:
        """Solve for x > 0, where t + deficit is the number of rows or columns."""
        x = (self.length / deficit - 1) * self.length / self.total
        for _ in range(MAX_STEPS):  # the sum is convex: Newton's steps approach from the left
            inverse = 1 / (1 + x * self.shares)
            step = (self.weights @ inverse - deficit) / ((self.products * inverse) @ inverse)
            x += step
            if abs(step) <= ACCURACY * x:
                break
        inverse = 1 / (1 + x * self.shares)
        parts = self.products * inverse**2
        slope = float(parts.sum())
        curve = -2 * float(parts @ (self.shares * inverse))
        rate = t / (x * slope)
        bend = rate * (1 - t / slope * (1 / x + curve / slope))
        return Slope(float(x), float(rate), float(bend), float(parts @ (parts / self.weights)) / slope**2)


def support(short: Side, long: Side) -> tuple[float, float]:
    """Return the lowest and the highest squared singular value of the bulk; zero is the lowest of a square matrix."""
    lowest = lower_edge(short, long).square if long.length > short.length else 0.0
    return lowest, upper_edge(short, long).square
