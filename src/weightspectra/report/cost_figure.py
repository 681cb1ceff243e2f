"""The figure of what removing singular values costs: lines over deciles, or one dot a cut."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from weightspectra.report import costs, style
from weightspectra.report.wording import MINUS

ATTENTION = ("query", "key", "value", "attention_output")
MAX_NAMED = 10
DODGE = 0.06
"""Deciles by which neighbouring series are moved apart, so that their error bars can be told apart."""


class Series(NamedTuple):
    """One line or colour of the figure: its name, its sign, and its rows."""

    name: str
    colour: str
    marker: str
    rows: pd.DataFrame


def cost_figure(evaluations: pd.DataFrame) -> Figure:
    """Draw the change of the metric for every cut of one experiment, with its standard error.

    As figure 5 of arXiv 2410.17770. Experiments of deciles become lines over
    the decile, one a group of matrices; any other cuts become a list of dots.
    An open sign is within two standard errors of no change.

    Parameters
    ----------
    evaluations : DataFrame
        Rows of ``contracts.EVALUATIONS``, all of one model, experiment and metric.
    """
    cuts = costs.labelled(evaluations)
    untouched = costs.untouched(evaluations)
    metric = costs.metric_title(untouched["metric"])
    threshold = linear_threshold(cuts["difference"], cuts["difference_se"])
    scale = f"log scale, linear within ±{_number(threshold)}"
    with style.applied():
        if len(cuts) and (cuts["decile"] > 0).all():
            figure = _over_deciles(cuts, threshold)
            figure.axes[0].set_ylabel(f"change of {metric}\n({scale})")
        else:
            figure = _as_dots(cuts, threshold)
            figure.axes[0].set_xlabel(f"change of {metric} ({scale})")
    return figure


def linear_threshold(differences: pd.Series, errors: pd.Series) -> float:
    """Return the power of ten within which the axis is linear: below most changes, not far below their errors."""
    sizes, noise = (np.abs(column[np.isfinite(column) & (column != 0)]) for column in (differences, errors))
    if sizes.empty:
        return 1.0
    wanted = max(float(sizes.quantile(0.25)), float(noise.median()) if len(noise) else 0.0)
    return 10.0 ** math.floor(math.log10(wanted))


def _over_deciles(cuts: pd.DataFrame, threshold: float) -> Figure:
    panels = list(_panels(cuts))
    figure = style.new_figure(2.9)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(left=0.095, right=0.99 if len(panels) > 1 else 0.66, top=0.92, bottom=0.21, wspace=0.05)
    for panel_axes, (title, series) in zip(axes, panels, strict=True):
        panel_axes.set_title(title)
        for place, line in enumerate(series):
            shift = DODGE * (place - (len(series) - 1) / 2) if len(series) <= MAX_NAMED else 0.0
            _connect(panel_axes, line, shift)
            _draw(panel_axes, line, line.rows["decile"] + shift, line.rows["difference"])
        panel_axes.set_xticks(range(1, 11))
        panel_axes.set_xlim(0.5, 10.5)
        panel_axes.set_xlabel("decile removed (1: smallest singular values, 10: largest)")
        handles = [*_handles(series), *([_open_sign()] if panel_axes is axes[-1] else [])]
        if len(panels) > 1:
            panel_axes.legend(
                handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=4, columnspacing=1.2
            )
        else:
            panel_axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    _set_scale(axes, "y", cuts, threshold)
    return figure


def _as_dots(cuts: pd.DataFrame, threshold: float) -> Figure:
    labels = list(cuts["row"].unique())[::-1]
    figure = style.new_figure(max(0.9 + 0.2 * len(labels), 1.5))
    axes = figure.subplots()
    figure.set_layout_engine("constrained")
    place = {label: number for number, label in enumerate(labels)}
    series = _by_column(cuts)
    for number, line in enumerate(series):
        shift = 0.6 * ((number + 0.5) / len(series) - 0.5)
        _draw(axes, line, line.rows["difference"], line.rows["row"].map(place) - shift, error_on="x")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.grid(axis="y", color=style.NULL, linewidth=0.4)
    axes.set_axisbelow(True)
    handles = [*_handles(series), _open_sign()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5), columnspacing=1.2)
    _set_scale([axes], "x", cuts, threshold)
    return figure


def _panels(cuts: pd.DataFrame) -> Iterator[tuple[str, list[Series]]]:
    """Yield the panels: attention and feed-forward roles, or one panel where cuts are not by role over equal layers."""
    by_role = (cuts["scope"] == "role").all() and not cuts.duplicated(["roles", "decile"]).any()
    if not by_role:
        yield "", _by_group(cuts)
        return
    attention = cuts["roles"].isin(ATTENTION)
    for title, chosen in (("Attention", attention), ("Feed-forward", ~attention)):
        if chosen.any():
            yield title, _by_column(cuts[chosen])


def _by_column(cuts: pd.DataFrame) -> list[Series]:
    groups = [rows for _, rows in cuts.groupby(["column", "roles"], sort=False)]
    found = []
    for rows, spare in zip(groups, _ramp(len(groups)), strict=True):
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
        for (name, rows), colour in zip(groups, _ramp(len(groups)), strict=True)
    ]


def _ramp(count: int) -> list[str]:
    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0.05, 0.85, max(count, 1)))][:count]


def _connect(axes: Axes, line: Series, shift: float) -> None:
    """Draw a line from decile to decile, with a gap where one was not measured or overflows."""
    deciles = np.arange(1, 11)
    changes = line.rows.set_index("decile")["difference"].replace([np.inf, -np.inf], np.nan).reindex(deciles)
    axes.plot(deciles + shift, changes, color=line.colour, linewidth=0.8)


def _draw(axes: Axes, line: Series, x: pd.Series, y: pd.Series, error_on: str = "y") -> None:
    """Draw one series; an open sign says that the change of log-perplexity is within two standard errors of zero.

    The logarithm decides because a perplexity of thousands has an error of
    thousands, although every single document says that it rose. Changes that
    overflow have no place on an axis and are left out.
    """
    error = line.rows["difference_se"]
    finite = np.isfinite(line.rows["difference"])
    errors = {f"{error_on}err": error[finite].where(np.isfinite(error[finite]), 0.0)}
    axes.errorbar(x[finite], y[finite], **errors, fmt="none", ecolor=line.colour, elinewidth=0.7, capsize=0, alpha=0.9)
    told = finite & ~(line.rows["log_ratio"].abs() <= 2 * line.rows["log_ratio_se"])
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


def _open_sign() -> Line2D:
    """Return the legend's entry that says what an open sign means."""
    sign = Line2D([], [], color=style.MUTED, marker="o", markerfacecolor="white", markersize=3.4)
    sign.set(linestyle="none", label="open: within 2 s.e. of no change")
    return sign


