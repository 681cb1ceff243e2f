"""Figures of spectra: singular values against the Marchenko-Pastur law, and overlaps against chance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.spectra import panels
from weightspectra.report.spectra.panels import Panel, densities, tiled_bins
from weightspectra.spectra.law.marchenko_pastur import count_outside, density

N_COLUMNS = 4
BELOW_THE_AXIS = 3
"""Matplotlib's marker for a tick that points down."""

RASTER_FROM = 1500
"""Points per panel from which on they are stored as an image, so that an SVG file stays small."""

N_PLAIN_BINS = 30
"""Bins of a spectrum that has no law whose edges could divide it."""

VISIBLE_FLOOR = 0.02
"""A rounding floor is drawn if it is at least this share of the upper edge; a lower one would be a hair line."""

BEYOND = 2.2
"""A spectrum is drawn up to this multiple of the upper edge; what lies beyond is counted in words."""


def spectra_figure(matrices: Sequence[Panel]) -> Figure:
    """Draw every role of one block: its spectrum above, the overlaps with the data below.

    As figures 2 to 4 of arXiv 2410.17770. Without overlaps the lower rows are left out.
    """
    groups = [matrices[start : start + N_COLUMNS] for start in range(0, len(matrices), N_COLUMNS)]
    with_overlaps = any(panel.overlaps is not None for panel in matrices)
    heights = [1.15, 0.95] if with_overlaps else [1.15]
    with style.applied():
        full = len(groups[-1]) == N_COLUMNS
        figure, rows = _grid(heights, len(groups), legend_below=full)
        for row, group in zip(rows, groups, strict=True):
            for column, panel in enumerate(group):
                _draw_spectrum(row[0][column], panel)
                row[0][column].set_title(panel.title)
                if with_overlaps:
                    row[0][column].tick_params(labelbottom=False)
                    _draw_overlaps(row[1][column], panel)
                    row[1][column].tick_params(labelleft=column == 0)
                row[-1][column].set_xlabel("singular value")
            row[0][0].set_ylabel("density")
            if with_overlaps:
                row[1][0].set_ylabel("overlap $O_k$")
            for axes in (axes for line in row for axes in line[len(group) :]):
                axes.set_axis_off()
        _legend(figure, rows[-1][0], len(groups[-1]), matrices, with_overlaps=with_overlaps)
    return figure


def controls_figure(
    trained: Sequence[Panel], random: Sequence[Panel], *, trained_title: str, random_title: str
) -> Figure:
    """Draw trained matrices above the same matrices of the random control, both in units of their own scale.

    As figure 1 of arXiv 2410.17770, for one square and one rectangular role. In
    these units the law is the same in both rows, which share their axes.
    """
    rows = [[panel.rescaled() for panel in matrices] for matrices in (trained, random)]
    with style.applied():
        figure = style.new_figure(3.1)
        axes = figure.subplots(2, 2, squeeze=False, sharex="col", sharey="col")
        figure.subplots_adjust(left=0.05, right=0.99, top=0.92, bottom=0.2, hspace=0.12, wspace=0.06)
        for unused in axes[:, len(trained) :].flat:
            unused.set_axis_off()
        for line, matrices, title in zip(axes, rows, (trained_title, random_title), strict=True):
            for panel_axes, panel in zip(line[: len(matrices)], matrices, strict=True):
                _draw_spectrum(panel_axes, panel, note=title)
            line[0].set_ylabel("density")
        for column, (upper, lower) in enumerate(zip(*rows, strict=True)):
            axes[0, column].set_title(upper.title)
            _set_range(axes[1, column], max(_limit(upper), _limit(lower)))
            axes[1, column].set_ylim(0, 1.3 * max(_height(upper), _height(lower)))
            axes[1, column].set_xlabel(r"singular value / scale $\tilde\sigma$")
        handles = _handles([*rows[0], *rows[1]], with_overlaps=False)
        figure.legend(handles=handles, loc="lower center", ncols=len(handles))
    return figure


