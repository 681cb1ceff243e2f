"""Noise of unequal variance: whether rows and columns differ, and what such noise explains.

Layer norms, heads and rare inputs leave weights whose rows or columns differ in
scale. Independent entries of this kind have a wider bulk than the
Marchenko-Pastur law's, and against that law tens of their singular values look
like structure. The bounds here are those of noise with the matrix's own
profile: the variance of an entry is the product of one number for its row and
one for its column.

References
----------
As in :mod:`weightspectra.spectra.dyson`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from weightspectra.spectra import dyson, dyson_bulk, edges, noise_scale, tracy_widom
from weightspectra.spectra.dyson import Side

TRACY_WIDOM_MEAN, TRACY_WIDOM_VARIANCE = -1.2065335746, 1.6077810346
"""Of the law of order 1 (Bornemann, Markov Process. Relat. Fields 16, 803, 2010, table 10)."""

LEAST_LEFT = 0.1
"""Share of the largest value's variance that known norms never take away: single rows bring it to nothing."""

MAX_ROUNDS = 50
N_NODES = 12


@dataclass(frozen=True)
class ProfileBounds:
    """What noise with a matrix's own variance profile explains of its spectrum, and what it does not.

    Attributes
    ----------
    noise_std : float
        Root mean variance of the noise entries, rows and columns of zeros left
        out, outliers left out of the fit.
    edge_lower, edge_upper : float
        Where the bulk ends as the matrix grows.
    bound_lower, bound_upper : float
        Such noise alone has a smaller value, or a larger one, with probability level / 2 each.
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
    Independent entries of one distribution with a finite fourth moment give mean
    squares with the variance :math:`(\kappa + 2) \sigma^4 / n_{entries}`, and the sum of
    their squared deviations over it has the law of chi squared. When the other
    side's variances differ, :math:`\kappa` exceeds that of an entry, and the test errs
    towards homogeneity.
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

    Raises
    ------
    ValueError
        When the number of values is not the smaller dimension.

    Notes
    -----
    Scale and outliers are found in turn as in :func:`weightspectra.spectra.edges.fit`,
    and for equal variances the result is the same. What an outlier adds to the mean
    squares of its rows and columns counts as their noise, so that structure confined
    to few of them is explained away.
    """
    values = np.asarray(singular_values, dtype=np.float64)
    rows, columns = (np.asarray(given, dtype=np.float64) for given in (row_mean_squares, column_mean_squares))
    if values.shape != (min(rows.size, columns.size),):
        raise ValueError(f"expected all {min(rows.size, columns.size)} singular values, found {values.size}")
    rows, columns = rows[rows > 0], columns[columns > 0]
    if not rows.size:
        return ProfileBounds(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, Side([1.0]), Side([1.0]))
    short, long = sorted((rows / rows.mean(), columns / columns.mean()), key=len)
    chances = chance_variances(short, long, excess_kurtosis)
    drawn_short, drawn_long = _without_chance(short, chances[0]), _without_chance(long, chances[1])
    values = values[: short.size]
    below, above, near, seen = 0, 0, None, set()
    while True:
        seen.add((below, above))
        n_short, n_long = short.size - above - below, long.size - above
        law = Side(drawn_short, n_short), Side(drawn_long, n_long)
        noise_std, near = _scale(values[above : short.size - below], *law, near)
        lower, upper = (noise_std * bound for bound in bounds(Side(short, n_short), Side(long, n_long), level, chances))
        found = int((values < lower).sum()), int((values > upper).sum())
        if found in seen or len(seen) == MAX_ROUNDS or sum(found) >= short.size:
            break
        below, above = found
    edge_lower, edge_upper = (noise_std * square**0.5 for square in dyson.support(*law))
    return ProfileBounds(noise_std, edge_lower, edge_upper, lower, upper, *found, *law)


def relative_variance(values: np.ndarray) -> float:
    """Return the unbiased variance of numbers over the square of their mean."""
    return float(values.var(ddof=1) / values.mean() ** 2) if values.size > 1 else 0.0


def chance_variances(short: np.ndarray, long: np.ndarray, excess_kurtosis: float | None) -> tuple[float, float]:
    r"""Return the relative variances that mean squares of rows and of columns have by chance alone.

    Parameters
    ----------
    short, long : ndarray
        The mean squares along both sides.
    excess_kurtosis : float, optional
        Of all entries; without it they are taken as Gaussian.

    Notes
    -----
    :math:`(\kappa + 2) \sum_j b_j^2 / (\sum_j b_j)^2`, where :math:`\kappa` is the excess
    kurtosis of one entry about its own variance. Values above that of a Gaussian
    are the mark of variances that no product describes, and count as the
    Gaussian's.
    """
    shares = [float(side @ side) / float(side.sum()) ** 2 for side in (short, long)]
    own = 0.0
    if excess_kurtosis is not None and np.isfinite(excess_kurtosis):
        own = (excess_kurtosis + 3) / (shares[0] * short.size * shares[1] * long.size) - 3
    variance = float(np.clip(own, -2, 0)) + 2
    return variance * shares[1], variance * shares[0]


