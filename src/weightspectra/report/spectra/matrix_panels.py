"""The four views of a matrix: spectrum against its bounds, vector tests, spacings, number variance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from weightspectra.conclusions.noise.spacings import LOCAL
from weightspectra.randomness.spacings.levels import brody_log_density
from weightspectra.report.kit import style
from weightspectra.report.kit.wording import probability
from weightspectra.report.spectra.close_ups import CloseUp
from weightspectra.report.spectra.panels import densities, tiled_bins
from weightspectra.spectra.law.marchenko_pastur import density
from weightspectra.statistics.counts import mean_of_uniforms
from weightspectra.statistics.multiple import significant

GLOBAL = "law"
SIDES = {"left": "#0072b2", "right": "#d55e00"}
UNFOLDINGS = {LOCAL: ("#0072b2", "local unfolding"), GLOBAL: ("#d55e00", "global unfolding")}
PALE = {"#0072b2": "#c6dcec", "#d55e00": "#f6d8c2"}


LINES: dict[str, dict[str, Any]] = {
    "edge": {"linewidth": 0.7, "linestyle": (0, (1, 1.2))},
    "bound": {"linewidth": 0.7, "linestyle": "-"},
    "profile_bound": {"linewidth": 0.7, "linestyle": (0, (4, 1.5))},
}
"""From the names of edges and bounds in ``contracts.BULK`` to how they are drawn."""

TICKS: dict[str, Any] = {"marker": 3, "markersize": 3, "markeredgewidth": 0.5, "linestyle": "none"}
RUG_TOP, RUG_STEP = -0.08, 0.09

BEYOND_BOUNDS = "#f6cfd4"
BEYOND = 2.2
"""A spectrum is drawn up to this multiple of the larger bound; what lies beyond is counted in words."""

MAX_SPACING = 4.0
RASTER_FROM = 3000
"""Vectors from which on a panel's dots are stored as an image."""


def spectrum(axes: Axes, matrix: CloseUp) -> None:
    """Draw a histogram whose bins end at the calibrated bounds, the law of the noise, its edges, and the outliers."""
    axes.set_yticks([])
    if not matrix.scale > 0:
        _note(axes, ["no law:", matrix.bulk["why"]] if matrix.bulk["why"] else ["all entries are zero"])
        return
    values, bins = matrix.singular_values / matrix.scale, _bins(matrix)
    lower, upper = matrix.in_units("bound_lower"), matrix.in_units("bound_upper")
    heights = densities(values, bins)
    centres = (bins[:-1] + bins[1:]) / 2
    outside = (centres < lower) | (centres > upper)
    for chosen, colour in ((~outside, style.BULK), (outside, style.OUTSIDE)):
        axes.stairs(np.where(chosen, heights, 0.0), bins, fill=True, color=colour, linewidth=0)
    axes.plot(*noise_law(matrix), color=style.INK, linewidth=0.9)
    for name, line in LINES.items():
        for side in ("lower", "upper"):
            if matrix.bulk[f"{name}_{side}"] > 0:
                axes.axvline(matrix.in_units(f"{name}_{side}"), 0, 0.64, color=style.INK, zorder=4, **line)
    told = values >= matrix.in_units("rounding_floor")
    marked = values[told & ((values < lower) | (values > upper)) & (values <= limit(matrix))]
    axes.plot(marked, np.zeros(len(marked)), color=style.OUTSIDE, clip_on=False, **TICKS)
    axes.set_ylim(0, 1.55 * max(heights.max(), noise_law(matrix)[1].max()))
    _note(axes, _counts(matrix, values))


def _bins(matrix: CloseUp) -> np.ndarray:
    lower, upper = (matrix.in_units(f"bound_{side}") for side in ("lower", "upper"))
    return tiled_bins(lower, upper, limit(matrix), len(matrix.singular_values))


def noise_law(matrix: CloseUp) -> tuple[np.ndarray, np.ndarray]:
    """Return the law of the noise that is left without the outliers, its area their share of the values."""
    bulk = matrix.bulk
    short, long = (pick(bulk["n_out"], bulk["n_in"]) for pick in (min, max))
    rank, rest = int(bulk["noise_rank"]), long - int(bulk["n_above_bound"])
    unit = (rest / long) ** 0.5
    grid = np.linspace(1 - (rank / rest) ** 0.5, 1 + (rank / rest) ** 0.5, 400) * unit
    return grid, density(grid, rest / rank, unit) * rank / short


def limit(matrix: CloseUp) -> float:
    """Return up to where a spectrum is drawn, in units of its scale; a few far values do not squeeze it."""
    if not matrix.scale > 0:
        return 1.0
    upper = max(matrix.in_units("bound_upper"), matrix.in_units("edge_upper"))
    return float(np.clip(1.05 * matrix.singular_values.max() / matrix.scale, 1.25 * upper, BEYOND * upper))


def _counts(matrix: CloseUp, values: np.ndarray) -> list[str]:
    """Say in words how many values lie beyond which bounds, and whether the rest fits the law."""
    bulk = matrix.bulk
    lines = [f"{bulk['n_below_bound']:,} below, {bulk['n_above_bound']:,} above"]
    if bulk["n_below_profile"] != bulk["n_below_bound"] or bulk["n_above_profile"] != bulk["n_above_bound"]:
        lines.append(f"profile: {bulk['n_below_profile']:,}, {bulk['n_above_profile']:,}")
    beyond = int((values > limit(matrix)).sum())
    if beyond:
        lines.append(f"{beyond:,} beyond, to {values.max():.3g}")
    lines.append(f"fit of bulk: {probability(bulk['bulk_p_value'])}")
    return lines


