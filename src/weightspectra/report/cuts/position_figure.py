"""The figure of where in a window the damage of cuts lies: the untouched loss, and what cuts add to it, by position."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weightspectra.conclusions.cuts.experiments import UNTOUCHED
from weightspectra.report.cuts.position_table import known_by_position, laid_out, octave_names, shown
from weightspectra.report.kit import style
from weightspectra.report.kit.change_axis import ChangeAxis, linear_threshold, spelled
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where

LINES = tuple(zip(style.ROLE_COLOURS.values(), "osD^vPX", strict=True)) + ((style.INK, "*"),)
"""Colour and sign of each cut, in the order in which they are shown: as many as the table shows."""

LETTERS = 28
"""Letters of a line of the legend."""

LINE, LETTER = 0.125, 0.055
"""Height of such a line, and mean width of a letter below the axes, in inches."""

DODGE = 0.05
"""Octaves by which neighbouring cuts are moved apart, so that their error bars can be told apart."""


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the profile of one experiment of a model."""
    rows = where(known_by_position(data), {name: entry[name] for name in ("model", "experiment")})
    title = f"{data.titles[entry['model']]}, {entry['experiment']}: where in a window the damage lies"
    if rows.empty:
        return Drawing(title, style.message_figure("No loss is known by position."))
    return Drawing(title, position_figure(rows))


def position_figure(rows: pd.DataFrame) -> Figure:
    """Draw the loss of the untouched model by position in the window, and beside it what the dearest cuts add.

    Bars are 95 % intervals, 1.96 standard errors over documents either way.

    Parameters
    ----------
    rows : DataFrame
        What :func:`weightspectra.report.cuts.costs.evaluated` returns, all of one model, experiment and metric, with
        positions.
    """
    by_cut = {str(cut): part for cut, part in laid_out(rows).groupby("cut", sort=False)}
    cuts, names = shown(rows), octave_names(by_cut[UNTOUCHED])
    with style.applied():
        labels = [_label(cut, by_cut[cut]) for cut in cuts]
        height = max(2.7, 0.3 + LINE * sum(1 + label.count("\n") for label in labels))
        figure = style.new_figure(height)
        bottom, top = (0.3 + LETTER * max(map(len, names))) / height, 1 - 0.1 / height
        left, right = (figure.add_axes((x, bottom, w, top - bottom)) for x, w in ((0.085, 0.24), (0.42, 0.29)))
        _bars(left, by_cut[UNTOUCHED], ("loss", "standard_error"), 0.0, style.INK, "o", "untouched")
        left.set_ylabel("loss of the untouched model,\nnats per token")
        for number, cut in enumerate(cuts):
            part, shift = by_cut[cut], DODGE * (number - len(cuts) / 2)
            _bars(right, part, ("change", "change_se"), shift, *LINES[number], labels[number])
        axis = _axis([by_cut[cut] for cut in cuts])
        axis.apply([right], "y")
        right.set_ylabel(axis.label)
        for axes in (left, right):
            axes.set_xticks(range(len(names)), names, rotation=90)
            axes.set_xlim(-0.5, len(names) - 0.5)
        figure.text(0.39, 0.03 / height, "position in the window", ha="center", va="bottom")
        if cuts:
            right.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), borderaxespad=0.0)
        else:
            right.text(0.5, 0.5, "no cut", ha="center", va="center", transform=right.transAxes)
    return figure


def _bars(
    axes: Axes, part: pd.DataFrame, columns: tuple[str, str], shift: float, colour: str, marker: str, label: str
) -> None:
    """Draw one profile with its intervals; what is no finite number is left out."""
    values, errors = (part[name].to_numpy(float) for name in columns)
    values = np.where(np.isfinite(values), values, np.nan)
    axes.errorbar(
        np.arange(len(values)) + shift,
        values,
        yerr=np.where(np.isfinite(errors), 1.96 * errors, 0.0),
        fmt=f"{marker}-",
        color=colour,
        markersize=3,
        linewidth=0.9,
        elinewidth=0.7,
        label=label,
    )


def _label(cut: str, part: pd.DataFrame) -> str:
    """Return a cut's name as the legend has room for it, and whether a part of its line is missing."""
    missing = "" if np.isfinite(part["change"]).all() else " (not drawn where it overflows)"
    return textwrap.fill(f"{cut}{missing}", LETTERS)


def _axis(parts: list[pd.DataFrame]) -> ChangeAxis:
    """Choose the axis of what cuts add: logarithmic both ways, and linear around zero."""
    both = pd.concat(parts)[["change", "change_se"]] if parts else pd.DataFrame({"change": [], "change_se": []})
    ends = np.concatenate([both["change"] + sign * 1.96 * both["change_se"].fillna(0) for sign in (-1, 1)])
    ends, threshold = ends[np.isfinite(ends)], linear_threshold(both["change"], both["change_se"])
    label = f"what the cut adds, nats per token\n(log scale, linear within ±{spelled(threshold)})"
    return ChangeAxis(label, min(ends.min(initial=0), -threshold), max(ends.max(initial=0), threshold), threshold)
