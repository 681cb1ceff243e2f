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

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from weightspectra.spectra import dyson, edges, noise_scale, tracy_widom
from weightspectra.spectra.dyson import Side

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
        return dyson.density(values, self.short, self.long) / self.noise_std


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
    singular_values: ArrayLike, row_mean_squares: ArrayLike, column_mean_squares: ArrayLike, *, level: float = 0.05
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

    Raises
    ------
    ValueError
        When the number of values is not the smaller dimension, or all entries are zero.

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
        raise ValueError("all entries are zero: there is no noise to fit")
    short, long = sorted(_without_chance(rows, columns), key=len)
    values = values[: short.size]
    below, above, near, seen = 0, 0, None, set()
    while True:
        seen.add((below, above))
        sides = Side(short, short.size - above - below), Side(long, long.size - above)
        noise_std, near = _scale(values[above : short.size - below], *sides, near)
        lower, upper = (noise_std * bound for bound in bounds(*sides, level))
        found = int((values < lower).sum()), int((values > upper).sum())
        if found in seen or len(seen) == MAX_ROUNDS or sum(found) >= short.size:
            break
        below, above = found
    ends = (noise_std * square**0.5 for square in dyson.support(*sides))
    return ProfileBounds(noise_std, *ends, lower, upper, *found, *sides)


def relative_variance(values: np.ndarray) -> float:
    """Return the unbiased variance of numbers over the square of their mean."""
    return float(values.var(ddof=1) / values.mean() ** 2) if values.size > 1 else 0.0


def bounds(short: Side, long: Side, level: float) -> tuple[float, float]:
    r"""Return the bounds that such noise's singular values leave with probability ``level``, half at each end.

    Notes
    -----
    Tracy and Widom's law about the edges of the profile's bulk, in the unit that
    their curvature gives, with the corrections for finite size of
    :mod:`weightspectra.spectra.edges`. Where the matrix is square or nearly so, the law
    of the hard edge depends on the profile through the density near zero alone;
    the bound of homogeneous noise is scaled by it.
    """
    strayed = tracy_widom.quantile(1 - level / 2)
    trimmed = [Side(side.variances, side.length - 0.5) for side in (short, long)]
    top = dyson.upper_edge(*trimmed)
    upper = (top.square * (1 + top.width * strayed)) ** 0.5
    shape = round(long.length), round(short.length)
    if shape[0] - shape[1] > edges.HARD_EDGE_UP_TO:
        bottom = dyson.lower_edge(*trimmed)
        return float(bottom.square**0.5 * np.exp(bottom.width**2 / 16 - bottom.width * strayed / 2)), upper
    return edges.bounds(1.0, *shape, level)[0] * _shrinkage_at_zero(short, long), upper


def _shrinkage_at_zero(short: Side, long: Side) -> float:
    """Return by how much the smallest singular values are smaller than those of homogeneous noise of unit variance."""
    if long.length > short.length:
        return (dyson.lower_edge(short, long).square ** 0.5) / (long.length**0.5 - short.length**0.5)
    return float(np.prod([stats.hmean(side.variances, weights=side.weights) for side in (short, long)]) ** 0.5)


def _scale(
    noise_values: np.ndarray, short: Side, long: Side, near: dyson.Solution | None
) -> tuple[float, dyson.Solution]:
    """Estimate the noise's scale from the central part of its squared singular values, and return it with the law's.

    The rule is that of :func:`weightspectra.spectra.noise_scale.entry_std_by_trimming`.
    """
    first, last = noise_scale.central_ranks(noise_values.size)
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    probabilities = (first + last + (last - first) * nodes) / (2 * noise_values.size)
    law = dyson.quantiles(probabilities, short, long, near)
    squares = np.sort(noise_values)[first:last] ** 2
    return float((squares.mean() / (weights @ law.squares / 2)) ** 0.5), law


def _without_chance(rows: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """Return the variances of rows and columns, each with mean one, drawn together by what chance spread them.

    Mean squares of n Gaussian entries with variances v have the relative variance
    2 sum(v**2) / sum(v)**2 by chance alone; left in, it would widen the bulk.
    """
    drawn = []
    for own, other in ((rows, columns), (columns, rows)):
        chance = 2 * (other @ other) / other.sum() ** 2
        observed = relative_variance(own)
        factor = (1 - chance / observed) ** 0.5 if observed > chance else 0.0
        drawn.append(1 + factor * (own / own.mean() - 1))
    return drawn
