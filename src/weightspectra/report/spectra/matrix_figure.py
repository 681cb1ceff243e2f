"""The close-up of one matrix above that of its random control: spectrum, vectors, spacings, number variance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.spectra import matrix_panels
from weightspectra.report.spectra.close_ups import CloseUp, close_up
from weightspectra.report.spectra.panels import beside, expert

X_LABELS = ("singular value / noise scale", "rank of singular value", "spacing", "length $L$")
Y_LABELS = ("density", "p-value, window mean", "density", r"number variance $\Sigma^2(L)$")
LINE_NAMES = {"edge": "asymptotic edges", "bound": "calibrated bounds", "profile_bound": "bounds by profile"}
LOGARITHMIC_TICKS = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]


def matrix_figure(trained: CloseUp, random: CloseUp | None, *, window: int) -> Figure:
    """Draw four views of a matrix, and below them, on the same axes, those of its random control.

    Parameters
    ----------
    trained : CloseUp
    random : CloseUp, optional
    window : int
        Ranks over which the vectors' p-values are averaged.

    Notes
    -----
    Spectra are in units of the scale of their own noise, so that both rows share
    the law and nearly the bounds.
    """
    matrices = [trained] if random is None else [trained, random]
    with style.applied():
        figure, rows = _grid(len(matrices))
        for axes, matrix in zip(rows, matrices, strict=True):
            matrix_panels.spectrum(axes[0], matrix)
            matrix_panels.vectors(axes[1], matrix, window)
            matrix_panels.spacings(axes[2], matrix)
            matrix_panels.number_variance(axes[3], matrix)
        _share_ranges(rows, matrices)
        _name(figure, rows, matrices)
        _legends(figure, rows[-1], matrices)
    return figure


def _grid(n_rows: int) -> tuple[Figure, list[list[Axes]]]:
    """Lay out rows of four panels in inches."""
    panel_height, title, between, bottom = 1.35, 0.4, 0.34, 1.02
    height = title + n_rows * panel_height + (n_rows - 1) * between + bottom
    figure = style.new_figure(height)
    left, width, gap = 0.3, 1.38, 0.4
    rows = []
    for row in range(n_rows):
        y = height - title - (row + 1) * panel_height - row * between
        boxes = [
            (
                (left + column * (width + gap)) / style.FULL_WIDTH,
                y / height,
                width / style.FULL_WIDTH,
                panel_height / height,
            )
            for column in range(4)
        ]
        rows.append([figure.add_axes(box) for box in boxes])
    return figure, rows


def _name(figure: Figure, rows: Sequence[Sequence[Axes]], matrices: Sequence[CloseUp]) -> None:
    """Write each matrix's name above its row, and what the axes are."""
    height = figure.get_size_inches()[1]
    kinds = ("Trained: ", "Random: ") if len(matrices) == 2 else ("",)
    for axes, matrix, kind in zip(rows, matrices, kinds, strict=True):
        box = axes[0].get_position()
        figure.text(box.x0, box.y1 + 0.08 / height, f"{kind}{matrix.title}", fontsize=7.5, va="bottom")
        for panel, label in zip(axes, Y_LABELS, strict=True):
            panel.set_ylabel(label, labelpad=2)
            panel.tick_params(labelbottom=axes is rows[-1], pad=2)
    for panel, label in zip(rows[-1], X_LABELS, strict=True):
        panel.set_xlabel(label, labelpad=2)


def _share_ranges(rows: Sequence[Sequence[Axes]], matrices: Sequence[CloseUp]) -> None:
    """Give the panels of one column the same range, with few ticks."""
    limit = max(matrix_panels.limit(matrix) for matrix in matrices)
    ranges = [(0.0, limit), (0.0, float(len(matrices[0].singular_values))), (0.0, matrix_panels.MAX_SPACING)]
    for axes in rows:
        for panel, (low, high) in zip(axes, ranges, strict=False):
            ticks = [tick for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high]
            panel.set_xlim(low, high)
            panel.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
    for column in (0, 2):
        tallest = max(axes[column].get_ylim()[1] for axes in rows)
        for axes in rows:
            axes[column].set_ylim(0, tallest)
    _share_lengths([axes[3] for axes in rows])


