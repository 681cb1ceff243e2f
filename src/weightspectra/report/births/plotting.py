"""Axes that figures of trained births share: iterations on a square-root scale, means over seeds with their range."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from weightspectra.report.kit import style

DASHED, DOTTED = (0, (4, 3)), (0, (1, 2))
LETTER = 0.055
"""Mean width of a letter of a legend, in inches."""


def place(figure: Figure, left: float, top: float, width: float, height: float, **choices: Any) -> Axes:
    """Add axes to a figure; ``top`` is the distance of their upper end from that of the figure, all in inches."""
    whole = figure.get_figheight()
    box = (left / style.FULL_WIDTH, 1 - (top + height) / whole, width / style.FULL_WIDTH, height / whole)
    return figure.add_axes(box, **choices)


def over_seeds(rows: pd.DataFrame, value: str, by: str = "iteration") -> pd.DataFrame:
    """Return mean, low and high of a column over seeds, by another column and in its order."""
    grouped = rows.groupby(by)[value]
    return pd.DataFrame({"mean": grouped.mean(), "low": grouped.min(), "high": grouped.max()})


def draw_band(axes: Axes, rows: pd.DataFrame, value: str, *, colour: str, marks: bool = False, **line: Any) -> None:
    """Draw the mean of a column over seeds by iteration, and a band from the smallest to the largest seed."""
    found = over_seeds(rows, value)
    axes.fill_between(found.index, found["low"], found["high"], color=colour, alpha=0.2, linewidth=0, zorder=2)
    marker = {"marker": ".", "markersize": 3} if marks else {}
    axes.plot(found.index, found["mean"], color=colour, zorder=3, **{"linewidth": 1.1, **marker, **line})


def iteration_axis(axes: Axes, last: float, width: float, *, labelled: bool = True) -> None:
    """Put iterations on a square-root scale from 0, on which checkpoints at squares of equal steps are evenly spaced.

    Parameters
    ----------
    axes : Axes
    last : float
        The last iteration.
    width : float
        Width of the axes in inches, for as many ticks as fit.
    labelled : bool
        Whether to write the numbers and the name of the axis.
    """
    axes.set_xscale("function", functions=(_root, _square))
    axes.set_xlim(0, max(last, 1) * 1.02)
    ticks = root_ticks(last, gap=0.27 / width, with_last=True)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.tick_params(labelbottom=labelled)
    if labelled:
        axes.set_xlabel("iteration")


def root_axis(axes: Axes, highest: float, height: float) -> None:
    """Put counts on a square-root scale from 0, so that few and many can be read."""
    axes.set_yscale("function", functions=(_root, _square))
    top = max(highest, 1) * 1.08
    axes.set_ylim(0, top)
    ticks = root_ticks(top, gap=0.13 / height)
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])


def root_ticks(last: float, *, gap: float, with_last: bool = False) -> list[int]:
    """Return round numbers from 0 on, not closer than a gap (a share of the axis) on a square-root scale.

    With ``with_last`` the last number is one of them if it has no more than two digits that are not zero.
    """
    end = max(int(last), 1)
    powers = [10**power for power in range(len(str(end)), -1, -1)]
    steps = [*(digit * power for power in powers for digit in (5, 2, 1)), *(3 * power for power in powers)]
    rounded = [end] if with_last and end == float(f"{end:.1e}") else []
    chosen: list[int] = [0]
    for tick in [*rounded, *(step for step in steps if step <= end)]:
        if all(abs(np.sqrt(tick / end) - np.sqrt(other / end)) >= gap for other in chosen):
            chosen.append(tick)
    return sorted(chosen)


def share_axis(axes: Axes) -> None:
    """Give shares their whole range, with room for a line at either end."""
    axes.set_ylim(-0.03, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])


def tell_if_empty(axes: Axes, rows: pd.DataFrame) -> None:
    """Write in the middle of axes that there is nothing to draw, if so."""
    if rows.empty:
        axes.text(0.5, 0.5, "not measured for these", transform=axes.transAxes, ha="center", color=style.MUTED)


def mark_releases(axes: Axes, marks: Sequence[tuple[float, str]]) -> None:
    """Draw a dashed vertical line for each mark (iteration and colour); those at one place take turns in dashes."""
    for iteration in sorted({iteration for iteration, _ in marks}):
        colours = list(dict.fromkeys(colour for there, colour in marks if there == iteration))
        for turn, colour in enumerate(colours):
            dashes = (2.5 * turn, (2.5, 1.5 if len(colours) == 1 else 2.5 * (len(colours) - 1)))
            shifted = (-dashes[0] % sum(dashes[1]), dashes[1])
            axes.axvline(iteration, color=colour, linewidth=0.8, linestyle=shifted, zorder=1)


def handle(label: str, **look: Any) -> Line2D:
    """Return an entry of a legend that looks like this."""
    return Line2D([], [], label=label, **look)


def chance_handle() -> Line2D:
    """Return the entry of a legend for what random weights would reach."""
    return handle("chance", color=style.MUTED, linewidth=0.7, linestyle=DASHED)


def legend_columns(labels: Iterable[str], width: float = style.FULL_WIDTH - 0.6) -> int:
    """Return how many columns of a legend fit a width in inches."""
    names = list(labels)
    widest = 0.42 + LETTER * max(map(len, names), default=1)
    return max(1, min(len(names), int(width / widest)))


def _root(values: Any) -> Any:
    """Return the square root, continued to negative numbers so that an axis may begin a little below zero."""
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: Any) -> Any:
    return np.sign(values) * np.square(values)
