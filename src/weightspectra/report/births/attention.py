"""The figure of attention: where the trained model looks in the beginning of one example sequence."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from weightspectra.report.births import plotting, settings_in_words
from weightspectra.report.births.words import missing
from weightspectra.report.kit import style
from weightspectra.report.kit.births import births_of
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where

SPELLED = {" ": "␣", "\n": "↵", "\t": "⇥"}
FIRST, LATER = "#e69f00", "#d55e00"
"""Colours of a trigger's first occurrence, which nothing foretells, and of its later ones."""

COLOURS = "Blues"
LETTER = 0.072
FEWEST, MOST = 12, 48
LEFT, RIGHT, TOP, GAP, BETWEEN, BOTTOM, BAR = 0.42, 0.12, 0.26, 0.4, 0.56, 0.72, 0.07
COLUMNS = 4


def attention_figure(attention_maps: pd.DataFrame) -> Figure:
    """Draw how much each position pays attention to each one before it, a map a layer and head.

    As figure 2 of arXiv 2306.00802. Rows look, columns are looked at; both are
    the first characters of the first seed's example sequence, as many as can be read.

    Parameters
    ----------
    attention_maps : DataFrame
        Rows of ``contracts.ATTENTION_MAPS`` of one birth.
    """
    if attention_maps.empty:
        return style.message_figure(missing(["attention maps"]))
    rows = last_of_first_seed(attention_maps)
    layers, heads = (sorted(map(int, rows[name].unique())) for name in ("layer", "head"))
    found_at = {place: found.sort_values("position") for place, found in rows.groupby(["layer", "head"])}
    maps = [(layer, head, found_at[layer, head]) for layer in layers for head in heads if (layer, head) in found_at]
    n_columns = min(len(heads), COLUMNS) if len(heads) > 1 else min(len(maps), 2)
    n_rows = int(np.ceil(len(maps) / n_columns))
    size = min((style.FULL_WIDTH - LEFT - RIGHT - GAP * (n_columns - 1)) / n_columns, 3.6)
    n_shown = min(int(np.clip(size / LETTER, FEWEST, MOST)), int(rows["position"].max()) + 1)
    with style.applied():
        figure = style.new_figure(TOP + n_rows * size + (n_rows - 1) * BETWEEN + BOTTOM)
        for number, (layer, head, found) in enumerate(maps):
            line, column = divmod(number, n_columns)
            place = (LEFT + column * (size + GAP), TOP + line * (size + BETWEEN), size, size)
            axes = plotting.place(figure, *place)
            axes.set_title(f"Layer {layer}, head {head}" if len(heads) > 1 else f"Layer {layer}")
            _draw(axes, found.head(n_shown), last=layer == layers[-1])
            _name(axes, found.head(n_shown), size)
            if column == 0:
                axes.set_ylabel("looks")
            if line == n_rows - 1:
                axes.set_xlabel("is looked at")
        _explain(figure)
    return figure


def last_of_first_seed(attention_maps: pd.DataFrame) -> pd.DataFrame:
    """Return the maps of the first seed at its last iteration."""
    rows = attention_maps[attention_maps["seed"] == attention_maps["seed"].min()]
    return rows[rows["iteration"] == rows["iteration"].max()]


def _draw(axes: Axes, rows: pd.DataFrame, *, last: bool) -> None:
    """Draw the lower triangle, and frames where an induction head would look."""
    n = len(rows)
    cells = np.full((n, n), np.nan)
    for place, weights in enumerate(rows["weights"]):
        cells[place, : place + 1] = np.asarray(weights, dtype=float)[: place + 1]
    axes.pcolormesh(
        np.arange(n + 1) - 0.5,
        np.arange(n + 1) - 0.5,
        np.ma.masked_invalid(cells),
        cmap=COLOURS,
        norm=Normalize(0, 1),
        rasterized=True,
    )
    for row, column in targets(list(rows["character"]), rows["occurrence"].to_numpy(), last=last):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=LATER, linewidth=0.5))
    axes.plot(
        np.repeat(np.arange(n + 1) - 0.5, 2)[1:],
        np.repeat(np.arange(n + 1) - 0.5, 2)[:-1],
        color=style.NULL,
        linewidth=0.6,
    )
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(n - 0.5, -0.5)
    axes.spines[:].set_visible(False)


def targets(characters: list[str], occurrence: np.ndarray, *, last: bool) -> list[tuple[int, int]]:
    """Return where an induction head looks: in the last layer behind earlier copies of a trigger that occurs again.

    In other layers there are none to show: one back, always.
    """
    if not last:
        return []
    again = [row for row in range(len(characters)) if occurrence[row] >= 2]
    return [(row, column) for row in again for column in range(1, row + 1) if characters[column - 1] == characters[row]]


def _name(axes: Axes, rows: pd.DataFrame, size: float) -> None:
    """Write the characters along both axes, those of triggers in colour."""
    letters = [SPELLED.get(letter, letter) for letter in rows["character"]]
    axes.set_xticks(range(len(letters)), letters)
    axes.set_yticks(range(len(letters)), letters)
    axes.tick_params(length=0, pad=1.5, labelsize=min(72 * size / len(letters) * 0.85, 6.5))
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, occurrence in zip(labels, rows["occurrence"], strict=True):
            if occurrence:
                label.set_color(FIRST if occurrence == 1 else LATER)
                label.set_fontweight("bold")


def _explain(figure: Figure) -> None:
    """Draw the scale of colours, and say what coloured letters and frames are."""
    height = figure.get_figheight()
    axes = plotting.place(figure, LEFT, height - 0.3, 1.3, BAR)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), colormaps[COLOURS]), cax=axes, orientation="horizontal")
    bar.set_ticks([0, 0.5, 1])
    bar.outline.set_visible(False)
    words = [("trigger, first time", FIRST), ("trigger, again", LATER), ("frame: behind an earlier copy of it", LATER)]
    figure.text((LEFT + 1.42) / style.FULL_WIDTH, 0.23 / height, "attention", va="center", fontsize=6.5)
    for (text, colour), x in zip(words, (2.6, 3.8, 4.75), strict=True):
        weight = "normal" if text.startswith("frame") else "bold"
        place = ((LEFT + x) / style.FULL_WIDTH, 0.23 / height)
        figure.text(*place, text, color=colour, va="center", fontsize=6.5, fontweight=weight)


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw where the one birth that an entry names looks."""
    [name] = entry["births"]
    title = f"{settings_in_words.title(births_of(data), name)}: attention in the beginning of a sequence"
    return Drawing(title, attention_figure(where(data.attention_maps, {"birth": name})))
