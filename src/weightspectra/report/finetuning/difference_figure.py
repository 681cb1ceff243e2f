"""The figure of what changed between two models: in which deciles of the first it lies, and its own spectrum."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from weightspectra.conclusions.differences import relative
from weightspectra.report.finetuning.differences import pair
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.spectra.summaries import ordered_roles

SIDES = ("left", "right")
SHORT_TITLES = {**ROLE_TITLES, "attention_output": "Attn. output"}
LEFT, RIGHT, GAP, TOP, BOTTOM = 0.62, 0.08, 0.1, 0.24, 0.62
DASHED = (0, (4, 3))
HEIGHTS, BETWEEN = (1.1, 1.1, 1.25), (0.12, 0.5)
"""Of the rows of panels and the spaces between them, in inches."""


def difference_figure(rows: pd.DataFrame) -> Figure:
    """Draw, role by role, where in the deciles of the base the difference lies, and the difference's own spectrum.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.COMPARISONS``, all of one comparison.

    Notes
    -----
    Shares of energy are multiples of what chance gives. Thin lines are single
    matrices, from the first layer (dark) to the last (light), the black line
    is their mean, the dashed one the mean for the ten leading directions, each
    counted equally. The grey band is where 95 % of the shares of a difference
    of random orientation with the same spectrum lie, the mean of the matrices'
    bands. The spectra are in units of the calibrated bound: what lies above 1
    is more than noise of this size. Matrices that did not change are left out.
    """
    rows = rows[rows["relative_change"] > 0]
    if rows.empty:
        return style.message_figure("No matrix changed.")
    roles = ordered_roles(rows["role"])
    height = TOP + sum(HEIGHTS) + sum(BETWEEN) + BOTTOM
    width = (style.FULL_WIDTH - LEFT - RIGHT - GAP * (len(roles) - 1)) / len(roles)
    width = min(width, 2.2)
    colours = _colours(rows["layer"])
    limits = {side: _limit(rows, side) for side in SIDES}
    with style.applied():
        figure = style.new_figure(height)
        for place, role in enumerate(roles):
            chosen = rows[rows["role"] == role].sort_values(["layer", "expert"])
            panels = _column(figure, LEFT + place * (width + GAP), width)
            for axes, side in zip(panels, SIDES, strict=False):
                _draw_shares(axes, chosen, side, colours)
                axes.set_ylim(0, max(limits[side], 1.6))
                axes.tick_params(labelleft=place == 0, labelbottom=side == "right")
            _draw_spectra(panels[2], chosen, colours)
            panels[2].set_ylim(*_spectrum_limits(rows))
            _rank_axis(panels[2], max(map(len, rows["singular_values"])))
            panels[2].tick_params(labelleft=place == 0)
            panels[0].set_title(SHORT_TITLES[role])
            if place == 0:
                panels[0].set_ylabel("output side:\nenergy / chance")
                panels[1].set_ylabel("input side:\nenergy / chance")
                panels[2].set_ylabel("singular value\n/ noise bound")
        _label_columns(figure, height, (LEFT, LEFT + len(roles) * (width + GAP) - GAP))
        figure.legend(handles=_handles(rows, colours), loc="lower center", ncols=6, columnspacing=1.2)
    return figure


def _column(figure: Figure, left: float, width: float) -> list[Axes]:
    height = figure.get_figheight()
    bottom = height - TOP
    panels = []
    for panel_height, space in zip(HEIGHTS, (*BETWEEN, 0.0), strict=True):
        bottom -= panel_height
        box = (left / style.FULL_WIDTH, bottom / height, width / style.FULL_WIDTH, panel_height / height)
        panels.append(figure.add_axes(box))
        bottom -= space
    return panels


def _draw_shares(axes: Axes, rows: pd.DataFrame, side: str, colours: Mapping[int, str]) -> None:
    deciles = np.arange(1, 11)
    shares = relative(rows, side)
    low, high = (relative(rows, side, end).mean(axis=0) for end in ("low", "high"))
    axes.fill_between(deciles, low, high, color=style.NULL, linewidth=0, zorder=0)
    for layer, line in zip(rows["layer"], shares, strict=True):
        axes.plot(deciles, line, color=colours[layer], linewidth=0.6, alpha=0.9, zorder=1)
    axes.plot(deciles, shares.mean(axis=0), color=style.INK, linewidth=1.2, zorder=2)
    leading = relative(rows, side, "leading").mean(axis=0)
    axes.plot(deciles, leading, color=style.INK, linewidth=0.9, linestyle=DASHED, zorder=2)
    axes.set_xlim(0.5, 10.5)
    axes.set_xticks([1, 4, 7, 10])


def _draw_spectra(axes: Axes, rows: pd.DataFrame, colours: Mapping[int, str]) -> None:
    for row in rows.to_dict("records"):
        values = np.asarray(row["singular_values"], dtype=float)
        ranks = (np.arange(len(values)) + 0.5) / len(values)
        positive = values > 0
        axes.plot(
            ranks[positive],
            values[positive] / row["bound_upper"],
            color=colours[row["layer"]],
            linewidth=0.7,
            alpha=0.9,
        )
    axes.axhline(1, color=style.OUTSIDE, linewidth=0.6, linestyle=DASHED)
    axes.set_xscale("log")
    axes.set_yscale("log")


def _limit(rows: pd.DataFrame, side: str) -> float:
    """Return the end of the axis of one side's shares: above every layer, and above each role's leading directions."""
    leading = [np.nanmax(relative(part, side, "leading").mean(axis=0)) for _, part in rows.groupby("role")]
    return 1.08 * float(max(np.nanmax(relative(rows, side)), *leading))


def _rank_axis(axes: Axes, n_values: int) -> None:
    """Give all spectra one axis of ranks, with at most three labels."""
    first = 0.5 / n_values
    powers = [10.0**power for power in range(-6, 0) if 10.0**power >= first]
    axes.set_xlim(first / 1.5, 1.5)
    named = powers[::2] if len(powers) > 3 else powers
    axes.set_xticks(named, [f"{100 * power:g} %" for power in named])
    axes.minorticks_off()


def _spectrum_limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the range of all spectra, three decades at most below the bound."""
    largest = max(
        float(np.max(values)) / bound for values, bound in rows[["singular_values", "bound_upper"]].to_numpy()
    )
    return 0.01, 1.6 * max(largest, 1.0)


