"""The figure of one birth's course: what the locator finds, what the model can do, and which of the two comes first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.settings import Birth
from weightspectra.conclusions.births.events import FORMED, INDUCTION, formed_from, located_from
from weightspectra.report.births import plotting, settings_in_words
from weightspectra.report.births.settings_in_words import released
from weightspectra.report.births.words import MATRICES, missing, present_matrices, recall_of
from weightspectra.report.kit import style
from weightspectra.report.kit.births import births_of
from weightspectra.report.kit.exhibit import Drawing, Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where

COLOURS = {WEIGHTS[matrix]: sign.colour for matrix, sign in MATRICES.items()}
"""Of the parameters that hold known memories."""

SPECTRUM = "key_2"
LOCATOR = "blind"
LEFT, RIGHT, TOP, BETWEEN, BOTTOM = 0.95, 1.5, 0.24, 0.16, 0.42
COUNTS, SKILLS, SPECTRA, EVENT_ROW, BEHIND = 1.35, 1.25, 1.35, 0.2, 0.06
"""Heights of the panels, of a row of events and of the margin of that panel, in inches."""


def timeline_figure(locations: pd.DataFrame, probes: pd.DataFrame, birth: Birth, title: str) -> Figure:
    """Draw located values, skills, the moments at which they come, and singular values of W_K^2, over the iterations.

    Test 8 of the ground truth. The blind locator's counts are drawn: it sees
    the trained matrix alone. Lines are means over seeds, bands reach from the
    smallest to the largest seed; the spectrum is that of the first seed.

    Parameters
    ----------
    locations, probes : DataFrame
        Rows of ``contracts.LOCATIONS`` and ``contracts.PROBES`` of one birth.
    birth : Birth
    title : str
        What it is called.
    """
    located = locations[locations["locator"] == LOCATOR]
    skills = probes[probes["outputs"] == ""]
    if located.empty or skills.empty:
        return style.message_figure(missing(["locations, or of probes"]))
    matrices = present_matrices(located)
    moments = first_moments(located, skills)
    last = float(max(located["iteration"].max(), skills["iteration"].max()))
    heights = [COUNTS, SKILLS, EVENT_ROW * (len(matrices) + 1) + 2 * BEHIND, SPECTRA]
    width = style.FULL_WIDTH - LEFT - RIGHT
    with style.applied():
        figure = style.new_figure(TOP + sum(heights) + BETWEEN * (len(heights) - 1) + BOTTOM)
        panels = []
        for number, height in enumerate(heights):
            top = TOP + sum(heights[:number]) + BETWEEN * number
            panels.append(plotting.place(figure, LEFT, top, width, height))
        _draw_counts(panels[0], located, matrices)
        _draw_skills(panels[1], skills, matrices)
        _draw_moments(panels[2], moments, matrices)
        _draw_spectrum(panels[3], located)
        marks = [(when, COLOURS.get(names[0], style.MUTED)) for when, names in released(birth).items()]
        for axes in panels:
            plotting.mark_releases(axes, marks)
            plotting.iteration_axis(axes, last, width, labelled=axes is panels[-1])
        panels[0].set_title(title)
    return figure


def first_moments(located: pd.DataFrame, skills: pd.DataFrame) -> pd.DataFrame:
    """Return, for each seed, from which checkpoint on something holds at every later one.

    Parameters
    ----------
    located : DataFrame
        Rows of ``contracts.LOCATIONS`` of one birth and locator.
    skills : DataFrame
        Rows of ``contracts.PROBES`` of the birth.

    Returns
    -------
    DataFrame
        ``event`` ("located": there are more values above the bound than at
        initialisation; "recalled" and "accurate": the probe is one half or more,
        and for a recall, which has few values, also more than at initialisation),
        ``matrix`` ('' for accuracy), ``seed`` and ``iteration``; nothing of what
        never came.
    """
    wanted = {recall_of(matrix, skills): matrix for matrix in present_matrices(located)}
    by_event = [("accurate", "", formed_from(skills))]
    risen = _risen(skills)
    by_event += [("recalled", matrix, formed_from(risen, name)) for name, matrix in wanted.items() if name]
    parts = [moments.rename("iteration").reset_index().assign(event=e, matrix=m) for e, m, moments in by_event]
    parts.append(located_from(located).rename("iteration").reset_index().assign(event="located"))
    columns = ["event", "matrix", "seed", "iteration"]
    found = pd.concat([part[columns] for part in parts], ignore_index=True)
    return found.dropna(subset="iteration").reset_index(drop=True)


def _risen(probes: pd.DataFrame) -> pd.DataFrame:
    """Return probes with 0 in place of what is no more than at the first checkpoint."""
    ordered = probes.sort_values("iteration", kind="stable")
    first = ordered.groupby(["birth", "seed", "probe", "outputs"])["value"].transform("first")
    return ordered.assign(value=ordered["value"].where(ordered["value"] > first, 0.0))


def _draw_counts(axes: Axes, located: pd.DataFrame, matrices: list[str]) -> None:
    """Draw the number of located values, and of the matrices with fewest memories how many there are to find."""
    highest, told = float(located["n_located"].max()), False
    for matrix in matrices:
        rows = located[located["matrix"] == matrix]
        plotting.draw_band(axes, rows, "n_located", colour=MATRICES[matrix].colour, marks=True)
        n_memories = int(rows["n_memories"].max())
        if 0 < n_memories <= highest:
            told = True
            axes.axhline(n_memories, color=MATRICES[matrix].colour, linewidth=0.7, linestyle=plotting.DOTTED)
    plotting.root_axis(axes, highest, COUNTS)
    axes.set_ylabel("values located")
    handles = [_line(MATRICES[matrix].colour, f"located in {MATRICES[matrix].title}") for matrix in matrices]
    dotted = plotting.handle("memories it holds", color=style.MUTED, linewidth=0.7, linestyle=plotting.DOTTED)
    _legend(axes, [*handles, dotted] if told else handles)


def _draw_skills(axes: Axes, skills: pd.DataFrame, matrices: list[str]) -> None:
    """Draw induction accuracy as a thick line and recalls as thin ones."""
    handles = []
    for matrix in matrices:
        probe = recall_of(matrix, skills)
        if probe:
            colour = MATRICES[matrix].colour
            plotting.draw_band(axes, skills[skills["probe"] == probe], "value", colour=colour, linewidth=0.7)
            early = ", early" if probe.endswith("early") else ""
            handles.append(_line(colour, f"recall of {MATRICES[matrix].title}{early}", 0.7))
    accuracy = skills[skills["probe"] == INDUCTION]
    plotting.draw_band(axes, accuracy, "value", colour=style.INK, linewidth=1.7)
    axes.axhline(FORMED, color=style.NULL, linewidth=0.8, zorder=0)
    plotting.share_axis(axes)
    axes.set_ylabel("share")
    _legend(axes, [_line(style.INK, "induction accuracy", 1.7), *handles])


def _draw_moments(axes: Axes, moments: pd.DataFrame, matrices: list[str]) -> None:
    """Draw a row for each matrix and one for accuracy, a sign for each seed at the moment it came."""
    seeds = sorted(moments["seed"].unique())
    levels = {matrix: row for row, matrix in enumerate([*matrices, ""])}
    for moment in moments.to_dict("records"):
        sign = MATRICES.get(str(moment["matrix"]))
        colour, marker = (sign.colour, "o") if sign else (style.INK, "D")
        fill = "white" if moment["event"] == "recalled" else colour
        spread = 0.44 * (seeds.index(moment["seed"]) / (len(seeds) - 1) - 0.5) if len(seeds) > 1 else 0.0
        level = levels[str(moment["matrix"])] + spread
        axes.plot(
            [moment["iteration"]],
            [level],
            marker,
            color=colour,
            markerfacecolor=fill,
            markersize=3,
            markeredgewidth=0.7,
            zorder=3,
        )
    accurate = moments.loc[moments["event"] == "accurate", "iteration"]
    if len(accurate):
        axes.axvspan(accurate.min(), accurate.max(), color=style.NULL, linewidth=0.8, zorder=0)
    axes.set_yticks(list(levels.values()), [*(MATRICES[matrix].title for matrix in matrices), "accuracy"])
    axes.set_ylim(len(levels) - 0.5 + BEHIND / EVENT_ROW, -0.5 - BEHIND / EVENT_ROW)
    axes.tick_params(axis="y", length=0)
    dot: dict[str, Any] = {"linestyle": "none", "markersize": 3, "markeredgewidth": 0.7, "color": style.MUTED}
    located = plotting.handle("located from here on", marker="o", **dot)
    recalled = plotting.handle("recall ½ or more", marker="o", markerfacecolor="white", **dot)
    accurate_sign = plotting.handle("accuracy ½ or more", marker="D", **{**dot, "color": style.INK})
    _legend(axes, [located, recalled, accurate_sign])


def _draw_spectrum(axes: Axes, located: pd.DataFrame) -> None:
    """Draw the singular values of one matrix of the first seed; those above the bound in the matrix's colour."""
    rows = located[(located["matrix"] == SPECTRUM) & (located["seed"] == located["seed"].min())]
    rows = rows.sort_values("iteration")
    values = np.array([np.asarray(spectrum, dtype=float) for spectrum in rows["singular_values"]])
    sign = MATRICES[SPECTRUM]
    if len(values):
        iterations, bound = rows["iteration"].to_numpy(), rows["bound"].to_numpy()
        outside = values > bound[:, None]
        leading = outside | np.vstack([outside[1:], outside[-1:]])
        inside = np.where(outside, np.nan, values)
        axes.fill_between(
            iterations, np.nanmin(inside, axis=1), np.nanmax(inside, axis=1), color=style.BULK, linewidth=0
        )
        axes.plot(iterations, np.where(leading, values, np.nan), color=sign.colour, linewidth=0.9, zorder=2)
        axes.plot(iterations, bound, color=style.OUTSIDE, linewidth=0.9, linestyle=plotting.DASHED, zorder=3)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("singular value")
    bulk = Patch(color=style.BULK, label=f"bulk of {sign.title}")
    outliers = _line(sign.colour, f"located in {sign.title}", 0.9)
    line = plotting.handle("the locator’s bound", color=style.OUTSIDE, linewidth=0.9, linestyle=plotting.DASHED)
    _legend(axes, [bulk, outliers, line])


def _line(colour: str, label: str, width: float = 1.1) -> Line2D:
    return plotting.handle(label, color=colour, linewidth=width)


def _legend(axes: Axes, handles: Sequence[Line2D | Patch]) -> None:
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.03), labelspacing=0.35)


def draw(entry: Entry, data: Measurements) -> Drawing:
    """Draw the timeline of the one birth that an entry names."""
    [name] = entry["births"]
    births = births_of(data)
    title = settings_in_words.title(births, name)
    located, probes = (where(rows, {"birth": name}) for rows in (data.locations, data.probes))
    return Drawing(
        f"{title}: located values, skills and singular values over the iterations",
        timeline_figure(located, probes, births[name], title),
    )
