"""The figure of fine-tuning: accuracy by decile removed, before or after, against the spread of untouched runs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from weightspectra.conclusions.families import SIGNIFICANT
from weightspectra.report.finetuning.effects import BAND_SDS, effects
from weightspectra.report.finetuning.finetuning_tables import ORDERS
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where

SIGNS = {"remove_first": ("#0072b2", "o", -0.1), "remove_last": ("#d55e00", "s", 0.1)}
MAX_COLUMNS = 4
PANEL_HEIGHT, WIDEST = 1.75, 3.2
LEFT, RIGHT, GAP, TOP, BETWEEN, BOTTOM = 0.48, 0.08, 0.12, 0.24, 0.55, 0.62
"""Margins and gaps in inches."""


def finetuning_figure(effects: pd.DataFrame) -> Figure:
    """Draw the mean accuracy over the decile removed, a panel an epoch, a line an order.

    As figure 6 of arXiv 2410.17770. The grey band is three standard deviations
    of the untouched runs to either side of their mean. An open sign differs
    not significantly from the untouched runs of the same seeds; bars are the
    95 % interval of that difference.

    Parameters
    ----------
    effects : DataFrame
        What :func:`weightspectra.report.finetuning.effects.effects`
        returns, of one model and fine-tuning.
    """
    epochs = shown_epochs(sorted(effects["epoch"].unique()))
    n_columns = min(len(epochs), MAX_COLUMNS)
    n_rows = int(np.ceil(len(epochs) / n_columns))
    height = TOP + n_rows * PANEL_HEIGHT + (n_rows - 1) * BETWEEN + BOTTOM
    with style.applied():
        figure = style.new_figure(height)
        width = min((style.FULL_WIDTH - LEFT - RIGHT - (n_columns - 1) * GAP) / n_columns, WIDEST)
        limits = _limits(effects)
        for place, epoch in enumerate(epochs):
            row, column = divmod(place, n_columns)
            x, y = LEFT + column * (width + GAP), height - TOP - PANEL_HEIGHT - row * (PANEL_HEIGHT + BETWEEN)
            box = (x / style.FULL_WIDTH, y / height, width / style.FULL_WIDTH, PANEL_HEIGHT / height)
            axes = figure.add_axes(box)
            _draw(axes, effects[effects["epoch"] == epoch])
            axes.set_title(f"{epoch} epoch{'' if epoch == 1 else 's'}")
            axes.set_ylim(limits)
            axes.tick_params(labelleft=column == 0)
            if column == 0:
                axes.set_ylabel("accuracy")
        figure.legend(handles=_handles(effects), loc="lower left", bbox_to_anchor=(LEFT / style.FULL_WIDTH, 0), ncols=4)
    return figure


def shown_epochs(epochs: list[int]) -> list[int]:
    """Return the epochs to draw: all up to eight, and of more, eight from the first to the last."""
    chosen = np.unique(np.round(np.linspace(0, len(epochs) - 1, min(len(epochs), 2 * MAX_COLUMNS))).astype(int))
    return [int(epochs[place]) for place in chosen]


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    first = rows.iloc[0]
    if np.isfinite(first["band_low"]):
        axes.axhspan(first["band_low"], first["band_high"], color=style.NULL, linewidth=0, zorder=0)
    axes.axhline(first["untouched"], color=style.MUTED, linewidth=0.7, zorder=1)
    for order, (colour, marker, shift) in SIGNS.items():
        line = rows[rows["order"] == order].sort_values("decile")
        x, y = line["decile"] + shift, line["accuracy"]
        steps = line["decile"].diff().fillna(1) > 1
        for _, piece in line.groupby(steps.cumsum()):
            axes.plot(piece["decile"] + shift, piece["accuracy"], color=colour, linewidth=0.8, zorder=2)
        reach = (line["difference_high"] - line["difference_low"]).fillna(0.0) / 2
        axes.errorbar(x, y, yerr=reach, fmt="none", ecolor=colour, elinewidth=0.7, zorder=2)
        for chosen, fill in ((line["told"], colour), (~line["told"], "white")):
            axes.plot(x[chosen], y[chosen], marker, color=colour, markerfacecolor=fill, markersize=3.4, zorder=3)
    axes.set_xlim(0.4, 10.6)
    axes.set_xticks(range(1, 11))
    axes.set_xlabel("decile removed (1: smallest)")


def _limits(effects: pd.DataFrame) -> tuple[float, float]:
    """Return one range of accuracy for all panels, with the bands and all intervals inside."""
    reach = (effects["difference_high"] - effects["difference_low"]).fillna(0.0) / 2
    low = min((effects["accuracy"] - reach).min(), effects["band_low"].min())
    high = max((effects["accuracy"] + reach).max(), effects["band_high"].max(), effects["untouched"].max())
    margin = 0.05 * max(high - low, 0.02)
    return float(max(low - margin, 0.0)), float(min(high + margin, 1.02))


def _handles(effects: pd.DataFrame) -> list[Line2D | Patch]:
    n_untouched = effects["n_untouched"].iloc[0]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=colour, marker=marker, markersize=3.4, linewidth=0.8, label=ORDERS[order])
        for order, (colour, marker, _) in SIGNS.items()
        if (effects["order"] == order).any()
    ]
    if effects["band_low"].notna().any():
        handles.append(Patch(color=style.NULL, label=f"{n_untouched} untouched runs, mean ± {BAND_SDS:g} s.d."))
    no_test = effects["q_value"].isna().all()
    label = "open: no test possible" if no_test else f"open: not significant (q > {SIGNIFICANT})"
    sign = Line2D([], [], color=style.MUTED, marker="o", markerfacecolor="white", markersize=3.4, linestyle="none")
    sign.set_label(label)
    return [*handles, sign]


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw one fine-tuning of one model."""
    model, name = entry["model"], entry["finetuning"]
    title = f"{data.titles[model]}: accuracy on {name} by decile removed, before or after fine-tuning"
    rows = where(data.finetunings, {"model": model, "finetuning": name})
    return Drawing(title, finetuning_figure(effects(rows, data.findings)))
