"""The figure of what removing singular values costs: lines over deciles, and one dot for each other cut."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from weightspectra.conclusions.cuts.experiments import UNTOUCHED
from weightspectra.conclusions.families import SIGNIFICANT
from weightspectra.report.cuts import costs
from weightspectra.report.cuts.decile_map import draw_map, map_height
from weightspectra.report.kit import style
from weightspectra.report.kit.change_axis import ChangeAxis, change_axis, reaches
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements

ATTENTION = ("query", "key", "value", "attention_output")
SCOPE_TITLES = {
    "role": "One role",
    "layer": "One layer",
    "matrix": "One matrix",
    "head": "One attention head",
    "all": "All matrices",
}
MAX_NAMED = 10
MAX_LISTED = 40
"""Dots in one figure; of more cuts, those that change most are drawn."""

DODGE = 0.06
"""Deciles by which neighbouring series are moved apart, so that their error bars can be told apart."""

LEFT, RIGHT, LETTER = 0.68, 0.07, 0.058
"""Margins, and the mean width of a letter of a label, in inches."""


class Series(NamedTuple):
    """One line or colour of the figure: its name, its sign, and its rows."""

    name: str
    colour: str
    marker: str
    rows: pd.DataFrame


def cost_figure(evaluations: pd.DataFrame) -> Figure:
    """Draw the change of the metric for every cut of one experiment, with its 95 % interval.

    As figure 5 of arXiv 2410.17770. Cuts of several deciles become lines over
    the decile, one a group of matrices; any other cuts become a list of dots below.
    An open sign is no significant change; matched controls have a figure of their own.

    Parameters
    ----------
    evaluations : DataFrame
        What :func:`weightspectra.report.cuts.costs.evaluated` returns, all of one model, experiment and metric.
    """
    grids, others = costs.arranged(evaluations)
    axis = change_axis(evaluations[evaluations["control_of"] == ""])
    scans = [labels for labels in grids if _is_scan(labels)]
    over_deciles = [labels for labels in grids if len(set(labels["decile"])) > 1 and not _is_scan(labels)]
    others = pd.concat([*(labels for labels in grids if len(set(labels["decile"])) == 1), others])
    panels = [panel for labels in over_deciles for panel in _panels(labels, alone=len(over_deciles) == 1)]
    listed, left_out = _largest(others)
    legend_rows = _legend_rows(panels)
    lines = 2.36 + 0.16 * legend_rows if panels else 0.0
    dots = 0.5 + _dots_height(listed) if len(listed) else 0.0
    maps = [_damage(labels) for labels in scans]
    top = sum(map_height(values) for values, _ in maps)
    height = top + lines + dots + 0.2
    with style.applied():
        figure = style.new_figure(height)
        for values, doubtful in maps:
            metric = costs.metric_title(str(evaluations["metric"].iloc[0]))
            draw_map(figure, f"Change of {metric} to the worse if one decile of one matrix goes", values, doubtful)
        if panels:
            _draw_lines(figure, panels, axis, height - top)
        if len(listed):
            _draw_dots(figure, listed, axis, height - top - lines)
        _explain(figure, evaluations, left_out)
    return figure


def _is_scan(labels: pd.DataFrame) -> bool:
    """Return whether cuts go over deciles, layers and roles one matrix at a time, so that a map shows them best."""
    return set(labels["scope"]) == {"matrix"} and all(len(set(labels[name])) > 1 for name in ("layers", "decile"))


def _damage(labels: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the changes to the worse by role, layer and decile, and which of them are not significant."""
    names = {"role": labels["roles"], "layer": labels["layers"].astype(int)}
    cells = labels.assign(**names).set_index(["role", "layer", "decile"])
    sign = -1 if cells["higher_is_better"].iloc[0] else 1
    return sign * cells["difference"], ~cells["told"]


def _panels(labels: pd.DataFrame, *, alone: bool) -> Iterator[tuple[str, list[Series]]]:
    """Yield the panels of one scope: attention and feed-forward roles, or one panel where cuts are not by role."""
    scope = str(labels["scope"].iloc[0])
    if scope == "role" and not labels.duplicated(["roles", "decile"]).any():
        attention = labels["roles"].isin(ATTENTION)
        for title, chosen in (("Attention", attention), ("Feed-forward", ~attention)):
            if chosen.any():
                yield title, _by_column(labels[chosen])
    else:
        yield "" if alone else SCOPE_TITLES[scope], _by_group(labels)


