"""The figure of memories made without training: recall and spectra of sums of outer products, and gradient steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from weightspectra.report.births import plotting
from weightspectra.report.births.words import MATRICES, missing
from weightspectra.report.cuts.cost_figure import ramp
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements

EDGES = {"largest": ("largest", "#0072b2", "o"), "smallest": ("smallest", "#e69f00", "s")}
TRIALS = {
    "recall_of_key_1": ("recall of $W_K^1$", MATRICES["key_1"].colour, "D", True),
    "accuracy": ("accuracy", style.INK, "o", True),
    "accuracy_rescaled": ("$W_K^2$ enlarged", style.INK, "o", False),
    "accuracy_of_memories": ("memories alone", "#e69f00", "^", True),
}
"""From what is tried after three steps to its name, colour, marker, and whether that is filled."""

LOGIT = ", logit "
VARIANTS = {
    "": ("o", "-"),
    "Gaussian": ("o", "-"),
    "orthonormal": ("D", plotting.DASHED),
    "text": ("s", plotting.DOTTED),
}
OTHER = ("^", plotting.DOTTED)
"""Marker and line of each variant, and of those that are not listed."""

LEFT, RIGHT, TOP, GAP, BETWEEN, HEIGHT, BOTTOM, LEGEND = 0.5, 0.12, 0.24, 0.42, 0.66, 1.6, 0.42, 1.12
"""Margins, gaps and heights in inches; each panel has the room of LEGEND at its right."""

HIGHEST_LOAD = 4.5
"""Memories per dimension up to which singular values are drawn; beyond, the smallest are zero."""

WIDTH = (style.FULL_WIDTH - LEFT - RIGHT - GAP) / 2 - LEGEND


def memories_figure(simulations: pd.DataFrame) -> Figure:
    """Draw what sums of outer products and single gradient steps recall, beside what theory says.

    Parameters
    ----------
    simulations : DataFrame
        Rows of ``contracts.SIMULATIONS``.

    Notes
    -----
    Signs are means over draws with their range, lines what theory expects.
    """
    if simulations.empty:
        return style.message_figure(missing(["simulations"]))
    rows = _with_logits(simulations)
    steps = rows[rows["simulation"] == "three_steps"]
    by_step = pd.concat([steps[steps["logit"].isna()], steps[steps["logit"] == steps["logit"].min()]])
    widest = steps[(steps["variant"] == "Gaussian") & (steps["dimension"] == steps["dimension"].max())]
    colours = _colours(rows)
    drawn: list[Callable[[Axes], None]] = [
        lambda axes: _draw_recall(axes, _those(rows, "superposition", "recall"), colours, "Sums of $N$ outer products"),
        lambda axes: _draw_edges(axes, rows[rows["simulation"] == "spectrum"]),
        lambda axes: _draw_recall(axes, _those(rows, "one_step", "recall"), colours, "One gradient step from zero"),
        lambda axes: _draw_steps(axes, by_step[by_step["variant"] == "Gaussian"]),
        lambda axes: _draw_trials(axes, steps[steps["variant"] == "orthonormal"], "Three steps, orthonormal"),
        lambda axes: _draw_trials(axes, widest, "Three steps, Gaussian"),
    ]
    drawn = drawn[: 6 if len(steps) else 4]
    n_rows = len(drawn) // 2
    with style.applied():
        figure = style.new_figure(TOP + n_rows * HEIGHT + (n_rows - 1) * BETWEEN + BOTTOM)
        for number, draw in enumerate(drawn):
            left, top = LEFT + number % 2 * (WIDTH + LEGEND + GAP), TOP + number // 2 * (HEIGHT + BETWEEN)
            draw(plotting.place(figure, left, top, WIDTH, HEIGHT))
    return figure


def _with_logits(simulations: pd.DataFrame) -> pd.DataFrame:
    """Split the variants of three steps into what is said of embeddings and the mean logit after the second step."""
    parts = simulations["variant"].str.partition(LOGIT)
    return simulations.assign(variant=parts[0], logit=pd.to_numeric(parts[2], errors="coerce"))


def _those(rows: pd.DataFrame, simulation: str, quantity: str) -> pd.DataFrame:
    return rows[(rows["simulation"] == simulation) & (rows["quantity"] == quantity)]


def _colours(simulations: pd.DataFrame) -> dict[int, str]:
    numbers = sorted(simulations.loc[simulations["simulation"] != "three_steps", "n_tokens"].unique())
    return {int(number): colour for number, colour in zip(numbers, ramp(len(numbers)), strict=True)}


def _draw_recall(axes: Axes, rows: pd.DataFrame, colours: Mapping[int, str], title: str) -> None:
    """Draw recall against dimension, a colour for each number of memories, a marker and line for each variant."""
    axes.set_title(title)
    variants = {str(variant): VARIANTS.get(str(variant), OTHER) for variant in rows["variant"].unique()}
    present = sorted(map(int, rows["n_tokens"].unique()))
    for variant, (marker, line) in variants.items():
        for n_tokens in present:
            found = rows[(rows["variant"] == variant) & (rows["n_tokens"] == n_tokens)]
            if len(found):
                _draw_beside_theory(axes, found, "dimension", colours[n_tokens], marker, line)
    plotting.share_axis(axes)
    _log_axis(axes, sorted(map(int, rows["dimension"].unique())))
    axes.set_xlabel("dimension $d$")
    axes.set_ylabel("recall")
    dot: dict[str, Any] = {"markersize": 3, "linewidth": 0.9}
    handles = [plotting.handle(f"N = {n:,}", color=colours[n], marker="o", **dot) for n in present]
    handles += [
        plotting.handle(variant, color=style.MUTED, marker=marker, linestyle=line, **dot)
        for variant, (marker, line) in variants.items()
        if variant
    ]
    _legend(axes, handles)


def _draw_edges(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the extreme singular values of sums of equal memories against their number per dimension."""
    axes.set_title("Singular values of such sums")
    rows = rows.assign(load=rows["n_tokens"] / rows["dimension"])
    rows = rows[rows["load"] <= HIGHEST_LOAD]
    dot: dict[str, Any] = {"markersize": 3, "linewidth": 0.9}
    handles = []
    for quantity, (label, colour, marker) in EDGES.items():
        _draw_beside_theory(axes, rows[rows["quantity"] == quantity], "load", colour, marker)
        handles.append(plotting.handle(label, color=colour, marker=marker, **dot))
    axes.axvline(1, color=style.NULL, linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([0.01, 0.03, 0.1, 0.25, 0.5, 1, 2, 4]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("memories per dimension $N/d$")
    axes.set_ylabel("singular value")
    theory = plotting.handle("line: theory", color=style.MUTED, linewidth=0.9)
    found = plotting.handle("sign: found", color=style.MUTED, marker="o", markersize=3, linestyle="none")
    _legend(axes, [*handles, theory, found])


def _draw_beside_theory(axes: Axes, rows: pd.DataFrame, by: str, colour: str, marker: str, line: Any = "-") -> None:
    """Draw means over draws with their range as signs, and what theory expects as a line."""
    means = plotting.over_seeds(rows, "value", by=by)
    axes.vlines(means.index, means["low"], means["high"], color=colour, linewidth=0.8)
    axes.plot(means.index, means["mean"], marker, color=colour, markersize=3)
    expected = rows.groupby(by)["expected"].mean()
    axes.plot(expected.index, expected, color=colour, linewidth=0.9, linestyle=line, zorder=1)


def _draw_steps(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the recall of each matrix after its step against dimension."""
    axes.set_title("Three steps, one a matrix")
    handles = []
    for matrix, (title, colour, marker) in MATRICES.items():
        found = rows[rows["quantity"] == f"recall_of_{matrix}"]
        if len(found):
            _draw_beside_theory(axes, found, "dimension", colour, marker)
            handles.append(plotting.handle(title, color=colour, marker=marker, markersize=3, linewidth=0.9))
    plotting.share_axis(axes)
    _log_axis(axes, sorted(map(int, rows["dimension"].unique())))
    axes.set_xlabel("dimension $d$")
    axes.set_ylabel("recall after its step")
    _legend(axes, handles)


def _draw_trials(axes: Axes, rows: pd.DataFrame, title: str) -> None:
    """Draw what three steps can do, against how strongly the second one stores."""
    dimension = f", $d$ = {int(rows['dimension'].iloc[0])}" if len(rows) else ""
    axes.set_title(title + dimension)
    handles = []
    for quantity, (label, colour, marker, filled) in TRIALS.items():
        means = plotting.over_seeds(rows[rows["quantity"] == quantity].dropna(subset="logit"), "value", by="logit")
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 3.2, "linewidth": 0.9}
        look["markerfacecolor"] = colour if filled else "white"
        axes.vlines(means.index, means["low"], means["high"], color=colour, linewidth=0.8)
        axes.plot(means.index, means["mean"], **look)
        handles.append(plotting.handle(label, **look))
    plotting.share_axis(axes)
    _log_axis(axes, sorted(rows["logit"].dropna().unique()))
    axes.set_xlabel("mean logit stored in $W_K^2$")
    axes.set_ylabel("share")
    _legend(axes, handles)


def _log_axis(axes: Axes, values: Sequence[float]) -> None:
    if values and values[-1] >= 4 * values[0]:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(values, [f"{value:,g}" for value in values])


def _legend(axes: Axes, handles: Sequence[Line2D]) -> None:
    if handles:
        axes.legend(handles=list(handles), loc="upper left", bbox_to_anchor=(1.0, 1.03), labelspacing=0.35)


def draw(_: Entry, data: Measurements) -> Drawing:
    """Draw all simulations."""
    title = "Sums of outer products and single gradient steps, beside what theory says"
    return Drawing(title, memories_figure(data.simulations))
