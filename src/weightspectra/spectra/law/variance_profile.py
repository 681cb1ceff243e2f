"""Noise of unequal variance: whether rows and columns differ, and what such noise explains.

Layer norms, heads and rare inputs leave weights whose rows or columns differ in scale. Independent entries of this
kind have a wider bulk than the Marchenko-Pastur law's, and against that law tens of their singular values look like
structure. The bounds here are those of noise with the matrix's own profile: the variance of an entry is the product of
one number for its row and one for its column.

References
----------
As in :mod:`weightspectra.spectra.law.dyson`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from weightspectra.spectra.law import dyson, dyson_bulk, edges, hard_edge, marchenko_pastur, noise_scale, tracy_widom
from weightspectra.spectra.law.dyson import Side

TRACY_WIDOM_MEAN, TRACY_WIDOM_VARIANCE = -1.2065335746, 1.6077810346
"""Of the law of order 1 (Bornemann, Markov Process. Relat. Fields 16, 803, 2010, table 10)."""

LEAST_LEFT = 0.2
"""Share of the largest value's variance that known norms never take away, though single large rows may seem to."""

MOST_CHANCE = 0.3
"""Relative variance beyond which mean squares stray too far to be extrapolated: a few rows or columns hold the norm."""

_NODES = np.polynomial.legendre.leggauss(12)


class Chance(NamedTuple):
    """What chance does to variances that are measured as mean squares.

    Attributes
    ----------
    short, long : float
        Relative variances by which those of either side stray from the true ones.
    lower, upper : float
        Factors by which this moves the squared singular values at the edges.
    """

    short: float
    long: float
    lower: float
    upper: float


