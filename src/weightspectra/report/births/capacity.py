"""The figure of capacity: what is located, recalled and hidden as more memories share fewer dimensions."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from weightspectra.conclusions.births.events import last_of
from weightspectra.report.births import plotting
from weightspectra.report.births.words import MATRICES, Births, missing, shown_births, who
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.spectra.law.spikes import transition

MATRIX = "output_2"
GREY, PALE = "#8a8a8a", "#e8a57a"
LEFT, RIGHT, TOP, GAP, HEIGHT, BOTTOM = 0.55, 0.12, 0.26, 0.55, 1.75, 0.78


def capacity_figure(locations: pd.DataFrame, probes: pd.DataFrame, births: Births) -> Figure:
    """Draw, against memories per dimension, the located values of W_O^2, its recall, and the strengths it holds.

    Parameters
    ----------
    locations : DataFrame
        Rows of ``contracts.LOCATIONS`` of these births.
    probes : DataFrame
        Rows of ``contracts.PROBES`` of these births.
    births : mapping from str to Birth

    Notes
    -----
    Strengths are the singular values of the change: the largest, the median and
    the smallest of as many as the memories span. A change below tau (entry_std
    times the root of d) leaves no value outside the bulk (BBP). Expected counts
    and tau come from the informed locator, which knows the noise: where memories
    deform the bulk, the blind one takes part of them for noise.
    """
    rows = locations[locations["matrix"] == MATRIX]
    rows = last_of(rows[rows["birth"].isin(births)])
    rows = rows[rows["n_memories"] > 0]
    if rows.empty:
        return style.message_figure(missing(["locations of W_O^2"]))
    rows = _with_strengths(rows, births)
    recalls = last_of(probes[probes["probe"].isin(["recall_output"]) & probes["birth"].isin(births)])
    recalls = recalls.assign(load=recalls["birth"].map(rows.groupby("birth")["load"].first())).dropna(subset="load")
    drawn: list[tuple[str, Callable[[Axes], None]]] = [
        ("Located values of $W_O^2$", lambda axes: _draw_counts(axes, rows)),
        ("Recall of $W_O^2$", lambda axes: _draw_recall(axes, recalls)),
        ("Strengths stored in $W_O^2$", lambda axes: _draw_strengths(axes, rows)),
    ]
    width = (style.FULL_WIDTH - LEFT - RIGHT - GAP * 2) / 3
    with style.applied():
        figure = style.new_figure(TOP + HEIGHT + BOTTOM)
        for number, (title, draw) in enumerate(drawn):
            axes = plotting.place(figure, LEFT + number * (width + GAP), TOP, width, HEIGHT)
            axes.set_title(title)
            draw(axes)
            _load_axis(axes, rows)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, columnspacing=0.9, handlelength=1.1)
    return figure


def _with_strengths(rows: pd.DataFrame, births: Births) -> pd.DataFrame:
    """Add memories per dimension, tau, and the strengths of the change."""
    dimension = rows["birth"].map({name: birth.model.dimension for name, birth in births.items()})
    held = [
        np.sort(np.asarray(values, dtype=float))[::-1][: max(rank, 1)]
        for values, rank in zip(rows["change_values"], rows["rank"], strict=True)
    ]
    return rows.assign(
        load=rows["n_memories"] / dimension,
        tau=[transition(std, width, width) for std, width in zip(rows["entry_std"], dimension, strict=True)],
        largest=[values[0] for values in held],
        median=[float(np.median(values)) for values in held],
        smallest=[values[-1] for values in held],
    )


def _draw_counts(axes: Axes, rows: pd.DataFrame) -> None:
    colour, marker = MATRICES[MATRIX].colour, MATRICES[MATRIX].marker
    blind, informed = (rows[rows["locator"] == locator] for locator in ("blind", "informed"))
    _line(axes, blind, "n_located", colour, marker, "located")
    _line(axes, informed, "n_located", colour, marker, "noise known", open_=True)
    _line(axes, informed, "n_visible", GREY, "^", "expected", open_=True)
    rank = rows.groupby("load")["rank"].mean()
    axes.plot(rank.index, rank, color=style.MUTED, linewidth=0.7, linestyle=plotting.DASHED, label="rank")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("number")


def _draw_recall(axes: Axes, recalls: pd.DataFrame) -> None:
    _line(axes, recalls, "value", MATRICES[MATRIX].colour, MATRICES[MATRIX].marker, "recalled")
    chance = recalls.groupby("load")["chance"].mean()
    axes.plot(chance.index, chance, color=style.MUTED, linewidth=0.7, linestyle=plotting.DASHED, label="chance")
    plotting.share_axis(axes)
    axes.set_ylabel("share of memories")


def _draw_strengths(axes: Axes, rows: pd.DataFrame) -> None:
    colour, rows = MATRICES[MATRIX].colour, rows[rows["locator"] == "informed"]
    for name, (shade, marker) in {"largest": (PALE, "v"), "median": (PALE, "D"), "smallest": (colour, "o")}.items():
        _line(axes, rows, name, shade, marker, name)
    tau = rows.groupby("load")["tau"].mean()
    axes.plot(
        tau.index,
        tau,
        color=style.OUTSIDE,
        linewidth=0.8,
        linestyle=plotting.DASHED,
        label=r"least to be seen, $\tau$",
    )
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("singular value of the change")


def _line(
    axes: Axes, rows: pd.DataFrame, value: str, colour: str, marker: str, label: str, *, open_: bool = False
) -> None:
    """Draw the means over seeds, joined, and the seeds as small signs."""
    if rows.empty:
        return
    means = plotting.over_seeds(rows, value, by="load")
    fill = "white" if open_ else colour
    axes.plot(
        means.index,
        means["mean"],
        color=colour,
        marker=marker,
        markersize=4,
        markerfacecolor=fill,
        linewidth=0.9,
        label=label,
    )
    axes.plot(rows["load"], rows[value], marker, color=colour, markersize=1.8, markeredgewidth=0)


def _load_axis(axes: Axes, rows: pd.DataFrame) -> None:
    loads = sorted(rows["load"].unique())
    axes.axvline(1, color=style.NULL, linewidth=0.8, zorder=0)
    if loads[-1] >= 4 * loads[0]:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(loads, [f"{load:.2g}" for load in loads])
    axes.set_xlabel("memories per dimension $N/d$")


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the capacity of the births that an entry names."""
    births = shown_births(entry, data)
    title = f"{who(births)}: located values, recall and strengths against memories per dimension"
    return Drawing(title, capacity_figure(data.locations, data.probes, births))
