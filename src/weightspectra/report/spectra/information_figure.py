"""The figure of the information map: layers over roles, each region of the spectrum beside the random control's."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where
from weightspectra.report.kit.wording import MINUS, ROLE_TITLES, whole_percent
from weightspectra.report.spectra.noise_summaries import REGIONS, information_by_layer
from weightspectra.report.spectra.panels import beside
from weightspectra.report.spectra.summaries import ordered_roles

COLOURS = "YlGnBu"
"""Pale where noise explains everything; after ColorBrewer, told apart by colour-blind readers and in grey."""

DIGIT, MINUS_SIGN = 0.636, 0.838
"""Widths of the font's characters in units of its size."""

REGION_TITLES = dict(zip(REGIONS, ("smallest tenth", "middle eight tenths", "largest tenth"), strict=True))

LEFT, RIGHT, TOP, BOTTOM = 0.36, 0.58, 0.38, 1.02
PAIR_GAP, REGION_GAP = 0.06, 0.16
SHORT_TITLES = {**ROLE_TITLES, "attention_output": "Attn. output"}
MAX_HEIGHT = 6.4
CELL_HEIGHT = 0.2
SMALLEST_FONT = 4.2
"""Points below which numbers in cells are left out, as with very many layers."""


class Cells(NamedTuple):
    """One map as matrices of layers over roles: values, whether the interval contains zero; NaN for no matrix."""

    values: np.ndarray
    doubtful: np.ndarray


def information_figure(
    trained: pd.DataFrame, random: pd.DataFrame | None, *, trained_title: str, random_title: str
) -> Figure:
    """Draw the share of directions that noise does not explain, for both ends of the spectrum and what lies between.

    Parameters
    ----------
    trained, random : DataFrame
        What :func:`weightspectra.report.spectra.noise_summaries.information_by_layer`
        returns for a model and for its random control, if it has one.
    trained_title, random_title : str
        What the models are called.

    Notes
    -----
    All maps share one colour scale from zero. A cell whose 95 % interval contains
    zero is hatched: noise may explain all of it.
    """
    roles, layers = ordered_roles(trained["role"]), sorted(trained["layer"].unique())
    models = [trained] if random is None else [trained, random]
    norm = Normalize(0, max(0.1, *(float(rows["information"].max()) for rows in models)))
    with style.applied():
        figure, panels = _grid(len(layers), len(roles), len(models))
        for region, pair in zip(REGIONS, panels, strict=True):
            for axes, rows, title in zip(pair, models, ("trained", "random"), strict=False):
                _draw(axes, _cells(rows[rows["region"] == region], layers, roles), norm, figure.dpi)
                axes.set_title(title, fontsize=6.5, pad=2.5)
                axes.set_xticks(np.arange(len(roles)), [SHORT_TITLES[role] for role in roles], rotation=90)
        _label(figure, panels, layers)
        _colour_bar(figure, panels[-1][-1], norm)
        _explain(figure, models, trained_title, random_title)
    return figure


def _grid(n_layers: int, n_roles: int, n_models: int) -> tuple[Figure, list[list[Axes]]]:
    """Lay out the panels in inches, so that cells keep their size up to the height of a page."""
    cell_height = min(CELL_HEIGHT, MAX_HEIGHT / n_layers)
    height = TOP + BOTTOM + n_layers * cell_height
    figure = style.new_figure(height)
    width = style.FULL_WIDTH
    n_regions = len(REGIONS)
    free = width - LEFT - RIGHT - (n_regions - 1) * REGION_GAP - n_regions * (n_models - 1) * PAIR_GAP
    panel = min(free / (n_regions * n_models), 0.42 * n_roles)
    panels = []
    for region in range(n_regions):
        start = LEFT + region * (n_models * panel + (n_models - 1) * PAIR_GAP + REGION_GAP)
        boxes = [
            ((start + place * (panel + PAIR_GAP)) / width, BOTTOM / height, panel / width, 1 - (TOP + BOTTOM) / height)
            for place in range(n_models)
        ]
        panels.append([figure.add_axes(box) for box in boxes])
    return figure, panels


def _cells(rows: pd.DataFrame, layers: Sequence[int], roles: Sequence[str]) -> Cells:
    grid = pd.MultiIndex.from_product([layers, roles], names=["layer", "role"])
    values, low = (
        rows.set_index(["layer", "role"])[name].reindex(grid).to_numpy(float).reshape(len(layers), len(roles))
        for name in ("information", "information_low")
    )
    return Cells(values, low <= 0)


