"""The rule by which WeightWatcher counts spikes, to be held against :mod:`weightspectra.spectra.law.edges`.

References
----------
WeightWatcher 0.7.7 (``analyze(mp_fit=True)``, column ``num_spikes``); its counts and these are compared matrix by
matrix in bench/ground_truth.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brute

from weightspectra.spectra.law import marchenko_pastur

BANDWIDTH = 0.1
"""Half the width of the triangular kernel by which the density is estimated."""

N_GRID = 1000
"""Points at which densities are compared."""

FLOOR = 0.01
"""Densities below it are not compared."""

IMPOSSIBLE = 1000.0
"""Deviation, at every point, of a law whose support misses the density's mode or ends beyond the last point."""


class Spikes(NamedTuple):
    """What the rule says of one spectrum.

    Attributes
    ----------
    entry_std : float
        Scale of the noise.
    bound : float
        Singular values above it are spikes.
    n_above : int
        How many there are.
    """

    entry_std: float
    bound: float
    n_above: int


def spikes(singular_values: ArrayLike, n_out: int, n_in: int) -> Spikes:
    """Count spikes as WeightWatcher does.

    Parameters
    ----------
    singular_values : array of shape (n_values,)
        Those above the rounding floor; WeightWatcher itself has no such floor, and takes all.
    n_out, n_in : int
        Shape of the matrix.

    Notes
    -----
    Squared values are scaled to a mean of 1, with Q = long side / short side. The standard deviation s of the law of
    Marchenko and Pastur is chosen by least squares between its density and a kernel estimate, first on a grid, then by
    Nelder and Mead's method. With L = (s (1 + Q**-0.5))**2, values are spikes beyond
    L + sqrt(Q**-0.5 (L / short side)**(2/3)).

    Of square matrices the densities of the values themselves are compared, and the fitted one is
    sqrt(4 - x**2) / (pi s**2): s changes its height alone, and its support ends at 2 whatever s is.
    """
    long_side, short_side = max(n_out, n_in), min(n_out, n_in)
    squares = np.square(np.asarray(singular_values, dtype=np.float64))
    if not len(squares):
        return Spikes(0.0, 0.0, 0)
    scale = len(squares) / squares.sum()
    squares = scale * squares
    root = (short_side / long_side) ** 0.5
    unit = float(np.sqrt(squares.max()) / (1 + root))
    grid = (slice(0.05 * unit, 2.0 * unit, 0.01 * unit),)
    fitted = float(brute(_misfit, grid, args=(*_density(squares if root < 1 else np.sqrt(squares)), root))[0])
    edge = (fitted * (1 + root)) ** 2
    bound = edge + np.sqrt(root * (edge / short_side) ** (2 / 3))
    n_above = int(np.count_nonzero(squares > bound))
    return Spikes(fitted / float(np.sqrt(scale * long_side)), float(np.sqrt(bound / scale)), n_above)


def _density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the density of values; returns the points where it is not too small, and the density there."""
    points = np.linspace(0, values.max() + 0.5, N_GRID)
    distances = np.abs(points[:, None] - values[None, :]) / BANDWIDTH
    density = np.clip(1 - distances, 0, None).mean(axis=1) / BANDWIDTH
    seen = density > FLOOR
    return points[seen], density[seen]


def _misfit(std: np.ndarray, points: np.ndarray, density: np.ndarray, root: float) -> float:
    """Return the sum of squared differences between a fitted law and an estimated density."""
    fitted, mode = float(std.item()), points[np.argmax(density)]
    if root == 1:
        law = np.sqrt(np.clip(4 - points**2, 0, None)) / (np.pi * fitted**2)
    elif (fitted * (1 - root)) ** 2 <= mode <= (fitted * (1 + root)) ** 2 <= points[-1]:
        values = np.sqrt(points)
        of_values = marchenko_pastur.density(values, root**-2, fitted)
        law = np.divide(of_values, 2 * values, out=np.zeros_like(values), where=values > 0)
    else:
        law = density + IMPOSSIBLE
    return float(((law - density) ** 2).sum())