def _grid(heights: Sequence[float], n_groups: int, *, legend_below: bool) -> tuple[Figure, list[list[list[Axes]]]]:
    """Lay out groups of rows in inches, so that panels keep their size whatever their number."""
    left, right, top, gap, between = 0.42, 0.08, 0.26, 0.08, 0.68
    bottom = 0.62 if legend_below else 0.40
    group_height = sum(heights) + gap * (len(heights) - 1)
    height = top + n_groups * group_height + (n_groups - 1) * between + bottom
    figure = style.new_figure(height)
    width = style.FULL_WIDTH
    panel_width = (width - left - right - 3 * 0.16) / N_COLUMNS
    rows = []
    for group in range(n_groups):
        y = height - top - group * (group_height + between)
        lines: list[list[Axes]] = []
        for panel_height in heights:
            y -= panel_height
            boxes = [
                ((left + column * (panel_width + 0.16)) / width, y / height, panel_width / width, panel_height / height)
                for column in range(N_COLUMNS)
            ]
            above = lines[0] if lines else [None] * N_COLUMNS
            lines.append([figure.add_axes(box, sharex=upper) for box, upper in zip(boxes, above, strict=True)])
            y -= gap
        rows.append(lines)
    return figure, rows


def _draw_spectrum(axes: Axes, panel: Panel, note: str = "") -> None:
    """Draw a histogram whose bins end at the edges, the law, and a tick for each value outside."""
    values = panel.singular_values
    if panel.scale > 0:
        bins, heights = _histogram(panel)
        outside = panel.outside((bins[:-1] + bins[1:]) / 2)
        for chosen, colour in ((~outside, style.BULK), (outside, style.OUTSIDE)):
            axes.stairs(np.where(chosen, heights, 0.0), bins, fill=True, color=colour, linewidth=0)
        if panel.control:
            heights = densities(panel.control.singular_values, bins)
            axes.stairs(heights, bins, color=style.RANDOM, linewidth=0.6, baseline=None)
        axes.plot(*_law(panel), color=style.INK)
        axes.set_ylim(0, 1.3 * _height(panel))
    elif len(known := values[values >= panel.rounding_floor]) and panel.scale != 0:
        axes.hist(known, list(np.linspace(0, _limit(panel), N_PLAIN_BINS + 1)), color=style.BULK)
    marked = values[panel.outside(values) & (values >= panel.rounding_floor) & (values <= _limit(panel))]
    ticks: dict[str, Any] = {"marker": BELOW_THE_AXIS, "markersize": 3, "markeredgewidth": 0.6, "linestyle": "none"}
    axes.plot(marked, np.zeros(len(marked)), color=style.OUTSIDE, clip_on=False, **ticks)
    _draw_floor(axes, panel)
    _set_range(axes, _limit(panel))
    axes.set_yticks([])
    _annotate(axes, panel, note)


def _draw_overlaps(axes: Axes, panel: Panel) -> None:
    """Draw each vector's overlap with the data over its singular value, and what chance would give."""
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    if panel.overlaps is None:
        return
    rows = panel.overlaps
    null = rows[["null_low", "null_median", "null_high"]].iloc[0]
    axes.axhspan(null["null_low"], null["null_high"], color=style.NULL, linewidth=0, zorder=0)
    axes.axhline(null["null_median"], color=style.MUTED, linewidth=0.5, zorder=1)
    dots: dict[str, Any] = {"markeredgewidth": 0, "linestyle": "none", "rasterized": len(rows) >= RASTER_FROM}
    if panel.control and panel.control.overlaps is not None:
        random = panel.control.overlaps
        axes.plot(
            random["singular_value"], random["overlap"], ".", color=style.RANDOM, markersize=1.8, zorder=1, **dots
        )
    outside = panel.outside(rows["singular_value"].to_numpy())
    for chosen, colour, order in ((~outside, style.BULK, 2), (outside, style.OUTSIDE, 3)):
        axes.plot(
            rows["singular_value"][chosen],
            rows["overlap"][chosen],
            ".",
            color=colour,
            markersize=2.6,
            zorder=order,
            **dots,
        )
    _draw_floor(axes, panel)


def _draw_floor(axes: Axes, panel: Panel) -> None:
    if panel.rounding_floor >= VISIBLE_FLOOR * panel.edge_upper:
        axes.axvspan(0, panel.rounding_floor, color=style.FLOOR, linewidth=0, zorder=0)


def _annotate(axes: Axes, panel: Panel, note: str) -> None:
    """Count in words what lies outside the bulk, and what lies outside the frame."""
    values = panel.singular_values
    n_lost = int(((values < panel.rounding_floor) | (values == 0)).sum())
    n_below, n_above = count_outside(values, panel.edge_lower, panel.edge_upper, n_lost)
    beyond = values[values > _limit(panel)]
    lines = [note] if note else []
    if np.isnan(panel.scale):
        lines.append(f"no law: {n_lost:,} of {len(values):,} lost in rounding")
    else:
        lines.append(f"{n_below:,} below, {n_above:,} above" if panel.edge_lower > 0 else f"{n_above:,} above")
    if len(beyond):
        lines.append(f"{len(beyond):,} beyond, up to {values.max():.3g}")
    axes.text(
        0.985, 0.97, "\n".join(lines), transform=axes.transAxes, ha="right", va="top", fontsize=6, linespacing=1.35
    )


