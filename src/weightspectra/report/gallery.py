"""Every figure of a report: from what the plan calls for to a drawing and the words above it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from weightspectra.report import costs, figures, noise_summaries, panels
from weightspectra.report.close_ups import close_up
from weightspectra.report.cost_figure import cost_figure
from weightspectra.report.information_figure import information_figure
from weightspectra.report.matrix_figure import matrix_figure
from weightspectra.report.measurements import Measurements
from weightspectra.report.wording import ROLE_TITLES

Wanted = Mapping[str, Any]

SECTIONS = {
    "controls": "Trained beside random",
    "information": "What noise does not explain, by layer and role",
    "matrix": "Single matrices beside random ones",
    "spectra": "Spectra, and overlaps with the data",
    "damage": "What removing singular values costs",
}
"""From each kind of figure to the heading under which the page shows it, in the order of the page."""


def draw(wanted: Wanted, data: Measurements) -> Figure:
    """Draw one figure.

    Parameters
    ----------
    wanted : mapping
        ``kind`` (one of ``SECTIONS``) and what it needs: always ``model``; for
        "controls", ``control`` and ``block``; for "information", ``control``; for
        "matrix", ``control``, ``block``, ``role`` and ``window``; for "spectra",
        ``control``, ``block`` and ``corpus``; for "damage", ``experiment``. A block of None is
        the middle one, a corpus of None draws no overlaps, a control of None
        leaves the place beside the model empty.
    data : Measurements
    """
    return _DRAWERS[wanted["kind"]](wanted, data)


def _draw_costs(wanted: Wanted, data: Measurements) -> Figure:
    return cost_figure(_evaluations(data, wanted))


def _draw_spectra(wanted: Wanted, data: Measurements) -> Figure:
    block, corpus = wanted["block"], wanted["corpus"]
    trained = _panels(data, wanted["model"], block, corpus)
    random = _panels(data, wanted["control"], block, corpus) if wanted["control"] else []
    beside = {panel.role: panel for panel in random}
    return figures.spectra_figure([panel.beside(beside.get(panel.role)) for panel in trained])


def _draw_controls(wanted: Wanted, data: Measurements) -> Figure:
    trained = panels.square_and_rectangular(_panels(data, wanted["model"], wanted["block"], None))
    random = {panel.role: panel for panel in _panels(data, wanted["control"], wanted["block"], None)}
    return figures.controls_figure(
        trained,
        [random[panel.role] for panel in trained],
        trained_title=data.titles[wanted["model"]],
        random_title=data.titles[wanted["control"]],
    )


def _draw_information(wanted: Wanted, data: Measurements) -> Figure:
    layers = noise_summaries.information_by_layer(data.information)
    control = wanted["control"]
    return information_figure(
        layers[layers["model"] == wanted["model"]],
        layers[layers["model"] == control] if control else None,
        trained_title=data.titles[wanted["model"]],
        random_title=data.titles[control] if control else "",
    )


def _draw_matrix(wanted: Wanted, data: Measurements) -> Figure:
    control, place = wanted["control"], (wanted["block"], wanted["role"])
    return matrix_figure(
        close_up(data, wanted["model"], *place),
        close_up(data, control, *place) if control else None,
        window=wanted["window"],
    )


_DRAWERS: dict[str, Callable[[Wanted, Measurements], Figure]] = {
    "controls": _draw_controls,
    "information": _draw_information,
    "matrix": _draw_matrix,
    "spectra": _draw_spectra,
    "damage": _draw_costs,
}


def describe(wanted: Wanted, data: Measurements) -> str:
    """Say in one line what a figure shows."""
    model = data.titles[wanted["model"]]
    if wanted["kind"] == "damage":
        untouched = costs.untouched(_evaluations(data, wanted))
        return f"{model}: what removing singular values costs, {wanted['experiment']} ({costs.describe(untouched)})"
    beside = f" beside its random control {data.titles[wanted['control']]}" if wanted.get("control") else ""
    expert = ", expert 0" if (data.bulk.loc[data.bulk["model"] == wanted["model"], "expert"] > 0).any() else ""
    if wanted["kind"] == "information":
        return f"{model}{beside}: directions that noise does not explain"
    if wanted["kind"] == "matrix":
        return f"{model}{beside}: layer {wanted['block']}, {ROLE_TITLES[wanted['role']].lower()}{expert}"
    block = panels.middle_layer(data.bulk, wanted["model"]) if wanted["block"] is None else wanted["block"]
    if wanted["kind"] == "controls":
        return f"{model}{beside}, block {block}{expert}"
    corpus = f", and overlaps with {wanted['corpus']}" if wanted["corpus"] else ""
    return f"{model}{beside}: singular values of block {block}{expert}{corpus}"


def sections(
    wanted: Mapping[str, Wanted], drawn: Sequence[bytes], captions: Mapping[str, str], data: Measurements
) -> list[dict[str, Any]]:
    """Gather the figures of each kind under one heading, with one text on how to read them.

    Parameters
    ----------
    wanted : mapping
        From the name of each figure to what it shows.
    drawn : sequence of bytes
        The SVG files, in the same order.
    captions : mapping
        From each kind to how to read it.
    data : Measurements

    Returns
    -------
    list of dict
        ``title``, ``caption`` and ``figures``, each of which has ``name``, ``title`` and ``svg``.
    """
    found = []
    for kind, title in SECTIONS.items():
        figures_of_kind = [
            {"name": name, "title": describe(figure, data), "svg": svg}
            for (name, figure), svg in zip(wanted.items(), drawn, strict=True)
            if figure["kind"] == kind
        ]
        if figures_of_kind:
            found.append({"title": title, "caption": captions[kind], "figures": figures_of_kind})
    return found


def _panels(data: Measurements, model: str, block: int | None, corpus: str | None) -> list[panels.Panel]:
    overlaps = data.overlaps[data.overlaps["corpus"] == corpus] if corpus else data.overlaps.iloc[:0]
    return panels.of_block(data.spectra, data.bulk, overlaps, model=model, layer=block)


def _evaluations(data: Measurements, wanted: Wanted) -> pd.DataFrame:
    """Return the rows of one experiment's main metric."""
    rows = data.evaluations
    (chosen,) = costs.experiments(
        rows[(rows["model"] == wanted["model"]) & (rows["experiment"] == wanted["experiment"])]
    )
    return chosen
