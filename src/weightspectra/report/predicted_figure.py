"""The map of predicted damage, deciles over layers; and, where cuts were made, predicted against measured."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from weightspectra.report import style
from weightspectra.report.predictions import agreement
from weightspectra.report.summaries import ordered_roles
from weightspectra.report.wording import ROLE_TITLES

COLOURS = "magma_r"
DECADES = 6
"""Decades of the colour scale at most; what lies below has the palest colour."""

SHORT_TITLES = {**ROLE_TITLES, "attention_output": "Attn. output"}
LEFT, RIGHT, GAP, TOP, BELOW_MAP = 0.4, 0.72, 0.07, 0.42, 0.42
SCATTER_TOP, SCATTER_HEIGHT, SCATTER_BOTTOM = 0.24, 1.7, 0.62
MAX_SCATTERS = 3
MIXED = ("#222222", "o")


def predicted_figure(predictions: pd.DataFrame, cuts: pd.DataFrame) -> Figure:
    """Draw the predicted increase of the loss for every matrix and decile.

    Parameters
    ----------
    predictions : DataFrame
        Rows of ``contracts.PREDICTIONS``, all of one model and corpus.
    cuts : DataFrame
        What :func:`weightspectra.report.predictions.measured` makes of them.

    Notes
    -----
    Of layers with experts a cell is the sum over experts. The scatters, one for
    each experiment and scope, show the sum of the prediction over the matrices of
    each cut; open signs are cuts whose measured change is not significant.
    """
    groups = [group for _, group in cuts.groupby(["experiment", "scope"], sort=False)][:MAX_SCATTERS]
    layers = sorted(predictions["layer"].unique())
    map_height = float(np.clip(0.075 * len(layers), 0.9, 3.4))
    scatter = SCATTER_TOP + SCATTER_HEIGHT + SCATTER_BOTTOM if groups else 0.0
    height = TOP + map_height + BELOW_MAP + scatter
    with style.applied():
        figure = style.new_figure(height)
        _draw_map(figure, predictions, layers, map_height)
        words = "Prediction, not measurement: increase of the loss (nats per token) if one decile of one matrix goes"
        figure.text(LEFT / style.FULL_WIDTH, 1 - 0.07 / height, words, va="top", fontsize=7.5, fontweight="bold")
        if groups:
            _draw_scatters(figure, groups)
    return figure


def _draw_map(figure: Figure, predictions: pd.DataFrame, layers: Sequence[int], map_height: float) -> None:
    roles, height = ordered_roles(predictions["role"]), figure.get_figheight()
    sums = predictions.groupby(["role", "layer", "decile"])["predicted"].sum()
    positive = sums[(sums > 0) & np.isfinite(sums)]
    top = float(positive.max()) if len(positive) else 1.0
    bottom = max(float(positive.min()), top / 10.0**DECADES) if len(positive) else 0.1
    norm = LogNorm(bottom, top if top > bottom else 10 * bottom, clip=True)
    width = min((style.FULL_WIDTH - LEFT - RIGHT - GAP * (len(roles) - 1)) / len(roles), 1.5)
    bottom_edge = (height - TOP - map_height) / height
    for place, role in enumerate(roles):
        left = (LEFT + place * (width + GAP)) / style.FULL_WIDTH
        axes = figure.add_axes((left, bottom_edge, width / style.FULL_WIDTH, map_height / height))
        grid = pd.MultiIndex.from_product([[role], layers, range(1, 11)])
        values = sums.reindex(grid).to_numpy(dtype=float).reshape(len(layers), 10)
        shown = np.ma.masked_invalid(np.where(values <= 0, float(bottom), values))
        axes.set_facecolor(style.NULL)
        axes.imshow(shown, cmap=COLOURS, norm=norm, aspect="auto", interpolation="nearest", origin="upper")
        axes.set_title(SHORT_TITLES[role], fontsize=7)
        axes.set_xticks([0, 4, 9], ["1", "5", "10"])
        step = max(1, int(np.ceil(len(layers) / (map_height / 0.12))))
        axes.set_yticks(range(0, len(layers), step), [str(layer) for layer in layers[::step]] if place == 0 else [])
        axes.tick_params(length=0, pad=2)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if place == 0:
            axes.set_ylabel("layer")
    middle = (LEFT + (len(roles) * (width + GAP) - GAP) / 2) / style.FULL_WIDTH
    figure.text(
        middle, bottom_edge - 0.3 / height, "decile of the singular values (1: smallest)", ha="center", fontsize=7
    )
    _colour_bar(figure, LEFT + len(roles) * (width + GAP), norm, (bottom_edge, map_height / height))


def _colour_bar(figure: Figure, left: float, norm: LogNorm, place: tuple[float, float]) -> None:
    axes = figure.add_axes((left / style.FULL_WIDTH, place[0], 0.09 / style.FULL_WIDTH, place[1]))
    bar = figure.colorbar(ScalarMappable(norm, colormaps[COLOURS]), cax=axes)
    bar.locator = LogLocator(numticks=6)
    bar.formatter = FuncFormatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e"))
    bar.minorlocator = NullLocator()
    bar.update_ticks()
    bar.outline.set_visible(False)


def _draw_scatters(figure: Figure, groups: Sequence[pd.DataFrame]) -> None:
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
        axes.set_title(f"{group['experiment'].iloc[0]}, by {group['scope'].iloc[0]}: {_agreement(group)}", fontsize=7)
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
    for roles, part in rows.groupby("roles", sort=False):
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


def _agreement(group: pd.DataFrame) -> str:
    found = agreement(group)
    chosen = found[found["predictor"] == "predicted"]
    if chosen.empty:
        return f"{len(group)} cuts"
    row = chosen.iloc[0]
    return f"ρ = {row['correlation']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