def bounds(short: Side, long: Side, level: float, chances: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    r"""Return the bounds that such noise's singular values leave with probability ``level``, half at each end.

    Parameters
    ----------
    short, long : Side
    level : float
    chances : pair of float
        Relative variances that the variances of both sides have by chance, when they are mean squares of the
        matrix itself.

    Notes
    -----
    Tracy and Widom's law about the edges of the profile's bulk, in the unit that
    their curvature gives, with the corrections for finite size of
    :mod:`weightspectra.spectra.edges`. Where the matrix is square or nearly so, the law
    of the hard edge depends on the profile through the density near zero alone;
    the bound of homogeneous noise is scaled by it.

    Mean squares stray from the variances, which moves the edges outwards; by how
    much is seen by letting them stray once more (Cook and Stefanski, J. Am. Stat.
    Assoc. 89, 1314, 1994). They also know a part of the largest value's own
    fluctuation, that of the norms of its rows and columns, which leaves less to
    Tracy and Widom.
    """
    deviate = tracy_widom.quantile(1 - level / 2)
    trimmed = Side(short.variances, short.length - 0.5), Side(long.variances, long.length - 0.5)
    top = dyson.upper_edge(*trimmed)
    known = chances[0] * top.participation_short + chances[1] * top.participation_long
    left = max(LEAST_LEFT, 1 - known / (TRACY_WIDOM_VARIANCE * top.width**2)) ** 0.5
    strayed = TRACY_WIDOM_MEAN + left * (deviate - TRACY_WIDOM_MEAN)
    centre = _sharpened(lambda *sides: dyson.upper_edge(*sides).square, *trimmed, chances)
    upper = (centre * (1 + top.width * strayed)) ** 0.5
    shape = round(long.length), round(short.length)
    if shape[0] - shape[1] > edges.HARD_EDGE_UP_TO:
        width = dyson.lower_edge(*trimmed).width
        centre = _sharpened(lambda *sides: dyson.lower_edge(*sides).square, *trimmed, chances)
        return float(centre**0.5 * np.exp(width**2 / 16 - width * deviate / 2)), upper
    reduction = _sharpened(_reduction_at_zero, short, long, chances)
    return edges.bounds(1.0, *shape, level)[0] * reduction**0.5, upper


def _sharpened(
    statistic: Callable[[Side, Side], float], short: Side, long: Side, chances: tuple[float, float]
) -> float:
    """Extrapolate a positive function of the variances back to where they have not strayed by chance."""
    value = statistic(short, long)
    if chances == (0.0, 0.0):
        return value
    return value**2 / statistic(short.blurred(chances[0]), long.blurred(chances[1]))


def _reduction_at_zero(short: Side, long: Side) -> float:
    """Return by how much the smallest squared singular values are smaller than those of noise of unit variance."""
    if long.length > short.length:
        return dyson.lower_edge(short, long).square / (long.length**0.5 - short.length**0.5) ** 2
    return float(np.prod([stats.hmean(side.variances, weights=side.weights) for side in (short, long)]))


def _scale(
    noise_values: np.ndarray, short: Side, long: Side, near: dyson_bulk.Solution | None
) -> tuple[float, dyson_bulk.Solution]:
    """Estimate the noise's scale from the central part of its squared singular values, and return it with the law's.

    The rule is that of :func:`weightspectra.spectra.noise_scale.entry_std_by_trimming`.
    """
    first, last = noise_scale.central_ranks(noise_values.size)
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    probabilities = (first + last + (last - first) * nodes) / (2 * noise_values.size)
    law = dyson_bulk.quantiles(probabilities, short, long, near)
    squares = np.sort(noise_values)[first:last] ** 2
    return float((squares.mean() / (weights @ law.squares / 2)) ** 0.5), law


def _without_chance(profile: np.ndarray, chance: float) -> np.ndarray:
    """Return variances with mean one, drawn together by what chance spread them: inside the bulk only that counts."""
    observed = relative_variance(profile)
    factor = (1 - chance / observed) ** 0.5 if observed > chance else 0.0
    return 1 + factor * (profile - 1)
