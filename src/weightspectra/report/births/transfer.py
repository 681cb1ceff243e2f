"""The figure of transfer: accuracy after training with one kind of outputs, tested with either kind."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from weightspectra.conclusions.births.events import last_of
from weightspectra.report.births import plotting
from weightspectra.report.births.words import Births, missing, shown_births, titles, who
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements

TESTS = {"uniform": ("uniform outputs", "#0072b2", "o"), "bigram": ("bigram outputs", "#d55e00", "s")}
ROW, TOP, BOTTOM, NUMBERS = 0.34, 0.24, 0.62, 1.5
"""Height of a row, margins, and the room for the numbers at the right, in inches."""


def transfer_figure(probes: pd.DataFrame, births: Births) -> Figure:
    """Draw the final in-context accuracy of each birth on uniform and on bigram test outputs.

    As the centre of figure 4 of arXiv 2306.00802. A row a birth; small signs
    are seeds, large ones their mean, filled if training had such outputs.

    Parameters
    ----------
    probes : DataFrame
        Rows of ``contracts.PROBES`` of these births.
    births : mapping from str to Birth
    """
    rows = probes[(probes["probe"] == "in_context_accuracy") & probes["outputs"].isin(TESTS)]
    rows = last_of(rows[rows["birth"].isin(births)])
    if rows.empty:
        return style.message_figure(missing(["in-context accuracy by test outputs"]))
    left = 0.2 + 0.058 * max(map(len, titles(births)))
    height = ROW * len(births)
    with style.applied():
        figure = style.new_figure(TOP + height + BOTTOM)
        axes = plotting.place(figure, left, TOP, style.FULL_WIDTH - left - NUMBERS, height)
        for place, (name, birth) in enumerate(births.items()):
            for number, (test, column) in enumerate(zip(TESTS, (1.2, 1.36), strict=True)):
                mine = rows[(rows["birth"] == name) & (rows["outputs"] == test)]
                if len(mine):
                    level = place - 0.16 + 0.32 * number
                    _draw(axes, mine["value"], level, test, trained=birth.data.outputs == test)
                    words = f"{mine['value'].mean():.2f}"
                    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "ha": "right"}
                    axes.text(column - 0.1, place, words, color=TESTS[test][1], **beside)
        for test, column in zip(TESTS, (1.2, 1.36), strict=True):
            axes.text(column - 0.1, 1.04, test, transform=axes.transAxes, ha="right", color=TESTS[test][1])
        _finish(axes, rows, births)
        figure.legend(handles=_handles(rows), loc="lower center", ncols=5, columnspacing=1.4)
    return figure


def _draw(axes: Axes, values: pd.Series, level: float, test: str, *, trained: bool) -> None:
    _, colour, marker = TESTS[test]
    axes.plot([values.min(), values.max()], [level, level], color=colour, linewidth=0.8, zorder=2)
    axes.plot(values, [level] * len(values), marker, color=colour, markersize=1.8, markeredgewidth=0, zorder=3)
    fill = colour if trained else "white"
    axes.plot(values.mean(), level, marker, color=colour, markerfacecolor=fill, markersize=4.6, zorder=4)


def _finish(axes: Axes, rows: pd.DataFrame, births: Births) -> None:
    axes.set_yticks(range(len(births)), titles(births))
    axes.set_ylim(len(births) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=style.NULL, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("in-context accuracy at the end of training")
    if rows["chance"].notna().any():
        axes.axvline(rows["chance"].mean(), color=style.MUTED, linewidth=0.7, linestyle=plotting.DASHED, zorder=1)


def _handles(rows: pd.DataFrame) -> list[Line2D]:
    dot: dict[str, Any] = {"markersize": 4.6, "linestyle": "none"}
    handles = [
        plotting.handle(f"tested with {title}", color=colour, marker=marker, **dot)
        for title, colour, marker in TESTS.values()
    ]
    muted: dict[str, Any] = {"color": style.MUTED, "marker": "o", **dot}
    handles.append(plotting.handle("filled: as in training", **muted))
    handles.append(plotting.handle("open: other than in training", markerfacecolor="white", **muted))
    return [*handles, plotting.chance_handle()] if rows["chance"].notna().any() else handles


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the transfer of the births that an entry names."""
    births = shown_births(entry, data)
    title = f"{who(births)}: in-context accuracy on uniform and on bigram outputs"
    return Drawing(title, transfer_figure(data.probes, births))
