"""Everything that the bulk of one spectrum is asked: scales, edges, bounds, fit, variance profile, shuffled entries."""

from collections.abc import Mapping
from dataclasses import asdict
from math import nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from weightspectra.randomness.noise import nulls, permutation
from weightspectra.spectra.law import edges, marchenko_pastur, noise_scale, variance_profile
from weightspectra.spectra.rounding import numerical_rank

MOST_LOST = 0.1
"""Share of the values up to which more than the law's own may lie below the rounding floor: fits trim as many."""


def measure(
    singular_values: ArrayLike,
    n_out: int,
    n_in: int,
    *,
    level: float,
    rounding_floor: float,
    row_mean_squares: ArrayLike,
    column_mean_squares: ArrayLike,
    excess_kurtosis: float,
    null_draws: nulls.Draws,
    shuffled: Mapping[str, ArrayLike] | None = None,
) -> dict[str, Any]:
    """Hold one spectrum against noise in every way.

    Parameters
    ----------
    singular_values : array of shape (min(n_out, n_in),)
        Largest first.
    n_out, n_in : int
    level : float
        Family-wise level of the bounds.
    rounding_floor : float
        As in ``contracts.SPECTRA``.
    row_mean_squares, column_mean_squares, excess_kurtosis
        Of the entries, as in ``contracts.MATRICES``.
    null_draws : mapping
        Statistics of pure noise of this shape, from :func:`weightspectra.randomness.noise.nulls.tables`.
    shuffled : mapping, optional
        ``largest`` and ``smallest`` from :func:`weightspectra.randomness.noise.shuffling.extremes`.

    Returns
    -------
    dict
        What ``contracts.BULK`` says of a matrix, its name and shape left out.

    Notes
    -----
    Values below the rounding floor are in no fit, test or count but their own. Where
    more than a tenth of the values are lost so (beyond those that the law itself has
    there, of a square matrix stored in a few bits), the others are not the spectrum of
    a noise matrix of this shape, nor of another one that is known: which values
    were lost decides what is left. No law is fitted then, everything that
    depends on one is NaN or 0, and ``why`` says so.
    """
    values = np.asarray(singular_values, dtype=np.float64)
    n_lost = values.size - numerical_rank(values, rounding_floor)
    squares = np.asarray(row_mean_squares), np.asarray(column_mean_squares)
    if has_law(values, n_out, n_in, rounding_floor):
        fitted = _with_law(values, n_lost, n_out, n_in, level, squares, excess_kurtosis, null_draws, shuffled)
    else:
        fitted = _without_law(values.size, n_lost, n_out, n_in)
    return {
        "rounding_floor": rounding_floor,
        "n_below_floor": n_lost,
        **_by_initial_scale(values, n_out, n_in, n_lost),
        "level": level,
        **_homogeneity(*squares, excess_kurtosis),
        **fitted,
    }


def has_law(values: np.ndarray, n_out: int, n_in: int, rounding_floor: float) -> bool:
    """Return whether so few singular values are lost in rounding that the law of noise can be fitted to the others.

    Parameters
    ----------
    values : ndarray of shape (min(n_out, n_in),)
        Largest first.
    n_out, n_in : int
    rounding_floor : float
    """
    n_lost = values.size - numerical_rank(values, rounding_floor)
    if n_lost == 0 or 2 * n_lost >= values.size:
        return n_lost == 0
    law = marchenko_pastur.fit(values, n_out, n_in, n_lost)
    of_the_law = float(marchenko_pastur.cdf(rounding_floor, law.aspect_ratio, law.scale))
    return n_lost / values.size - of_the_law <= MOST_LOST


def bounds_above_rounding(
    values: np.ndarray, n_out: int, n_in: int, level: float, rounding_floor: float
) -> edges.NoiseBounds:
    """Return the bounds of a spectrum's noise or, where its law cannot be fitted, those of rounding.

    A difference of low rank, as a LoRA makes it, is not noise plus outliers: all that lies
    beside its few values is rounding, whose bound is the floor. So it is of everything that has no
    law (:func:`has_law`); the noise is of scale 0 then, and the values above the floor count as above it.

    Parameters
    ----------
    values : ndarray of shape (min(n_out, n_in),)
        Largest first.
    n_out, n_in : int
    level : float
        Family-wise level of the bounds.
    rounding_floor : float

    Examples
    --------
    >>> bounds_above_rounding(np.array([3.0, 2.0, 1e-9, 1e-10]), 4, 9, 0.05, rounding_floor=1e-7).n_above
    2
    """
    rank = numerical_rank(values, rounding_floor)
    if has_law(values, n_out, n_in, rounding_floor):
        return edges.fit(values, n_out, n_in, level=level, n_lost=values.size - rank)
    unknown = np.full(values.size, nan)
    return edges.NoiseBounds(0.0, 0, False, 0.0, rounding_floor, 0, rank, p_below=unknown, p_above=unknown)


