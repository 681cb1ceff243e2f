"""The figure of knock-outs: accuracy with only the located values left, without them, and with the largest few."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from weightspectra.birth.settings import Birth
from weightspectra.conclusions.births.events import last_of
from weightspectra.report.births import plotting, settings_in_words
from weightspectra.report.births.words import MATRICES, missing, present_matrices
from weightspectra.report.kit import style
from weightspectra.report.kit.births import births_of
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where

CUTS = {
    "keep_located": ("located values only", "o", True),
    "remove_located": ("located values removed", "o", False),
    "remove_smallest": ("as many smallest removed", "|", True),
}
"""From each cut to its name, its marker and whether that is filled."""

MEASURES = {
    "in_context_accuracy": ("in-context accuracy", "accuracy_change_error"),
    "global_loss": ("global loss, nats", "loss_change_error"),
}
"""From each measure to its name, and to the column with the standard error of its change."""

INTERVAL = 1.96
ALL = "all"
LEFT, TOP, BETWEEN, RIGHT, BOTTOM, ROW = 0.95, 0.12, 0.2, 0.12, 0.68, 0.46
WIDTHS = {1: (3.2, 2.3), 2: (1.75, 1.75)}
"""Widths in inches of a panel of dots and of the panel of lines, by the number of panels of dots."""


def knockouts_figure(knockouts: pd.DataFrame, birth: Birth) -> Figure:
    """Draw what is left of accuracy after cuts of trained matrices.

    Test 7 of the ground truth. Left, a row a matrix: each sign is one seed
    with the 95 % interval of its change, paired over sequences. Right:
    accuracy against the number of largest values kept.

    Parameters
    ----------
    knockouts : DataFrame
        Rows of ``contracts.KNOCKOUTS`` of one birth; those of the last iteration are drawn.
    birth : Birth
    """
    rows = last_of(knockouts)
    if rows.empty:
        return style.message_figure(missing(["knock-outs"]))
    matrices = present_matrices(rows)
    listed = [*matrices, *([ALL] if (rows["matrix"] == ALL).any() else [])]
    measures = ["in_context_accuracy", *(["global_loss"] if "feed_forward" in matrices else [])]
    dots, lines = WIDTHS[len(measures)]
    height = max(ROW * len(listed), 1.5)
    with style.applied():
        figure = style.new_figure(TOP + height + BOTTOM)
        for number, measure in enumerate(measures):
            axes = plotting.place(figure, LEFT + number * (dots + BETWEEN), TOP, dots, height)
            _draw_cuts(axes, rows, listed, measure)
            axes.tick_params(labelleft=number == 0)
        left = style.FULL_WIDTH - RIGHT - lines
        _draw_largest(plotting.place(figure, left, TOP, lines, height), rows, matrices, lines, birth.model.dimension)
        figure.legend(handles=_handles(), loc="lower center", ncols=5, columnspacing=1.3)
    return figure


def _draw_cuts(axes: Axes, rows: pd.DataFrame, listed: list[str], measure: str) -> None:
    """Draw one measure of all cuts by what is located, and its value without a cut."""
    seeds = sorted(rows["seed"].unique())
    located = rows[rows["cut"] == "keep_located"].set_index(["matrix", "seed"])["n_values"]
    for row, matrix in enumerate(listed):
        colour = MATRICES[matrix].colour if matrix in MATRICES else style.INK
        mine = rows[(rows["matrix"] == matrix) & rows["cut"].isin(CUTS)]
        as_many = mine["n_values"] == [located.get((matrix, seed), -1) for seed in mine["seed"]]
        for cut, (_, marker, filled) in CUTS.items():
            found = mine[(mine["cut"] == cut) & (as_many | (cut != "remove_smallest"))]
            for one in found.to_dict("records"):
                level = row + 0.5 * ((seeds.index(one["seed"]) + 0.5) / len(seeds) - 0.5)
                reach = INTERVAL * one[MEASURES[measure][1]]
                axes.plot([one[measure] - reach, one[measure] + reach], [level] * 2, color=colour, linewidth=0.7)
                fill = colour if filled else "white"
                size = 3.4 if marker == "o" else 5
                axes.plot(one[measure], level, marker, color=colour, markerfacecolor=fill, markersize=size, zorder=3)
    _mark_untouched(axes, rows, measure, upright=True)
    axes.set_ylim(len(listed) - 0.5, -0.5)
    axes.set_yticks(range(len(listed)), [_label(matrix, located) for matrix in listed])
    axes.tick_params(axis="y", length=0)
    axes.hlines(
        np.arange(0.5, len(listed) - 1), 0, 1, color=style.NULL, linewidth=0.4, transform=axes.get_yaxis_transform()
    )
    axes.set_xlabel(MEASURES[measure][0])
    if measure == "in_context_accuracy":
        axes.set_xlim(min(-0.03, axes.get_xlim()[0]), 1.03)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _label(matrix: str, located: pd.Series) -> str:
    """Name a matrix, and below it how many values of it are located."""
    numbers = located[located.index.get_level_values("matrix") == matrix]
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    spelled = f"{low}" if low == high else f"{low}–{high}"
    return f"{MATRICES[matrix].title if matrix in MATRICES else 'all of them'}\n{spelled} located"


def _mark_untouched(axes: Axes, rows: pd.DataFrame, measure: str, *, upright: bool) -> None:
    """Draw the mean without a cut as a line, and a band from the smallest to the largest seed."""
    untouched = rows.loc[rows["cut"] == "none", measure]
    if untouched.empty:
        return
    line, span = (axes.axvline, axes.axvspan) if upright else (axes.axhline, axes.axhspan)
    span(untouched.min(), untouched.max(), color=style.NULL, linewidth=0, zorder=0)
    line(untouched.mean(), color=style.MUTED, linewidth=0.7, linestyle=plotting.DASHED, zorder=1)


def _draw_largest(axes: Axes, rows: pd.DataFrame, matrices: list[str], width: float, dimension: int) -> None:
    """Draw accuracy against the number of largest values kept, and a tick where the located ones end."""
    kept = rows[rows["cut"] == "keep_largest"]
    smallest = rows[(rows["cut"] == "remove_smallest") & (rows["matrix"] != ALL)]
    kept = pd.concat([kept, smallest.assign(n_values=dimension - smallest["n_values"])], ignore_index=True)
    for matrix in matrices:
        mine = kept[kept["matrix"] == matrix]
        if mine.empty:
            continue
        sign = MATRICES[matrix]
        # Numbers that not all seeds have (those of their own located values) would make the mean jump.
        common = mine.groupby("n_values")["seed"].transform("nunique") == mine["seed"].nunique()
        means = plotting.over_seeds(mine[common], "in_context_accuracy", by="n_values")
        axes.fill_between(means.index, means["low"], means["high"], color=sign.colour, alpha=0.2, linewidth=0)
        axes.plot(means.index, means["mean"], color=sign.colour, marker=sign.marker, markersize=2.6, label=sign.title)
        located = rows[(rows["matrix"] == matrix) & (rows["cut"] == "keep_located")]
        ring: dict[str, Any] = {"color": sign.colour, "markerfacecolor": "none", "markersize": 7, "zorder": 4}
        axes.plot(located["n_values"].mean(), located["in_context_accuracy"].mean(), "o", **ring)
    _mark_untouched(axes, rows, "in_context_accuracy", upright=False)
    plotting.iteration_axis(axes, dimension, width)
    plotting.share_axis(axes)
    axes.set_xlabel("largest values kept")
    axes.set_ylabel("in-context accuracy")
    if len(kept):
        axes.legend(loc="best", labelspacing=0.3)


def _handles() -> list[Line2D]:
    muted: dict[str, Any] = {"color": style.MUTED, "linestyle": "none"}
    handles = [
        plotting.handle(
            name,
            marker=marker,
            markersize=3.4 if marker == "o" else 5,
            markerfacecolor=style.MUTED if filled else "white",
            **muted,
        )
        for name, marker, filled in CUTS.values()
    ]
    untouched = plotting.handle("no cut", color=style.MUTED, linewidth=0.7, linestyle=plotting.DASHED)
    ring = plotting.handle("as many as located", marker="o", markerfacecolor="none", markersize=7, **muted)
    return [*handles, untouched, ring]


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the knockouts of the one birth that an entry names."""
    [name] = entry["births"]
    births = births_of(data)
    title = f"{settings_in_words.title(births, name)}: what is left of accuracy after cuts of trained matrices"
    return Drawing(title, knockouts_figure(where(data.knockouts, {"birth": name}), births[name]))
