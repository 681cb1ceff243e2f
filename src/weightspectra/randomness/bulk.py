"""Everything that the bulk of one spectrum is asked: scales, edges, bounds, fit, variance profile, shuffled entries."""

from collections.abc import Mapping
from dataclasses import asdict
from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from weightspectra.randomness.noise import nulls, permutation
from weightspectra.spectra.law import edges, marchenko_pastur, noise_scale, variance_profile


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
    """
    values = np.asarray(singular_values, dtype=np.float64)
    found = edges.fit(values, n_out, n_in, level=level)
    n_below_floor, _ = marchenko_pastur.count_outside(values, rounding_floor, inf)
    distance, p_value = nulls.bulk_goodness(values, found, max(n_out, n_in), null_draws["bulk distance"])
    return {
        **asdict(marchenko_pastur.fit(values, n_out, n_in)),
        "rounding_floor": rounding_floor,
        "n_below_floor": n_below_floor,
        **_by_initial_scale(values, n_out, n_in),
        "level": level,
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
        **_profile(values, found, row_mean_squares, column_mean_squares, excess_kurtosis, level),
        **_shuffled(values, found, level, shuffled),
    }


def _by_initial_scale(values: np.ndarray, n_out: int, n_in: int) -> dict[str, Any]:
    """Count against the edges of the initialisation that version 1 of the paper took for granted."""
    initial_std = noise_scale.initial_entry_std(n_out, n_in)
    n_below, n_above = marchenko_pastur.count_outside(values, *marchenko_pastur.edges(initial_std, n_out, n_in))
    return {"initial_std": initial_std, "n_below_initial": n_below, "n_above_initial": n_above}


def _profile(
    values: np.ndarray,
    found: edges.NoiseBounds,
    row_mean_squares: ArrayLike,
    column_mean_squares: ArrayLike,
    excess_kurtosis: float,
    level: float,
) -> dict[str, Any]:
    rows, columns = np.asarray(row_mean_squares), np.asarray(column_mean_squares)
    row_p_value, row_spread = variance_profile.homogeneity(rows, columns.size, excess_kurtosis)
    column_p_value, column_spread = variance_profile.homogeneity(columns, rows.size, excess_kurtosis)
    # Without noise there is nothing whose profile could be fitted.
    profiled = (
        variance_profile.fit(values, rows, columns, level=level, excess_kurtosis=excess_kurtosis)
        if found.noise_std > 0
        else found
    )
    return {
        "row_p_value": row_p_value,
        "row_spread": row_spread,
        "column_p_value": column_p_value,
        "column_spread": column_spread,
        "profile_bound_lower": profiled.bound_lower,
        "profile_bound_upper": profiled.bound_upper,
        "n_below_profile": profiled.n_below,
        "n_above_profile": profiled.n_above,
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