NO_CHANCE = Chance(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class ProfileBounds:
    """What noise with a matrix's own variance profile explains of its spectrum, and what it does not.

    Attributes
    ----------
    noise_std : float
        Root mean variance of the noise entries; rows and columns of zeros, and outliers, are left out of the fit.
    edge_lower, edge_upper : float
        Where the bulk ends as the matrix grows.
    bound_lower, bound_upper : float
        Such noise alone has a smaller value, or a larger one, with probability level / 2 each. Where few rows make
        the edge, whose norms are known, the upper bound may lie inside it.
    n_below, n_above : int
        Values beyond the bounds. The zeros that rows or columns of zeros bring are not counted.
    short, long : Side
        The variances that the noise has in units of noise_std**2.
    """

    noise_std: float
    edge_lower: float
    edge_upper: float
    bound_lower: float
    bound_upper: float
    n_below: int
    n_above: int
    short: Side
    long: Side

    def density(self, singular_values: ArrayLike) -> np.ndarray:
        """Return the probability density of the noise's singular values."""
        values = np.asarray(singular_values, dtype=np.float64) / self.noise_std
        return dyson_bulk.density(values, self.short, self.long) / self.noise_std


def homogeneity(mean_squares: ArrayLike, n_entries: int, excess_kurtosis: float) -> tuple[float, float]:
    r"""Test whether all rows, or all columns, have entries of one variance.

    Parameters
    ----------
    mean_squares : array of shape (n,)
        Of each row, or of each column.
    n_entries : int
        How many entries each of them has.
    excess_kurtosis : float
        Of all entries of the matrix.

    Returns
    -------
    p_value : float
    spread : float
        Relative standard deviation of their variances, beyond what chance adds to it.

    Notes
    -----
    Independent entries of one distribution with a finite fourth moment give mean squares with the variance
    :math:`(\kappa + 2) \sigma^4 / n_{entries}`, and the sum of their squared deviations over it has the law of chi
    squared. When the other side's variances differ, :math:`\kappa` exceeds that of an entry: the test errs towards
    homogeneity.
    """
    found = np.asarray(mean_squares, dtype=np.float64)
    observed = relative_variance(found)
    if observed == 0:
        return 1.0, 0.0
    expected = (excess_kurtosis + 2) / n_entries
    p_value = stats.chi2.sf((found.size - 1) * observed / expected, found.size - 1)
    return float(p_value), float(max(0.0, observed - expected) ** 0.5)


def fit(
    singular_values: ArrayLike,
    row_mean_squares: ArrayLike,
    column_mean_squares: ArrayLike,
    *,
    level: float = 0.05,
    excess_kurtosis: float | None = None,
    n_lost: int = 0,
) -> ProfileBounds:
    """Separate a spectrum into noise with the matrix's variance profile and outliers at both ends.

    Parameters
    ----------
    singular_values : array of shape (min(n_out, n_in),)
        Largest first.
    row_mean_squares, column_mean_squares : array of shape (n_out,) and (n_in,)
        Mean squared entry of each row and of each column.
    level : float
        Probability that such noise alone has any outlier; half of it at each end.
    excess_kurtosis : float, optional
        Of all entries; without it, or where it is NaN, they are taken as Gaussian.
    n_lost : int
        Of the values, those below the rounding floor, as in :func:`weightspectra.spectra.law.edges.fit`.

    Raises
    ------
    ValueError
        When the number of values is not the smaller dimension.

    Notes
    -----
    Scale and outliers are found in turn as in :func:`weightspectra.spectra.law.edges.fit`, and for equal variances the
    law is the same. What an outlier adds to the mean squares of its rows and columns counts as their noise, so that
    structure confined to few of them is explained away.
    """
    values = np.asarray(singular_values, dtype=np.float64)
    rows, columns = (np.asarray(given, dtype=np.float64) for given in (row_mean_squares, column_mean_squares))
    if values.shape != (min(rows.size, columns.size),):
        raise ValueError(f"expected all {min(rows.size, columns.size)} singular values, found {values.size}")
    rows, columns = rows[rows > 0], columns[columns > 0]
    if not rows.size:
        return ProfileBounds(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, Side([1.0]), Side([1.0]))
    short, long = sorted((rows / rows.mean(), columns / columns.mean()), key=len)
    inside, ends, chance = _without_strays(short, long, excess_kurtosis)
    values, n_lost = values[: short.size], max(n_lost - (values.size - short.size), 0)
    near: dyson_bulk.Solution | None = None

    def fit_without(below: int, above: int) -> tuple[edges.Outliers, Any]:
        nonlocal near
        lengths = short.size - above - below, long.size - above
        law, at_ends = ((Side(pair[0], lengths[0]), Side(pair[1], lengths[1])) for pair in (inside, ends))
        noise_std, near = _scale(values[above : short.size - below], *law, near, max(n_lost - below, 0))
        lower, upper = (noise_std * bound for bound in bounds(*at_ends, level, chance))
        return marchenko_pastur.count_outside(values, lower, upper), (noise_std, lower, upper, law, at_ends)

    _, found, (noise_std, lower, upper, law, at_ends) = edges.settle(fit_without, short.size, n_lost=n_lost)
    lowest, highest = dyson.support(*at_ends)
    edge_lower, edge_upper = noise_std * (lowest / chance.lower) ** 0.5, noise_std * (highest / chance.upper) ** 0.5
    return ProfileBounds(noise_std, edge_lower, edge_upper, lower, upper, max(found[0] - n_lost, 0), found[1], *law)


def _without_strays(
    short: np.ndarray, long: np.ndarray, excess_kurtosis: float | None
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], Chance]:
    """Return both sides' variances less what chance adds to them, those that hold at the ends, and what moves these."""
    strays = chance_variances(short, long, excess_kurtosis)
    inside = _without_chance(short, strays[0]), _without_chance(long, strays[1])
    if max(strays) > MOST_CHANCE:
        return inside, inside, NO_CHANCE
    return inside, (short, long), moved_by(short, long, *strays)


def relative_variance(values: np.ndarray) -> float:
    """Return the unbiased variance of numbers over the square of their mean; of zeros it is 0."""
    return float(values.var(ddof=1) / values.mean() ** 2) if values.size > 1 and values.any() else 0.0


def chance_variances(short: np.ndarray, long: np.ndarray, excess_kurtosis: float | None) -> tuple[float, float]:
    r"""Return the relative variances by which the mean squares of both sides stray from the variances.

    Parameters
    ----------
    short, long : ndarray
        The mean squares along both sides.
    excess_kurtosis : float, optional
        Of all entries; without it, or where it is NaN, they are taken as Gaussian.

    Notes
    -----
    For rows it is :math:`(\kappa + 2) \sum_j b_j^2 / (\sum_j b_j)^2`, where
    :math:`\kappa` is the excess kurtosis of an entry about its own variance. Values
    above that of a Gaussian are the mark of variances that no product describes,
    and count as the Gaussian's.
    """
    shares = [float(side @ side) / float(side.sum()) ** 2 for side in (short, long)]
    own = 0.0
    if excess_kurtosis is not None and np.isfinite(excess_kurtosis):
        own = (excess_kurtosis + 3) / (shares[0] * short.size * shares[1] * long.size) - 3
    variance = float(np.clip(own, -2, 0)) + 2
    return variance * shares[1], variance * shares[0]