def _draw_lines(figure: Figure, panels: Sequence[tuple[str, list[Series]]], axis: ChangeAxis, height: float) -> None:
    """Draw one panel beside the other, each with its legend below; of a single one, at its right."""
    alone = len(panels) == 1
    right = 2.0 if alone else RIGHT
    width = (style.FULL_WIDTH - LEFT - right - 0.14 * (len(panels) - 1)) / len(panels)
    first = None
    for place, (title, series) in enumerate(panels):
        start = LEFT + place * (width + 0.14)
        axes = figure.add_axes(_box(figure, start, height - 2.0, width, 1.78), sharey=first)
        axes.set_title(title)
        for number, line in enumerate(series):
            shift = DODGE * (number - (len(series) - 1) / 2) if len(series) <= MAX_NAMED else 0.0
            _connect(axes, line, shift)
            _draw(axes, line, line.rows["decile"] + shift, line.rows["difference"])
        axes.set_xticks(range(1, 11))
        axes.set_xlim(0.5, 10.5)
        axes.set_xlabel("decile removed" + (" (1: smallest singular values, 10: largest)" if len(panels) < 3 else ""))
        axes.tick_params(labelleft=first is None)
        where = (
            {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
            if alone
            else {"loc": "upper center", "bbox_to_anchor": (0.5, -0.19), "ncols": _columns(len(panels))}
        )
        axes.legend(handles=_handles(series), columnspacing=1.2, **where)
        first = first or axes
    axis.apply(figure.axes, "y")
    figure.axes[0].set_ylabel(axis.label)


def _draw_dots(figure: Figure, cuts: pd.DataFrame, axis: ChangeAxis, top: float) -> None:
    """Draw one row a cut, its label at the left."""
    labels = list(cuts["row"].unique())[::-1]
    place = {label: number for number, label in enumerate(labels)}
    series = _by_column(cuts)
    left = 0.15 + LETTER * max(map(len, labels))
    height = _dots_height(cuts)
    right = 1.45 if len(series) > 1 else 0.3
    axes = figure.add_axes(_box(figure, left, top - height - 0.08, style.FULL_WIDTH - left - right, height))
    for number, line in enumerate(series):
        shift = 0.6 * ((number + 0.5) / len(series) - 0.5)
        _draw(axes, line, line.rows["difference"], line.rows["row"].map(place) - shift, error_on="x")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.grid(axis="y", color=style.NULL, linewidth=0.4)
    axes.set_axisbelow(True)
    axis.apply([axes], "x")
    axes.set_xlabel(axis.label.replace("\n", " "))
    if len(series) > 1:
        axes.legend(handles=_handles(series), loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _dots_height(cuts: pd.DataFrame) -> float:
    """Return the height in inches at which the series of one row stand apart and the legend fits beside them."""
    n_series = cuts.groupby(["column", "roles"]).ngroups
    return float(max(max(0.2, 0.07 * n_series) * cuts["row"].nunique(), 0.145 * n_series))


def _largest(cuts: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the cuts to draw as dots, and how many more there are."""
    if len(cuts) <= MAX_LISTED:
        return cuts, 0
    chosen = cuts["difference"].abs().sort_values(ascending=False, kind="stable").index[:MAX_LISTED]
    return cuts[cuts.index.isin(chosen)], len(cuts) - MAX_LISTED


def _by_column(cuts: pd.DataFrame) -> list[Series]:
    groups = [rows for _, rows in cuts.groupby(["column", "roles"], sort=False)]
    found = []
    for rows, spare in zip(groups, ramp(len(groups)), strict=True):
        name, roles = rows[["column", "roles"]].iloc[0]
        marker = style.ROLE_MARKERS.get(roles, "o")
        found.append(Series(name, style.ROLE_COLOURS.get(roles, spare), marker, rows))
    return found


def _by_group(cuts: pd.DataFrame) -> list[Series]:
    """Make one series a group of matrices, in colours from dark (first) to light (last)."""
    names = [cut.split(" of ", 1)[-1] for cut in cuts["cut"]]
    groups = list(cuts.groupby(names, sort=False))
    return [
        Series(str(name), colour, "o", rows.sort_values("decile"))
        for (name, rows), colour in zip(groups, ramp(len(groups)), strict=True)
    ]


def ramp(count: int) -> list[str]:
    """Return so many colours from dark to light that colour-blind readers can tell apart."""
    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0.05, 0.85, max(count, 1)))][:count]


def _connect(axes: Axes, line: Series, shift: float) -> None:
    """Draw a line from decile to decile, with a gap where one was not measured or overflows."""
    deciles = np.arange(1, 11)
    changes = line.rows.set_index("decile")["difference"].replace([np.inf, -np.inf], np.nan).reindex(deciles)
    axes.plot(deciles + shift, changes, color=line.colour, linewidth=0.8)


def _draw(axes: Axes, line: Series, x: pd.Series, y: pd.Series, error_on: str = "y") -> None:
    """Draw one series with its intervals; an open sign is no significant change, and an overflow has no place."""
    finite = np.isfinite(line.rows["difference"])
    errors: dict[str, Any] = {f"{error_on}err": reaches(line.rows)[:, finite]}
    axes.errorbar(x[finite], y[finite], **errors, fmt="none", ecolor=line.colour, elinewidth=0.7, capsize=0, alpha=0.9)
    told = finite & line.rows["told"]
    for chosen, fill in ((told, line.colour), (finite & ~told, "white")):
        axes.plot(
            x[chosen],
            y[chosen],
            line.marker,
            color=line.colour,
            markerfacecolor=fill,
            markersize=3.4,
            markeredgewidth=0.8,
            zorder=3,
        )


def _handles(series: Sequence[Series]) -> list[Line2D]:
    """Return the entries of a legend; of many series, a few evenly spaced ones."""
    step = max(1, math.ceil(len(series) / MAX_NAMED))
    return [
        Line2D([], [], color=line.colour, marker=line.marker, markersize=3.4, linewidth=0.8, label=line.name)
        for line in series[::step]
    ]


def _columns(n_panels: int) -> int:
    return 4 if n_panels == 2 else 2 if n_panels == 3 else 1


def _legend_rows(panels: Sequence[tuple[str, list[Series]]]) -> int:
    """Return how many rows the longest legend below a panel has."""
    if len(panels) < 2:
        return 0
    return max(math.ceil(len(_handles(series)) / _columns(len(panels))) for _, series in panels)


def _explain(figure: Figure, evaluations: pd.DataFrame, left_out: int) -> None:
    """Say at the bottom what an open sign means, and what is not drawn."""
    cuts = evaluations[evaluations["cut"] != UNTOUCHED]
    words = [f"Open signs, dots on a map: no significant change (q > {SIGNIFICANT})."]
    if not (cuts["scope"] == "matrix").any():
        words = [f"Open signs: no significant change (q > {SIGNIFICANT})."]
    if costs.too_few_units(evaluations):
        words = [f"No sign is filled: {costs.describe_units(evaluations)} cannot show that a change is significant."]
    n_overflows = int((~np.isfinite(cuts["difference"])).sum())
    if n_overflows:
        words.append(f"Not drawn: {n_overflows:,} that overflow.")
    if left_out:
        words.append(f"The {left_out:,} cuts that change least are in the table only.")
    figure.text(
        1 - RIGHT / style.FULL_WIDTH,
        0.05 / figure.get_figheight(),
        " ".join(words),
        ha="right",
        va="bottom",
        fontsize=6.5,
    )


def _box(figure: Figure, left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Return a place given in inches as shares of the figure."""
    whole = figure.get_figheight()
    return left / style.FULL_WIDTH, bottom / whole, width / style.FULL_WIDTH, height / whole


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw one model's experiment."""
    experiment, rows = costs.of_entry(entry, data)
    title = f"{data.titles[entry['model']]}: what removing singular values costs, {experiment}"
    return Drawing(title, cost_figure(rows))