def _draw(axes: Axes, cells: Cells, norm: Normalize, dpi: float) -> None:
    """Colour the cells, hatch the doubtful ones, and write the per cent into each if there is room."""
    axes.set_facecolor(style.NULL)
    axes.imshow(np.ma.masked_invalid(cells.values), cmap=COLOURS, norm=norm, aspect="auto", interpolation="nearest")
    for row, column in np.argwhere(cells.doubtful):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **_hatched()))
    texts = {place: whole_percent(value) for place, value in np.ndenumerate(cells.values) if np.isfinite(value)}
    font = _font_size(axes, list(texts.values()), cells.values.shape, dpi)
    if font >= SMALLEST_FONT:
        for (row, column), text in texts.items():
            colour = "white" if norm(cells.values[row, column]) > 0.6 else style.INK
            axes.text(column, row, text, ha="center", va="center_baseline", fontsize=font, color=colour)
    axes.set_yticks([])
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _hatched() -> dict[str, Any]:
    return {"facecolor": "none", "edgecolor": "#b9b9b9", "hatch": "//////", "linewidth": 0, "hatch_linewidth": 0.35}


def _font_size(axes: Axes, texts: Sequence[str], shape: tuple[int, ...], dpi: float) -> float:
    """Return the size in points at which every number fits into its cell, at most that of tick labels."""
    box = axes.get_window_extent()
    width, height = box.width * 72 / dpi / shape[1], box.height * 72 / dpi / shape[0]
    longest = max((DIGIT * len(text) + (MINUS_SIGN - DIGIT) * text.startswith(MINUS) for text in texts), default=DIGIT)
    return min(6.0, 0.94 * width / longest, height / 1.4)


def _label(figure: Figure, panels: Sequence[Sequence[Axes]], layers: Sequence[int]) -> None:
    """Name the layers once, at the left, and each region above its pair of maps."""
    step = max(1, int(np.ceil(len(layers) / 40)))
    panels[0][0].set_yticks(np.arange(len(layers))[::step], [str(layer) for layer in layers[::step]])
    panels[0][0].set_ylabel("layer")
    height = figure.get_size_inches()[1]
    for region, pair in zip(REGIONS, panels, strict=True):
        left, right = pair[0].get_position().x0, pair[-1].get_position().x1
        figure.text((left + right) / 2, 1 - 0.08 / height, REGION_TITLES[region], ha="center", va="top", fontsize=7.5)


def _colour_bar(figure: Figure, last: Axes, norm: Normalize) -> None:
    box, width = last.get_position(), style.FULL_WIDTH
    height = min(box.height, 1.6 / figure.get_size_inches()[1])
    axes = figure.add_axes((box.x1 + 0.1 / width, box.y1 - height, 0.09 / width, height))
    bar = figure.colorbar(ScalarMappable(norm, colormaps[COLOURS]), cax=axes)
    ticks = [tick for tick in axes.get_yticks() if 0 <= tick <= norm.vmax]
    bar.set_ticks(ticks, labels=[f"{100 * tick:.0f} %" for tick in ticks])
    bar.outline.set_visible(False)


def _explain(figure: Figure, models: Sequence[pd.DataFrame], trained_title: str, random_title: str) -> None:
    """Say below the maps what the numbers and the hatching are, and how wide a typical interval is."""
    both = pd.concat(models)
    widths = (both["information_high"] - both["information_low"]).groupby(both["region"]).median()
    medians = [f"{100 * widths[region]:.0f}" for region in REGIONS if region in widths]
    text = f"Trained: {trained_title}. " + (f"Random: {random_title}. " if len(models) > 1 else "No random control. ")
    text += (
        "Per cent of directions that noise does not explain, below 0 by chance.\n"
        f"Median width of the 95 % intervals, from left to right: {', '.join(medians)} points."
    )
    height = figure.get_size_inches()[1]
    figure.text(LEFT / style.FULL_WIDTH, 0.06 / height, text, va="bottom", fontsize=6.5, linespacing=1.4)
    hatched = Patch(**_hatched(), label="interval contains 0")
    hatched.set(facecolor=colormaps[COLOURS](0.0))
    figure.legend(
        handles=[hatched], loc="lower right", bbox_to_anchor=(1 - 0.05 / style.FULL_WIDTH, 0.02 / height), borderpad=0
    )


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the information map of a model, beside that of its control where there is one."""
    layers, control = information_by_layer(data.information), entry["control"]
    return Drawing(
        f"{data.titles[entry['model']]}{beside(entry, data)}: directions that noise does not explain",
        information_figure(
            where(layers, {"model": entry["model"]}),
            where(layers, {"model": control}) if control else None,
            trained_title=data.titles[entry["model"]],
            random_title=data.titles[control] if control else "",
        ),
    )
