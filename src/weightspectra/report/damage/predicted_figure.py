"""The map of predicted damage, deciles over layers; and, where cuts were made, predicted against measured."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from weightspectra.report.cuts.decile_map import draw_map, map_height
from weightspectra.report.damage.predictions import agreement, correlation, measured
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where
from weightspectra.report.kit.wording import ROLE_TITLES

TITLE = "Prediction, not measurement: increase of the loss (nats per token) if one decile of one matrix goes"
RIGHT = 0.72
SCATTER_TOP, SCATTER_HEIGHT, SCATTER_BOTTOM = 0.24, 1.7, 0.62
MAX_SCATTERS = 3
MIXED = ("#222222", "o")


def predicted_figure(predictions: pd.DataFrame, cuts: pd.DataFrame, agreement: pd.DataFrame) -> Figure:
    """Draw the predicted increase of the loss for every matrix and decile.

    Parameters
    ----------
    predictions : DataFrame
        Rows of ``contracts.PREDICTIONS``, all of one model and corpus.
    cuts : DataFrame
        What :func:`weightspectra.report.damage.predictions.measured` says of them.
    agreement : DataFrame
        What :func:`weightspectra.report.damage.predictions.agreement` says of both.

    Notes
    -----
    Of layers with experts a cell is the sum over experts. The scatters, one for
    each experiment and scope, show the sum of the prediction over the matrices of
    each cut; open signs are cuts whose measured change is not significant.
    """
    groups = [group for _, group in cuts.groupby(["experiment", "scope"], sort=False)][:MAX_SCATTERS]
    sums = predictions.groupby(["role", "layer", "decile"])["predicted"].sum()
    scatter = SCATTER_TOP + SCATTER_HEIGHT + SCATTER_BOTTOM if groups else 0.0
    with style.applied():
        figure = style.new_figure(map_height(sums) + scatter)
        draw_map(figure, TITLE, sums)
        if groups:
            _draw_scatters(figure, groups, agreement)
    return figure


def _draw_scatters(figure: Figure, groups: Sequence[pd.DataFrame], agreement: pd.DataFrame) -> None:
    height = figure.get_figheight()
    gap = 0.55
    width = min((style.FULL_WIDTH - 0.6 - RIGHT - gap * (len(groups) - 1)) / len(groups), 2.4)
    signs: dict[str, tuple[str, str]] = {}
    for place, group in enumerate(groups):
        left = (0.6 + place * (width + gap)) / style.FULL_WIDTH
        box = (left, SCATTER_BOTTOM / height, width / style.FULL_WIDTH, SCATTER_HEIGHT / height)
        axes = figure.add_axes(box)
        signs |= _scatter(axes, group)
        axes.set_xlabel("predicted, nats per token")
        if place == 0:
            axes.set_ylabel("measured, nats per token")
        experiment, scope = group[["experiment", "scope"]].iloc[0]
        axes.set_title(f"{experiment}, by {scope}: {_agreement(group, agreement)}", fontsize=7)
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=3.4, linestyle="none", label=name)
        for name, (colour, marker) in signs.items()
    ]
    line = Line2D([], [], color=style.MUTED, linewidth=0.6, linestyle=(0, (4, 3)), label="equal")
    figure.legend(handles=[*handles, line], loc="lower center", ncols=8, columnspacing=1.0, handletextpad=0.3)


def _scatter(axes: Axes, group: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Draw one experiment on logarithmic axes (linear near zero for what was measured); return the signs used."""
    rows = group[(group["predicted"] > 0) & np.isfinite(group["measured"])]
    used = {}
    for roles, part in rows.groupby("role", sort=False):
        single = roles in ROLE_TITLES
        colour, marker = (style.ROLE_COLOURS[roles], style.ROLE_MARKERS[roles]) if single else MIXED
        used[ROLE_TITLES[roles] if single else "several roles"] = (colour, marker)
        for chosen, fill in ((part["told"], colour), (~part["told"], "white")):
            axes.plot(
                part["predicted"][chosen],
                part["measured"][chosen],
                marker,
                color=colour,
                markerfacecolor=fill,
                markersize=3,
                markeredgewidth=0.7,
                linestyle="none",
            )
    sizes = rows["measured"].abs()
    sizes = sizes[sizes > 0]
    threshold = 10.0 ** np.floor(np.log10(sizes.quantile(0.2))) if len(sizes) else 1e-3
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=threshold, linscale=0.6)
    low, high = axes.get_xlim()
    ends = np.geomspace(low, high, 100)
    axes.plot(ends, ends, color=style.MUTED, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlim(low, high)
    axes.axhline(0, color=style.MUTED, linewidth=0.5, zorder=0)
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    return used


def _agreement(group: pd.DataFrame, agreement: pd.DataFrame) -> str:
    """Spell the correlation of the prediction with the measurement; without one, how many cuts there are."""
    chosen = agreement[agreement["predictor"] == "predicted"].merge(group[["experiment", "scope"]].drop_duplicates())
    if chosen.empty:
        return f"{len(group)} cuts"
    row = chosen.iloc[0]
    return f"ρ = {correlation(row['correlation'], row['low'], row['high'])}"


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw what is predicted of one model on one corpus."""
    rows = where(data.predictions, {"model": entry["model"], "corpus": entry["corpus"]})
    title = f"{data.titles[entry['model']]}: damage predicted on {entry['corpus']}, not measured"
    names = {"model": entry["model"], "corpus": entry["corpus"]}
    cuts, found = measured(data.findings, **names), agreement(data.findings, **names)
    return Drawing(title, predicted_figure(rows, cuts, found))
