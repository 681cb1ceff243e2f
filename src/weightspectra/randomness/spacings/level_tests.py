"""The levels of one weight matrix, unfolded in one way, held against those of noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from weightspectra.randomness.noise import nulls
from weightspectra.randomness.spacings import levels
from weightspectra.randomness.spacings.unfolding import CannotUnfold, n_unfolded, unfold
from weightspectra.spectra.rounding import one_valued


@dataclass(frozen=True)
class LevelTests:
    """What :func:`compare` finds; the contract LEVELS says what each field means."""

    unfolding: str
    n_levels: int
    spacings: np.ndarray
    spacing_distance: float
    spacing_p_value: float
    brody: float
    brody_low: float
    brody_high: float
    gap_ratio: float
    gap_ratio_p_value: float
    lengths: np.ndarray
    number_variance: np.ndarray
    number_variance_null: np.ndarray
    number_variance_null_sd: np.ndarray
    number_variance_goe: np.ndarray


@dataclass(frozen=True)
class Noise:
    """What was fitted to one matrix.

    Attributes
    ----------
    long_side, short_side : int
        Shape of the whole matrix.
    n_below, n_above : int
        Outliers; those below the rounding floor are among the first.
    noise_std : float
        Standard deviation of the noise entries; NaN if no law could be fitted.
    rounding_floor : float
        As in ``contracts.SPECTRA``.
    """

    long_side: int
    short_side: int
    n_below: int
    n_above: int
    noise_std: float
    rounding_floor: float = 0.0


def compare(
    singular_values: ArrayLike, noise: Noise, unfolding: str, draws: nulls.Draws, rng: np.random.Generator
) -> LevelTests:
    """Unfold the singular values within the bounds, and compare their statistics with simulated noise.

    Parameters
    ----------
    singular_values : array of shape (short_side,)
        All of them, largest first.
    noise : Noise
    unfolding : str
        One of ``unfolding.UNFOLDINGS``.
    draws : dict
        Table of :func:`nulls.spectrum_draws` for the shape of the whole matrix.
    rng : Generator
        For the bootstrap.

    Raises
    ------
    CannotUnfold
        When there are too few levels, in the matrix or in noise of its shape, when
        they differ by rounding alone, and when the matrix has no law.

    Notes
    -----
    Outliers leave fewer levels than the table's spectra have. Statistics of n spacings fluctuate like n**-0.5, so that
    before the comparison the spacing distance is multiplied by (n / n_table)**0.5, and so is the gap ratio's distance
    from its mean in the table; the standard deviation of the table's number variance is divided by it.
    """
    values = np.asarray(singular_values, dtype=np.float64)
    within = values[noise.n_above : values.size - noise.n_below]
    if np.isnan(noise.noise_std):
        raise CannotUnfold("too many values lie below the rounding floor")
    if one_valued(within, noise.rounding_floor):
        raise CannotUnfold("the levels differ by rounding alone")
    shape = (noise.long_side - noise.n_above, within.size)
    unfolded = unfold(within, unfolding, *shape, noise.noise_std)
    if f"spacing distance/{unfolding}" not in draws:
        raise CannotUnfold("noise of this shape has too few levels to compare with")
    found = levels.statistics(unfolded, unfolding)
    spacings = np.diff(unfolded)
    growth = (spacings.size / (n_unfolded(noise.short_side, unfolding) - 1)) ** 0.5
    distance, ratio = found[f"spacing distance/{unfolding}"], found[f"gap ratio/{unfolding}"]
    null_ratios = draws[f"gap ratio/{unfolding}"]
    null_ratio = float(np.mean(null_ratios))
    fitted = levels.brody(spacings, rng)
    return LevelTests(
        unfolding=unfolding,
        n_levels=unfolded.size,
        spacings=spacings,
        spacing_distance=distance,
        spacing_p_value=nulls.p_value(distance * growth, draws[f"spacing distance/{unfolding}"]),
        brody=fitted.exponent,
        brody_low=fitted.low,
        brody_high=fitted.high,
        gap_ratio=ratio,
        gap_ratio_p_value=nulls.p_value(null_ratio + (ratio - null_ratio) * growth, null_ratios, "two-sided"),
        **_number_variances(found, unfolding, draws, growth),
    )


def _number_variances(
    found: dict[str, float], unfolding: str, draws: nulls.Draws, growth: float
) -> dict[str, np.ndarray]:
    """Set the number variance beside its mean and spread in noise, for the lengths that fit into both."""
    names = {length: f"number variance/{unfolding}/{length:g}" for length in levels.LENGTHS}
    lengths = [length for length, name in names.items() if name in found and name in draws]
    return {
        "lengths": np.array(lengths),
        "number_variance": np.array([found[names[length]] for length in lengths]),
        "number_variance_null": np.array([np.mean(draws[names[length]]) for length in lengths]),
        "number_variance_null_sd": np.array([np.std(draws[names[length]], ddof=1) / growth for length in lengths]),
        "number_variance_goe": levels.goe_number_variance(lengths),
    }