def _share_lengths(panels: Sequence[Axes]) -> None:
    """Give the panels of the number variance the same logarithmic range, with plain numbers at their ticks."""
    lines = [np.asarray(line.get_xydata()) for panel in panels for line in panel.lines]
    if not lines:
        return
    points = np.concatenate([line[np.isfinite(line).all(axis=1) & (line > 0).all(axis=1)] for line in lines])
    for panel in panels:
        for axis, values, reach in ((panel.xaxis, points[:, 0], 1.1), (panel.yaxis, points[:, 1], 1.35)):
            low, high = values.min() / reach, values.max() * reach
            axis.set_major_locator(FixedLocator([tick for tick in LOGARITHMIC_TICKS if low <= tick <= high]))
            axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
            axis.set_minor_locator(NullLocator())
            axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})


def _legends(figure: Figure, lowest: Sequence[Axes], matrices: Sequence[CloseUp]) -> None:
    """Say below each column what its lines and colours are."""
    rows = [row for matrix in matrices for row in matrix.levels]
    spectrum: list[Line2D | Patch] = [Line2D([], [], color=style.INK, linewidth=0.9, label="Marchenko-Pastur law")]
    spectrum += [
        Line2D([], [], color=style.INK, label=LINE_NAMES[name], **line) for name, line in matrix_panels.LINES.items()
    ]
    spectrum += [Patch(color=style.OUTSIDE, label="beyond calibrated bounds")]
    vectors: list[Line2D | Patch] = [
        Line2D([], [], color=colour, label=f"{side}; tick: not random") for side, colour in matrix_panels.SIDES.items()
    ]
    vectors += [Patch(color=style.NULL, label="random vectors, 95 %")]
    vectors += [Line2D([], [], color=style.INK, linewidth=0.6, linestyle=(0, (1, 1.5)), label="boundary of noise")]
    vectors += [Patch(color=matrix_panels.BEYOND_BOUNDS, label="ranks beyond bounds")]
    independent = Line2D([], [], color=style.MUTED, linewidth=0.8, linestyle="--", label="independent levels")
    spacings: list[Line2D | Patch] = [
        Patch(color=style.BULK, label="local unfolding"),
        Line2D([], [], color=style.INK, linewidth=0.9, label="Wigner's surmise"),
        independent,
    ]
    variances: list[Line2D | Patch] = [
        Line2D([], [], color=colour, marker=".", markersize=3.5, linewidth=0.9, label=name)
        for unfolding, (colour, name) in matrix_panels.UNFOLDINGS.items()
        if unfolding in rows
    ]
    variances += [Patch(color=style.NULL, label="noise, ±2 s.d. (by colour)")]
    variances += [Line2D([], [], color=style.INK, linewidth=0.9, label="orthogonal ensemble"), independent]
    height = figure.get_size_inches()[1]
    for axes, handles in zip(lowest, (spectrum, vectors, spacings, variances), strict=True):
        box = axes.get_position()
        anchor = (box.x0 - 0.02, box.y0 - 0.3 / height)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, borderpad=0, labelspacing=0.25)


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw one matrix of a model, beside that of its control where there is one."""
    place = (entry["block"], entry["role"])
    trained = close_up(data, entry["model"], *place)
    random = close_up(data, entry["control"], *place) if entry["control"] else None
    matrix = f"layer {entry['block']}, {ROLE_TITLES[entry['role']].lower()}{expert(entry, data)}"
    return Drawing(
        f"{data.titles[entry['model']]}{beside(entry, data)}: {matrix}",
        matrix_figure(trained, random, window=entry["window"]),
    )