def vectors(axes: Axes, matrix: CloseUp, window: int) -> None:
    """Draw the window means of the p-values over the rank, and a tick for each vector that is no random direction."""
    n_values, level = len(matrix.singular_values), matrix.bulk["level"]
    low, high = mean_of_uniforms(window)
    axes.axhspan(low, high, color=style.NULL, linewidth=0, zorder=0)
    axes.axhline(0.5, color=style.MUTED, linewidth=0.5, zorder=1)
    above, below = int(matrix.bulk["n_above_bound"]), int(matrix.bulk["n_below_bound"])
    n_told = n_values - int(matrix.bulk["n_below_floor"])
    for first, last in ((0, above), (n_told - below, n_told)):
        if last > first:
            axes.fill_between([first - 0.5, last - 0.5], RUG_TOP - 2 * RUG_STEP, 0, color=BEYOND_BOUNDS, linewidth=0)
    as_image = n_values >= RASTER_FROM
    notes = []
    for place, (side, colour) in enumerate(SIDES.items()):
        rows = matrix.vectors[matrix.vectors["side"] == side].sort_values("index")
        told = rows.loc[significant(rows["q_value"], level), "index"]
        axes.plot(rows["index"], rows["window_p_value"], color=colour, linewidth=0.7, rasterized=as_image)
        height = np.full(len(told), RUG_TOP - RUG_STEP * place)
        axes.plot(told, height, "|", color=colour, markersize=3.6, markeredgewidth=0.5, rasterized=as_image)
        notes.append(f"{len(told):,} {side}")
    for rank in (matrix.boundaries[0] - 0.5, n_told - matrix.boundaries[1] - 0.5):
        if 0 <= rank <= n_told - 1:
            axes.axvline(rank, 0, 0.88, color=style.INK, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=1)
    axes.set_ylim(RUG_TOP - 2 * RUG_STEP, 1.18)
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    _note(axes, [f"not random: {', '.join(notes)}"])


def spacings(axes: Axes, matrix: CloseUp) -> None:
    """Draw the histogram of the locally unfolded spacings, Wigner's surmise, and what independent levels would have."""
    axes.set_yticks([])
    grid = np.linspace(0.01, MAX_SPACING, 200)
    surmise, poisson = np.exp(brody_log_density(grid, np.array([1.0, 0.0])))
    axes.plot(grid, surmise, color=style.INK, linewidth=0.9)
    axes.plot(grid, poisson, color=style.MUTED, linewidth=0.8, linestyle="--")
    axes.set_ylim(0, 1.25)
    row = matrix.levels.get(LOCAL)
    if row is None or len(row["spacings"]) == 0:
        _note(axes, ["too few levels"])
        return
    distances = np.asarray(row["spacings"], dtype=float)
    bins = np.linspace(0, MAX_SPACING, 1 + int(np.clip(len(distances) ** 0.5, 12, 40)))
    heights = np.histogram(distances, bins)[0] / (len(distances) * (bins[1] - bins[0]))
    axes.stairs(heights, bins, fill=True, color=style.BULK, linewidth=0, zorder=0)
    axes.set_ylim(0, max(1.25, 1.1 * heights.max()))
    _note(
        axes,
        [
            f"{len(distances):,} spacings",
            f"surmise: {probability(row['spacing_p_value'])}",
            f"Brody {row['brody']:.2f}",
            f"({row['brody_low']:.2f} to {row['brody_high']:.2f})",
        ],
    )


def number_variance(axes: Axes, matrix: CloseUp) -> None:
    """Draw the number variance for both unfoldings, each with the band of noise unfolded alike, and the ensemble's."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    if not any(len(row["lengths"]) for row in matrix.levels.values()):
        _note(axes, ["too few levels"])
    for order, (unfolding, (colour, _)) in enumerate(UNFOLDINGS.items()):
        row = matrix.levels.get(unfolding)
        if row is None or len(row["lengths"]) == 0:
            continue
        lengths, measured = (np.asarray(row[name], dtype=float) for name in ("lengths", "number_variance"))
        low, high = _null_band(row)
        axes.fill_between(lengths, low, high, color=PALE[colour], linewidth=0, zorder=1 - order)
        axes.plot(lengths, measured, color=colour, marker=".", markersize=3.5, linewidth=0.9, zorder=5 + order)
        axes.plot(lengths, row["number_variance_goe"], color=style.INK, linewidth=0.9, zorder=4)
        axes.plot(lengths, lengths, color=style.MUTED, linewidth=0.8, linestyle="--", zorder=3)


def _null_band(row: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return where the number variance of noise lies, two standard deviations to each side of its mean."""
    mean, spread = (np.asarray(row[f"number_variance_null{end}"], dtype=float) for end in ("", "_sd"))
    return np.maximum(mean - 2 * spread, 1e-3), mean + 2 * spread


def _note(axes: Axes, lines: Sequence[str]) -> None:
    text = "\n".join(lines)
    axes.text(0.985, 0.985, text, transform=axes.transAxes, ha="right", va="top", fontsize=6, linespacing=1.3, zorder=9)
