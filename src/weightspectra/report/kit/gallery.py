"""Every figure of a report: from what the plan calls for to a drawing and the words above it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from weightspectra.conclusions.cuts.experiments import experiments
from weightspectra.conclusions.prediction import measured
from weightspectra.report.births import birth_figures
from weightspectra.report.cuts import compressions, contrasts, costs
from weightspectra.report.cuts.cost_figure import cost_figure
from weightspectra.report.damage import predictions as predicted
from weightspectra.report.damage.predicted_figure import predicted_figure
from weightspectra.report.finetuning import differences
from weightspectra.report.finetuning.difference_figure import difference_figure
from weightspectra.report.finetuning.effects import effects
from weightspectra.report.finetuning.finetuning_figure import finetuning_figure
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.wording import ROLE_TITLES
from weightspectra.report.spectra import noise_summaries, panels, spectra_figures
from weightspectra.report.spectra.close_ups import close_up
from weightspectra.report.spectra.information_figure import information_figure
from weightspectra.report.spectra.matrix_figure import matrix_figure
from weightspectra.report.spectra.panels import where

Wanted = Mapping[str, Any]

SECTIONS = {
    "controls": "Trained beside random",
    "information": "What noise does not explain, by layer and role",
    "matrix": "Single matrices beside random ones",
    "spectra": "Spectra, and overlaps with the data",
    "damage": "What removing singular values costs",
    "contrasts": "Cuts beside their matched controls",
    "compression": "How small the model can be made",
    "predicted": "Predicted damage",
    "finetuning": "Removing singular values before or after fine-tuning",
    "difference": "What changed between two models",
    **birth_figures.SECTIONS,
}
"""From each kind of figure to the heading under which the page shows it, in the order of the page."""


def draw(wanted: Wanted, data: Measurements) -> Figure:
    """Draw one figure.

    Parameters
    ----------
    wanted : mapping
        ``kind`` (one of ``SECTIONS``) and what it needs: of births, see
        :func:`weightspectra.report.births.birth_figures.draw`; else always ``model``; for
        "controls", ``control`` and ``block``; for "information", ``control``; for
        "matrix", ``control``, ``block``, ``role`` and ``window``; for "spectra",
        ``control``, ``block`` and ``corpus``; for "damage", "contrasts" and "compression",
        ``experiment``; for "predicted", ``corpus``; for "finetuning", ``finetuning``; for
        "difference", ``comparison``. A block of None is the middle one,
        a corpus of None draws no overlaps, a control of None
        leaves the place beside the model empty.
    data : Measurements
    """
    if wanted["kind"] in birth_figures.SECTIONS:
        return birth_figures.draw(wanted, data)
    return _DRAWERS[wanted["kind"]](wanted, data)


def _draw_costs(wanted: Wanted, data: Measurements) -> Figure:
    return cost_figure(_evaluations(data, wanted))


def _draw_contrasts(wanted: Wanted, data: Measurements) -> Figure:
    return contrasts.contrast_figure(_evaluations(data, wanted))


def _draw_compression(wanted: Wanted, data: Measurements) -> Figure:
    rows = _evaluations(data, wanted)
    return compressions.compression_figure(rows, compressions.compressions(rows, data.matrices))


def _draw_predicted(wanted: Wanted, data: Measurements) -> Figure:
    rows = where(data.predictions, {"model": wanted["model"], "corpus": wanted["corpus"]})
    found = predicted.agreement(data.findings, model=wanted["model"], corpus=wanted["corpus"])
    return predicted_figure(rows, measured(rows, data.evaluations), found)


def _draw_finetuning(wanted: Wanted, data: Measurements) -> Figure:
    rows = where(data.finetunings, {"model": wanted["model"], "finetuning": wanted["finetuning"]})
    return finetuning_figure(effects(rows, data.findings))


def _draw_difference(wanted: Wanted, data: Measurements) -> Figure:
    return difference_figure(where(data.comparisons, {"comparison": wanted["comparison"]}))


def _draw_spectra(wanted: Wanted, data: Measurements) -> Figure:
    block, corpus = wanted["block"], wanted["corpus"]
    trained = _panels(data, wanted["model"], block, corpus)
    random = _panels(data, wanted["control"], block, corpus) if wanted["control"] else []
    beside = {panel.role: panel for panel in random}
    return spectra_figures.spectra_figure([panel.beside(beside.get(panel.role)) for panel in trained])


def _draw_controls(wanted: Wanted, data: Measurements) -> Figure:
    trained = panels.square_and_rectangular(_panels(data, wanted["model"], wanted["block"], None))
    random = {panel.role: panel for panel in _panels(data, wanted["control"], wanted["block"], None)}
    return spectra_figures.controls_figure(
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
    "contrasts": _draw_contrasts,
    "compression": _draw_compression,
    "predicted": _draw_predicted,
    "finetuning": _draw_finetuning,
    "difference": _draw_difference,
}

_COSTS = {
    "damage": "what removing singular values costs",
    "contrasts": "cuts beside their matched controls",
    "compression": "compression",
}


def describe(wanted: Wanted, data: Measurements) -> str:
    """Say in one line what a figure shows."""
    if wanted["kind"] in birth_figures.SECTIONS:
        return birth_figures.describe(wanted, data)
    model = data.titles[wanted["model"]]
    if wanted["kind"] in _COSTS:
        untouched = costs.untouched(_evaluations(data, wanted))
        return f"{model}: {_COSTS[wanted['kind']]}, {wanted['experiment']} ({costs.describe(untouched)})"
    if wanted["kind"] == "predicted":
        return f"{model}: damage predicted on {wanted['corpus']}, not measured"
    if wanted["kind"] == "finetuning":
        return f"{model}: accuracy on {wanted['finetuning']} by decile removed, before or after fine-tuning"
    if wanted["kind"] == "difference":
        rows = where(data.comparisons, {"comparison": wanted["comparison"]})
        return f"What changed, {differences.pair(data, rows)}"
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
    (chosen,) = experiments(rows[(rows["model"] == wanted["model"]) & (rows["experiment"] == wanted["experiment"])])
    return chosen