def _set_scale(axes: Sequence[Axes], side: str, cuts: pd.DataFrame, threshold: float) -> None:
    """Make an axis logarithmic in both directions, linear around zero, with ticks in plain numbers."""
    finite = cuts["difference"][np.isfinite(cuts["difference"])]
    reach = cuts["difference_se"].where(np.isfinite(cuts["difference_se"]), 0.0)[finite.index]
    low, high = min((finite - reach).min(), -threshold), max((finite + reach).max(), threshold)
    ticks = [0.0, *_decades(threshold, high), *(-value for value in _decades(threshold, -low))]
    for panel in axes:
        getattr(panel, f"set_{side}scale")("symlog", linthresh=threshold, linscale=0.6)
        axis = getattr(panel, f"{side}axis")
        axis.set_major_locator(FixedLocator(sorted(ticks)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: _number(value)))
        getattr(panel, f"set_{side}lim")(low * 1.6, high * 2.5)
        line = panel.axhline if side == "y" else panel.axvline
        line(0, color=style.MUTED, linewidth=0.5, zorder=0)


def _decades(threshold: float, limit: float) -> list[float]:
    """Return the powers of ten from the threshold to the limit, thinned to at most six."""
    first, last = round(math.log10(threshold)), math.floor(math.log10(limit) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / 6))
    return [10.0**power for power in range(first, last + 1, step)]


def _number(value: float) -> str:
    """Spell a tick: plain up to a thousand, a power of ten beyond."""
    size = abs(value)
    sign = MINUS if value < 0 else ""
    if size >= 1e4 or 0 < size < 1e-3:
        return f"{sign}$10^{{{round(math.log10(size))}}}$"
    return f"{sign}{size:,.10g}" if size < 1000 else f"{sign}{size:,.0f}"