def moved_by(short: np.ndarray, long: np.ndarray, of_short: float, of_long: float) -> Chance:
    """Find how far mean squares move the edges that stray by these relative variances: let them stray once more.

    This is the extrapolation of Cook and Stefanski (J. Am. Stat. Assoc. 89, 1314, 1994).
    """
    once = Side(short), Side(long)
    twice = once[0].blurred(of_short), once[1].blurred(of_long)
    lower = _lower_square(*twice) / _lower_square(*once)
    upper = dyson.upper_edge(*twice).square / dyson.upper_edge(*once).square
    return Chance(of_short, of_long, lower, upper)


def bounds(short: Side, long: Side, level: float, chance: Chance = NO_CHANCE) -> tuple[float, float]:
    r"""Return the bounds that such noise's singular values leave with probability ``level``, half at each end.

    Parameters
    ----------
    short, long : Side
    level : float
    chance : Chance
        What chance did to the variances, if they are mean squares of the matrix itself.

    Notes
    -----
    Tracy and Widom's law about the edges of the profile's bulk, in the unit that their curvature gives, with the
    corrections for finite size of :mod:`weightspectra.spectra.law.edges`. Where the matrix is square or nearly so, the
    law of the hard edge depends on the profile through the density near zero alone; the bound of homogeneous noise is
    scaled by it. Measured variances know a part of the largest value's own fluctuation, that of the norms of its rows
    and columns, which leaves less to Tracy and Widom's law.
    """
    deviate = tracy_widom.quantile(1 - level / 2)
    trimmed = Side(short.variances, short.length - 0.5), Side(long.variances, long.length - 0.5)
    top = dyson.upper_edge(*trimmed)
    known = chance.short * top.participation_short + chance.long * top.participation_long
    left = max(LEAST_LEFT, 1 - known / (TRACY_WIDOM_VARIANCE * top.width**2)) ** 0.5
    strayed = TRACY_WIDOM_MEAN + left * (deviate - TRACY_WIDOM_MEAN)
    upper = top.square / chance.upper * (1 + top.width * strayed)
    shape = round(long.length), round(short.length)
    if shape[0] - shape[1] > hard_edge.UP_TO:
        bottom = dyson.lower_edge(*trimmed)
        lower = bottom.square * float(np.exp(bottom.width**2 / 8 - bottom.width * deviate))
    else:
        lower = edges.bounds(1.0, *shape, level)[0] ** 2
        lower *= _lower_square(short, long) / _lower_square(*(Side([1.0], side.length) for side in (short, long)))
    return (lower / chance.lower) ** 0.5, upper**0.5


def _lower_square(short: Side, long: Side) -> float:
    """Return the lower edge as a squared singular value; for a square matrix what the smallest ones scale with."""
    if long.length > short.length:
        return dyson.lower_edge(short, long).square
    return float(np.prod([side.length / (side.weights / side.variances).sum() for side in (short, long)]))


def _scale(
    noise_values: np.ndarray, short: Side, long: Side, near: dyson_bulk.Solution | None, n_lost: int
) -> tuple[float, dyson_bulk.Solution]:
    """Estimate the noise's scale from the central part of its squared singular values, and return it with the law's.

    The rule is that of :func:`weightspectra.spectra.law.noise_scale.entry_std_by_trimming`.
    """
    first, last = noise_scale.central_ranks(noise_values.size, n_lost=n_lost)
    nodes, weights = _NODES
    probabilities = (first + last + (last - first) * nodes) / (2 * noise_values.size)
    law = dyson_bulk.quantiles(probabilities, short, long, near)
    squares = np.sort(noise_values)[first:last] ** 2
    return float((squares.mean() / (weights @ law.squares / 2)) ** 0.5), law


def _without_chance(profile: np.ndarray, chance: float) -> np.ndarray:
    """Return variances with mean one, drawn together by what chance spread them: inside the bulk only that counts."""
    observed = relative_variance(profile)
    factor = (1 - chance / observed) ** 0.5 if observed > chance else 0.0
    return 1 + factor * (profile - 1)