def _set_range(axes: Axes, limit: float) -> None:
    """Set how far the horizontal axis goes, with few ticks and none where the next panel begins."""
    ticks = [tick for tick in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(0, limit) if 0 <= tick <= 0.93 * limit]
    axes.set_xlim(0, limit)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])


def _histogram(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of bins that tile the bulk exactly and go on beyond both edges, and the density in each."""
    bins = tiled_bins(panel.edge_lower, panel.edge_upper, _limit(panel), len(panel.singular_values))
    return bins, densities(panel.singular_values, bins)


def _height(panel: Panel) -> float:
    """Return the largest density drawn, of the histogram or of the law."""
    return max(float(_histogram(panel)[1].max()), float(_law(panel)[1].max()))


def _law(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Return singular values from edge to edge, and the density of the Marchenko-Pastur law at each."""
    grid = np.linspace(panel.edge_lower, panel.edge_upper, 400)
    return grid, density(grid, max(panel.shape) / min(panel.shape), panel.scale)


def _limit(panel: Panel) -> float:
    """Return up to where a spectrum is drawn: all of it, unless a few values would squeeze the rest."""
    largest = float(panel.singular_values.max(initial=0.0))
    if not panel.edge_upper > 0:
        return largest * 1.05 or 1.0
    return float(np.clip(1.05 * largest, 1.3 * panel.edge_upper, BEYOND * panel.edge_upper))


def _handles(matrices: Sequence[Panel], *, with_overlaps: bool) -> list[Patch | Line2D]:
    handles: list[Patch | Line2D] = [
        Line2D([], [], color=style.INK, label="Marchenko-Pastur law"),
        Patch(color=style.BULK, label="within asymptotic edges"),
        Patch(color=style.OUTSIDE, label="beyond asymptotic edges"),
    ]
    if any(panel.control for panel in matrices):
        handles.append(Line2D([], [], color=style.RANDOM, linewidth=0.8, label="random control"))
    if with_overlaps:
        handles.append(Patch(color=style.NULL, label="overlap by chance (99.73 %)"))
    if any(panel.rounding_floor >= VISIBLE_FLOOR * panel.edge_upper for panel in matrices):
        handles.append(Patch(color=style.FLOOR, label="below the rounding floor"))
    return handles


def _legend(
    figure: Figure, axes: Sequence[Axes], n_used: int, matrices: Sequence[Panel], *, with_overlaps: bool
) -> None:
    """Put the legend where the last group has no panel, or below everything if it is full."""
    handles = _handles(matrices, with_overlaps=with_overlaps)
    if n_used < N_COLUMNS:
        axes[n_used].legend(handles=handles, loc="upper left", borderaxespad=0)
    else:
        figure.legend(handles=handles, loc="lower center", ncols=len(handles))


def spectra(entry: Entry, data: Measurements) -> Drawing:
    """Draw one block of a model with its control, if there is one, and overlaps with a corpus, if it names one."""
    trained = panels.of_entry(entry, data, "model", entry["corpus"])
    random = panels.of_entry(entry, data, "control", entry["corpus"]) if entry["control"] else []
    controls = {panel.role: panel for panel in random}
    corpus = f", and overlaps with {entry['corpus']}" if entry["corpus"] else ""
    model = data.titles[entry["model"]] + panels.beside(entry, data)
    block = f"{panels.block_of(entry, data)}{panels.expert(entry, data)}"
    return Drawing(
        f"{model}: singular values of block {block}{corpus}",
        spectra_figure([panel.beside(controls.get(panel.role)) for panel in trained]),
    )


def controls(entry: Entry, data: Measurements) -> Drawing:
    """Draw two matrices of one block of a model beside those of its control."""
    trained = panels.square_and_rectangular(panels.of_entry(entry, data, "model"))
    random = {panel.role: panel for panel in panels.of_entry(entry, data, "control")}
    model = data.titles[entry["model"]] + panels.beside(entry, data)
    return Drawing(
        f"{model}, block {panels.block_of(entry, data)}{panels.expert(entry, data)}",
        controls_figure(
            trained,
            [random[panel.role] for panel in trained],
            trained_title=data.titles[entry["model"]],
            random_title=data.titles[entry["control"]],
        ),
    )
