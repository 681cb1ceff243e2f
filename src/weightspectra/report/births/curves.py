"""The figure of training: probes over the iterations, a panel a probe, a line a birth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from weightspectra.report.births import plotting
from weightspectra.report.births.settings_in_words import released
from weightspectra.report.births.words import (
    UNITS,
    Births,
    listed_probes,
    probe,
    shown_births,
    sign_of,
    titles,
    who,
)
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements

LEFT, RIGHT, TOP, GAP, BETWEEN = 0.5, 0.18, 0.26, 0.42, 0.36
HEIGHTS = {1: 1.9, 2: 1.7, 3: 1.45}
"""Height of a panel in inches, by the number of columns."""


def curves_figure(probes: pd.DataFrame, births: Births, wanted: Sequence[str]) -> Figure:
    """Draw probes over the iterations, the mean over seeds with a band from the smallest to the largest seed.

    As figure 3 and the left and right parts of figure 4 of arXiv 2306.00802.

    Parameters
    ----------
    probes : DataFrame
        Rows of ``contracts.PROBES`` of these births.
    births : mapping from str to Birth
    wanted : sequence of str
        Probes, a panel each. One without rows has a panel that says so.
    """
    rows = probes[(probes["outputs"] == "") & probes["probe"].isin(wanted) & probes["birth"].isin(births)]
    n_columns = {1: 1, 2: 2, 4: 2}.get(len(wanted), 3)
    n_rows = int(np.ceil(len(wanted) / n_columns))
    height = HEIGHTS[n_columns]
    handles = _handles(rows, births)
    n_legend = plotting.legend_columns(str(handle.get_label()) for handle in handles)
    bottom = 0.44 + 0.16 * int(np.ceil(len(handles) / n_legend))
    width = (style.FULL_WIDTH - LEFT - RIGHT - GAP * (n_columns - 1)) / n_columns
    last = float(rows["iteration"].max()) if len(rows) else 1.0
    with style.applied():
        figure = style.new_figure(TOP + n_rows * height + (n_rows - 1) * BETWEEN + bottom)
        for number, name in enumerate(wanted):
            line, column = divmod(number, n_columns)
            place = (LEFT + column * (width + GAP), TOP + line * (height + BETWEEN), width, height)
            axes = plotting.place(figure, *place)
            axes.set_title(probe(name).title)
            _draw(axes, rows[rows["probe"] == name], births)
            _limits(axes, rows, name)
            lowest = number + n_columns >= len(wanted)
            plotting.iteration_axis(axes, last, width, labelled=lowest)
            if column == 0 or probe(name).unit != probe(wanted[number - 1]).unit:
                axes.set_ylabel(UNITS[probe(name).unit])
        figure.legend(handles=handles, loc="lower center", ncols=n_legend, columnspacing=1.6)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, births: Births) -> None:
    """Draw one probe of all births: bands and means, chance, and where frozen parameters begin to learn."""
    marks = []
    for number, (name, birth) in enumerate(births.items()):
        colour, _, line = sign_of(number)
        mine = rows[rows["birth"] == name]
        if len(mine):
            plotting.draw_band(axes, mine, "value", colour=colour, linestyle=line)
        marks += [(iteration, colour) for iteration in released(birth)]
    plotting.mark_releases(axes, marks)
    _draw_chance(axes, rows, births)
    plotting.tell_if_empty(axes, rows)


def _draw_chance(axes: Axes, rows: pd.DataFrame, births: Births) -> None:
    """Draw the value expected by chance: one grey line if all births have the same, else one in each colour."""
    chance = {name: rows.loc[rows["birth"] == name, "chance"].mean() for name in births}
    known = {name: value for name, value in chance.items() if np.isfinite(value)}
    if known and np.ptp(list(known.values())) < 0.005:
        axes.axhline(float(np.mean(list(known.values()))), color=style.MUTED, linewidth=0.7, linestyle=plotting.DASHED)
        return
    for number, name in enumerate(births):
        if name in known:
            axes.axhline(known[name], color=sign_of(number)[0], linewidth=0.7, linestyle=plotting.DASHED)


def _limits(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """Give shares their whole range, all losses of the figure one range, and divergences their own."""
    unit = probe(name).unit
    if unit == "share":
        plotting.share_axis(axes)
        return
    like = {other for other in rows["probe"].unique() if probe(other).unit == unit}
    values = rows.loc[rows["probe"].isin(like), "value"]
    if len(values):
        axes.set_ylim(min(0.0, 1.06 * values.min()), 1.06 * values.max())


def _handles(rows: pd.DataFrame, births: Births) -> list[Line2D]:
    handles = []
    for number, title in enumerate(titles(births)):
        colour, _, line = sign_of(number)
        handles.append(plotting.handle(title, color=colour, linestyle=line, linewidth=1.1))
    if rows["chance"].notna().any():
        handles.append(plotting.chance_handle())
    if any(released(birth) for birth in births.values()):
        upright: dict[str, Any] = {"color": style.MUTED, "marker": "|", "markersize": 7, "linestyle": "none"}
        handles.append(plotting.handle("frozen part begins to learn", markeredgewidth=0.7, **upright))
    return handles


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the probes that an entry names of the births that it names."""
    births = shown_births(entry, data)
    title = f"{who(births)}: {listed_probes(entry['probes'])} over the iterations"
    return Drawing(title, curves_figure(data.probes, births, entry["probes"]))
