"""A map of damage: deciles over layers, a panel a role, on one logarithmic colour scale."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from weightspectra.report.kit import style
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.spectra.summaries import ordered_roles

COLOURS = "magma_r"
DECADES = 6
"""Decades of the colour scale at most; what lies below has the palest colour."""

SHORT_TITLES = {**ROLE_TITLES, "attention_output": "Attn. output"}
LEFT, RIGHT, GAP, HEAD, FOOT = 0.4, 0.72, 0.07, 0.42, 0.42
"""Margins and the gap between panels in inches; the head has the title, the foot the labels of the deciles."""


def map_height(values: pd.Series) -> float:
    """Return the height of a map in inches, with head and foot."""
    return HEAD + _panel_height(len(values.index.unique("layer"))) + FOOT


def draw_map(figure: Figure, title: str, values: pd.Series, doubtful: pd.Series | None = None) -> None:
    """Draw a map at the top of a figure of the full width.

    Parameters
    ----------
    figure : Figure
    title : str
    values : Series
        Damage, by ``role``, ``layer`` and ``decile``. What is zero or less has the
        palest colour, what overflows the darkest, what is missing is grey.
    doubtful : Series of bool, optional
        By the same index: cells that get a dot.
    """
    finite = values[(values > 0) & np.isfinite(values)]
    top = float(finite.max()) if len(finite) else 1.0
    bottom = max(float(finite.min()), top / 10.0**DECADES) if len(finite) else 0.1
    norm = LogNorm(bottom, top if top > bottom else 10 * bottom, clip=True)
    roles, layers = (
        ordered_roles(values.index.get_level_values("role").to_series()),
        sorted(values.index.unique("layer")),
    )
    height, panel_height = figure.get_figheight(), _panel_height(len(layers))
    width = min((style.FULL_WIDTH - LEFT - RIGHT - GAP * (len(roles) - 1)) / len(roles), 1.5)
    lower = (height - HEAD - panel_height) / height
    for place, role in enumerate(roles):
        left = (LEFT + place * (width + GAP)) / style.FULL_WIDTH
        axes = figure.add_axes((left, lower, width / style.FULL_WIDTH, panel_height / height))
        grid = pd.MultiIndex.from_product([[role], layers, range(1, 11)], names=["role", "layer", "decile"])
        cells = values.reindex(grid).to_numpy(dtype=float).reshape(len(layers), 10)
        shown = np.ma.masked_invalid(np.where(np.isnan(cells), np.nan, np.clip(cells, bottom, top)))
        axes.set_facecolor(style.NULL)
        axes.imshow(shown, cmap=COLOURS, norm=norm, aspect="auto", interpolation="nearest", origin="upper")
        if doubtful is not None:
            dotted = doubtful.reindex(grid).fillna(False).to_numpy(dtype=bool).reshape(len(layers), 10)
            rows, columns = np.nonzero(dotted)
            axes.plot(columns, rows, ".", color=style.MUTED, markersize=1.6, markeredgewidth=0)
        axes.set_title(SHORT_TITLES[role], fontsize=7)
        axes.set_xticks([0, 4, 9], ["1", "5", "10"])
        step = max(1, int(np.ceil(len(layers) / (panel_height / 0.12))))
        axes.set_yticks(range(0, len(layers), step), [str(layer) for layer in layers[::step]] if place == 0 else [])
        axes.tick_params(length=0, pad=2)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if place == 0:
            axes.set_ylabel("layer")
    middle = (LEFT + (len(roles) * (width + GAP) - GAP) / 2) / style.FULL_WIDTH
    words = "decile of the singular values (1: smallest)"
    figure.text(middle, lower - 0.3 / height, words, ha="center", fontsize=7)
    figure.text(LEFT / style.FULL_WIDTH, 1 - 0.07 / height, title, va="top", fontsize=7.5, fontweight="bold")
    _colour_bar(figure, LEFT + len(roles) * (width + GAP), norm, (lower, panel_height / height))


def _panel_height(n_layers: int) -> float:
    return float(np.clip(0.075 * n_layers, 0.9, 3.4))


def _colour_bar(figure: Figure, left: float, norm: LogNorm, place: tuple[float, float]) -> None:
    axes = figure.add_axes((left / style.FULL_WIDTH, place[0], 0.09 / style.FULL_WIDTH, place[1]))
    bar = figure.colorbar(ScalarMappable(norm, colormaps[COLOURS]), cax=axes)
    bar.locator = LogLocator(numticks=6)
    bar.formatter = FuncFormatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e"))
    bar.minorlocator = NullLocator()
    bar.update_ticks()
    bar.outline.set_visible(False)