_LAW = (
    *("entry_std", "scale", "edge_lower", "edge_upper", "noise_std", "bound_lower", "bound_upper"),
    *("bulk_distance", "bulk_p_value", "profile_bound_lower", "profile_bound_upper"),
    *("permutation_bound_lower", "permutation_bound_upper", "permutation_p_lower", "permutation_p_upper"),
)
_OUTSIDE = ("n_below", "n_above", "noise_rank", "n_below_bound", "n_above_bound", "n_below_profile", "n_above_profile")


def _without_law(n_values: int, n_lost: int, n_out: int, n_in: int) -> dict[str, Any]:
    """Return what depends on a law where there is none."""
    return {
        **dict.fromkeys(_LAW, nan),
        **dict.fromkeys(_OUTSIDE, 0),
        "p_below": np.full(n_values, nan),
        "p_above": np.full(n_values, nan),
        "aspect_ratio": marchenko_pastur.aspect_ratio(n_out, n_in),
        "n_values": n_values,
        "converged": False,
        "why": f"{n_lost} of {n_values} singular values lie below the rounding floor",
    }


def _with_law(
    values: np.ndarray,
    n_lost: int,
    n_out: int,
    n_in: int,
    level: float,
    squares: tuple[np.ndarray, np.ndarray],
    excess_kurtosis: float,
    null_draws: nulls.Draws,
    shuffled: Mapping[str, ArrayLike] | None,
) -> dict[str, Any]:
    """Return what depends on a law: both fits, and all that is held against them."""
    found = edges.fit(values, n_out, n_in, level=level, n_lost=n_lost)
    distance, p_value = nulls.bulk_goodness(values, found, max(n_out, n_in), null_draws["bulk distance"], n_lost)
    known: dict[str, Any] = {"level": level, "excess_kurtosis": excess_kurtosis, "n_lost": n_lost}
    # Without noise there is nothing whose profile could be fitted.
    profiled = variance_profile.fit(values, *squares, **known) if found.noise_std > 0 else found
    return {
        **asdict(marchenko_pastur.fit(values, n_out, n_in, n_lost)),
        "why": "",
        "noise_std": found.noise_std,
        "noise_rank": found.noise_rank,
        "converged": found.converged,
        "bound_lower": found.bound_lower,
        "bound_upper": found.bound_upper,
        "n_below_bound": found.n_below,
        "n_above_bound": found.n_above,
        "p_below": found.p_below,
        "p_above": found.p_above,
        "bulk_distance": distance,
        "bulk_p_value": p_value,
        "profile_bound_lower": profiled.bound_lower,
        "profile_bound_upper": profiled.bound_upper,
        "n_below_profile": profiled.n_below,
        "n_above_profile": profiled.n_above,
        **_shuffled(values[: values.size - n_lost], found, level, shuffled),
    }


def _by_initial_scale(values: np.ndarray, n_out: int, n_in: int, n_lost: int) -> dict[str, Any]:
    """Count against the edges of the initialisation that version 1 of the paper took for granted."""
    initial_std = noise_scale.initial_entry_std(n_out, n_in)
    limits = marchenko_pastur.edges(initial_std, n_out, n_in)
    n_below, n_above = marchenko_pastur.count_outside(values, *limits, n_lost)
    return {"initial_std": initial_std, "n_below_initial": n_below, "n_above_initial": n_above}


def _homogeneity(rows: np.ndarray, columns: np.ndarray, excess_kurtosis: float) -> dict[str, float]:
    row_p_value, row_spread = variance_profile.homogeneity(rows, columns.size, excess_kurtosis)
    column_p_value, column_spread = variance_profile.homogeneity(columns, rows.size, excess_kurtosis)
    return {
        "row_p_value": row_p_value,
        "row_spread": row_spread,
        "column_p_value": column_p_value,
        "column_spread": column_spread,
    }


def _shuffled(
    values: np.ndarray, found: edges.NoiseBounds, level: float, shuffled: Mapping[str, ArrayLike] | None
) -> dict[str, Any]:
    if shuffled is None:
        lower = upper = p_lower = p_upper = nan
    else:
        lower, upper = permutation.bounds(found.noise_std, level, **shuffled)
        p_lower, p_upper = permutation.p_values(values[-1], values[0], found.noise_std, **shuffled)
    return {
        "permutation_bound_lower": lower,
        "permutation_bound_upper": upper,
        "permutation_p_lower": p_lower,
        "permutation_p_upper": p_upper,
    }
