"""What chance alone does to the statistics of a spectrum: tables by simulation, and p-values from them.

A table belongs to the shape of a matrix and serves every matrix of that shape,
also those from which outliers were left out: the noise that remains is a little
smaller, and its statistics fluctuate a little more, in a known proportion.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from weightspectra.base import progress
from weightspectra.base.journal import Journal
from weightspectra.base.seeds import generator
from weightspectra.randomness.directions import vectors
from weightspectra.randomness.noise import noise_spectra
from weightspectra.randomness.spacings import levels
from weightspectra.randomness.spacings.unfolding import UNFOLDINGS, CannotUnfold, unfold
from weightspectra.spectra.law import edges, goodness

Draws = dict[str, np.ndarray]
"""From the name of a statistic to its value in each simulated draw, ascending, or to a tabulated tail."""

Shape = tuple[int, int]
"""Long and short side of a noise matrix; the short side of a noise vector is 1."""

GROWTH = 0.41
"""What the largest displacement of a level gains, in mean distances, when there are e times as many levels.

By simulation with 50 to 800 levels. For very many it is sqrt(2) / pi = 0.45, as for the maximum of any logarithmically
correlated field whose variance is ln(n) / pi**2 (compare Claeys et al., Duke Math. J. 170, 2085 (2021)).
"""


def shapes(sides: Iterable[tuple[int, int]], dimensions: Iterable[int] = ()) -> list[Shape]:
    """Return the shapes of noise that matrices of the given sides are held against, in a fixed order.

    These are the matrices' own, whichever way they stand, and a vector for each
    of their sides and for each of the further ``dimensions``.
    """
    pairs = {(max(pair), min(pair)) for pair in sides}
    return sorted(pairs | {(side, 1) for pair in [*pairs, tuple(dimensions)] for side in pair})


def draw(shape: Shape, n_spectra: int, n_vectors: int, config_seed: int) -> Draws:
    """Simulate noise of one shape; whichever model's matrices have it, the draws are the same.

    Parameters
    ----------
    shape : (int, int)
    n_spectra, n_vectors : int
        As in ``randomness`` of the configuration: how often a matrix is drawn, or a vector.
    config_seed : int

    Returns
    -------
    dict from str to ndarray
        See :func:`spectrum_draws` and :func:`vectors.null_draws`.
    """
    long_side, short_side = shape
    rng = generator(config_seed, "nulls", str(long_side), str(short_side))
    if short_side == 1:
        return vectors.null_draws(long_side, n_vectors, rng)
    return spectrum_draws(long_side, short_side, n_spectra, rng)


def spectrum_draws(long_side: int, short_side: int, n_draws: int, rng: np.random.Generator) -> Draws:
    """Simulate the statistics of the singular values of noise.

    Every draw goes through what a real spectrum goes through: scale and bounds
    are fitted to it, and values beyond the bounds, which one draw in twenty has,
    are left out.

    Parameters
    ----------
    long_side, short_side : int
    n_draws : int
    rng : Generator

    Returns
    -------
    dict from str to ndarray of shape (n_draws,)
        ``'bulk distance'``, and for each unfolding ``'spacing distance/replicate'``,
        ``'gap ratio/replicate'``, ``'number variance/replicate/5'`` and so on. Those
        that need more levels than there are in every draw are missing.
    """
    label = f"simulate noise of {long_side} x {short_side}"
    found = [
        spectrum_statistics(noise_spectra.draw(long_side, short_side, rng), long_side, short_side)
        for _ in progress.track(range(n_draws), n_draws, label, "matrices")
    ]
    complete = [name for name in found[0] if all(name in statistics for statistics in found)]
    return {name: np.sort([statistics[name] for statistics in found]) for name in complete}


def spectrum_statistics(singular_values: np.ndarray, long_side: int, short_side: int) -> dict[str, float]:
    """Return the statistics of one spectrum, its outliers left out; the names are those of :func:`spectrum_draws`.

    Parameters
    ----------
    singular_values : ndarray of shape (short_side,)
        Largest first.
    long_side, short_side : int
        Shape of the matrix.
    """
    noise = edges.fit(singular_values, long_side, short_side)
    within = singular_values[noise.n_above : short_side - noise.n_below]
    shape = (long_side - noise.n_above, noise.noise_rank)
    found = {"bulk distance": goodness.bulk_distance(within, *shape, noise.noise_std)}
    for unfolding in UNFOLDINGS:
        try:
            unfolded = unfold(within, unfolding, *shape, noise.noise_std)
        except CannotUnfold:
            continue
        found.update(levels.statistics(unfolded, unfolding))
    return found


def simulate(
    wanted: Iterable[Shape], n_spectra: int, n_vectors: int, config_seed: int, finished: Journal
) -> list[dict[str, Any]]:
    """Return the tables of some shapes as rows of the contract NULLS.

    Parameters
    ----------
    wanted : iterable of (int, int)
        Of :func:`shapes`.
    n_spectra, n_vectors, config_seed : int
        As in :func:`draw`.
    finished : Journal
        Gets each shape as soon as it is simulated; the shapes that it begins with are not simulated again.
    """
    done = {tuple(row["shape"]): row["draws"] for row in finished.rows}
    found = []
    for shape in wanted:
        if shape not in done:
            draws = draw(shape, n_spectra, n_vectors, config_seed)
            kept = {statistic: values.tolist() for statistic, values in draws.items()}
            done[shape] = finished.append({"shape": shape, "draws": kept})["draws"]
        found += rows(shape, done[shape])
    return found


def rows(shape: Shape, draws: Mapping[str, ArrayLike]) -> list[dict[str, Any]]:
    """Return a table as rows of the contract NULLS."""
    sides = {"long_side": shape[0], "short_side": shape[1]}
    return [{**sides, "statistic": statistic, "draws": values} for statistic, values in draws.items()]


def tables(frame: pd.DataFrame) -> dict[Shape, Draws]:
    """Return the tables in a data frame of the contract NULLS, by shape."""
    found: dict[Shape, Draws] = {}
    columns = (frame[name].to_list() for name in ("long_side", "short_side", "statistic", "draws"))
    for long_side, short_side, statistic, draws in zip(*columns, strict=True):
        found.setdefault((long_side, short_side), {})[statistic] = draws
    return found


def p_value(observed: float, draws: ArrayLike, tail: str = "upper") -> float:
    """Return the probability that chance gives a value as extreme as the observed one.

    Parameters
    ----------
    observed : float
    draws : array of shape (n,)
        Simulated values.
    tail : str
        'upper' if large values speak against chance, 'two-sided' if both large and small ones do.

    Notes
    -----
    (1 + number of draws >= observed) / (1 + n): the observed value counts as one
    draw, so that the probability of p <= alpha is not above alpha under the null,
    and p is never 0 (Davison and Hinkley, *Bootstrap Methods*, Eq. 4.11).
    Two-sided is twice the smaller of both tails.
    """
    drawn = np.asarray(draws, dtype=np.float64)
    above = (1 + np.count_nonzero(drawn >= observed)) / (1 + drawn.size)
    if tail == "upper":
        return float(above)
    if tail == "two-sided":
        below = (1 + np.count_nonzero(drawn <= observed)) / (1 + drawn.size)
        return float(min(1, 2 * min(above, below)))
    raise ValueError(f"expected tail 'upper' or 'two-sided', found {tail!r}")


def bulk_goodness(
    singular_values: np.ndarray, noise: edges.NoiseBounds, long_side: int, distances: ArrayLike, n_lost: int = 0
) -> tuple[float, float]:
    """Return how far the values within the bounds are from the law of noise, and the p-value of that distance.

    Parameters
    ----------
    singular_values : ndarray of shape (short_side,)
        Largest first.
    noise : NoiseBounds
        Fitted to them.
    long_side : int
        Of the matrix.
    distances : array
        The draws of ``'bulk distance'`` for its shape.
    n_lost : int
        Of the values, those below the rounding floor.

    Returns
    -------
    distance, p_value : float
        1 and 0 where the fit leaves nothing to noise.
    """
    n_below = int(np.count_nonzero(singular_values < noise.bound_lower))
    within, lost = singular_values[noise.n_above : singular_values.size - n_below], max(n_lost - n_below, 0)
    if noise.noise_std == 0 or within.size == 0:
        return 1.0, 0.0
    distance = goodness.bulk_distance(within, long_side - noise.n_above, within.size, noise.noise_std, lost)
    return distance, bulk_p_value(distance, within.size, singular_values.size, distances)


def bulk_p_value(distance: float, n_values: int, short_side: int, distances: ArrayLike) -> float:
    """Return the p-value of a distance of :func:`goodness.bulk_distance` between noise and its law.

    Parameters
    ----------
    distance : float
    n_values : int
        Singular values that it was taken over: those within the bounds.
    short_side : int
        Values of the whole matrix, for whose shape the table is.
    distances : array
        The table's draws.

    Notes
    -----
    In units of 1 / n, the distance of n values is the largest displacement of a
    level, which grows by GROWTH whenever n grows by a factor of e; otherwise its
    distribution is the same for all n and aspect ratios.
    """
    displacement = distance * n_values + GROWTH * float(np.log(short_side / n_values))
    return p_value(displacement / short_side, distances)