def _colours(layers: pd.Series) -> dict[int, str]:
    ordered = sorted(layers.unique())
    scale = colormaps["viridis"](np.linspace(0.05, 0.9, len(ordered)))
    return {int(layer): to_hex(colour) for layer, colour in zip(ordered, scale, strict=True)}


def _label_columns(figure: Figure, height: float, ends: tuple[float, float]) -> None:
    middle = sum(ends) / 2 / style.FULL_WIDTH
    y = height - TOP - HEIGHTS[0] - BETWEEN[0] - HEIGHTS[1] - 0.34
    figure.text(middle, y / height, "decile of the singular values before (1: smallest)", ha="center", fontsize=7)
    figure.text(middle, (BOTTOM - 0.38) / height, "rank of the singular value, share of all", ha="center", fontsize=7)


def _handles(rows: pd.DataFrame, colours: dict[int, str]) -> list[Line2D | Patch]:
    layers = sorted(colours)
    ends = [layers[0]] if len(layers) == 1 else [layers[0], layers[-1]]
    return [
        *(Line2D([], [], color=colours[layer], linewidth=1, label=f"layer {layer}") for layer in ends),
        Line2D([], [], color=style.INK, linewidth=1.2, label="mean over layers"),
        Line2D([], [], color=style.INK, linewidth=0.9, linestyle=DASHED, label="ten leading directions"),
        Patch(color=style.NULL, label="chance, 95 %"),
        Line2D([], [], color=style.OUTSIDE, linewidth=0.6, linestyle=DASHED, label="noise bound"),
    ]


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw one comparison."""
    rows = where(data.comparisons, {"comparison": entry["comparison"]})
    return Drawing(f"What changed, {pair(data, rows)}", difference_figure(rows))
