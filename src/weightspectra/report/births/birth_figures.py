"""Every figure of births: from what the plan calls for to a drawing, a heading and a line of words."""

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.figure import Figure

from weightspectra.report.births import birth_settings
from weightspectra.report.births.birth_attention import attention_figure
from weightspectra.report.births.birth_capacity import capacity_figure
from weightspectra.report.births.birth_curves import curves_figure
from weightspectra.report.births.birth_knockouts import knockouts_figure
from weightspectra.report.births.birth_memories import memories_figure
from weightspectra.report.births.birth_scaling import scaling_figure
from weightspectra.report.births.birth_timeline import timeline_figure
from weightspectra.report.births.birth_transfer import transfer_figure
from weightspectra.report.births.birth_words import Births, plain, probe, titles
from weightspectra.report.kit import wording
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.spectra.panels import where

Wanted = Mapping[str, Any]

SECTIONS = {
    "birth_curves": "Transformers trained here: what they learn, and when",
    "birth_timeline": "What the locator finds, before the model can do it",
    "birth_knockouts": "Located values alone, and all others without them",
    "birth_capacity": "More memories than dimensions",
    "birth_scaling": "Transformers trained here, against a setting",
    "birth_transfer": "Tested with other outputs than in training",
    "birth_attention": "Where trained transformers look",
    "birth_memories": "Associative memories made without training",
}
"""From each kind of figure of births to its heading, in the order of the page."""

MAX_NAMED = 4
SETTINGS = {"dimension": "the dimension", "n_triggers": "the number of triggers"}
SETTINGS |= {"offset": "the frequent characters skipped", "length": "the length of a sequence"}


def draw(wanted: Wanted, data: Measurements) -> Figure:
    """Draw one figure of births.

    Parameters
    ----------
    wanted : mapping
        ``kind`` (one of ``SECTIONS``) and ``births`` (their names; one for
        "birth_timeline", "birth_knockouts" and "birth_attention", none for
        "birth_memories"); for "birth_curves", ``probes``; for "birth_scaling",
        ``probes`` and ``against``.
    data : Measurements
    """
    return _DRAWERS[wanted["kind"]](wanted, data)


def describe(wanted: Wanted, data: Measurements) -> str:
    """Say in one line what a figure of births shows."""
    named = titles(_births(wanted, data))
    who = wording.listing(named) if len(named) <= MAX_NAMED else f"{len(named)} trainings"
    named = [plain(probe(name).title) for name in wanted.get("probes", [])]
    probes = wording.listing([name[0].lower() + name[1:] for name in named])
    return {
        "birth_curves": f"{who}: {probes} over the iterations",
        "birth_timeline": f"{who}: located values, skills and singular values over the iterations",
        "birth_knockouts": f"{who}: what is left of accuracy after cuts of trained matrices",
        "birth_capacity": f"{who}: located values, recall and strengths against memories per dimension",
        "birth_scaling": f"{who}: {probes} against {SETTINGS.get(wanted.get('against', ''), '')}",
        "birth_transfer": f"{who}: in-context accuracy on uniform and on bigram outputs",
        "birth_attention": f"{who}: attention in the beginning of a sequence",
        "birth_memories": "Sums of outer products and single gradient steps, beside what theory says",
    }[wanted["kind"]]


def _births(wanted: Wanted, data: Measurements) -> Births:
    return {name: data.births[name] for name in wanted.get("births", [])}


def _draw_curves(wanted: Wanted, data: Measurements) -> Figure:
    return curves_figure(data.probes, _births(wanted, data), wanted["probes"])


def _draw_transfer(wanted: Wanted, data: Measurements) -> Figure:
    return transfer_figure(data.probes, _births(wanted, data))


def _draw_scaling(wanted: Wanted, data: Measurements) -> Figure:
    return scaling_figure(data.probes, _births(wanted, data), wanted["probes"], wanted["against"])


def _draw_capacity(wanted: Wanted, data: Measurements) -> Figure:
    return capacity_figure(data.locations, data.probes, _births(wanted, data))


def _draw_timeline(wanted: Wanted, data: Measurements) -> Figure:
    [name] = wanted["births"]
    located, probes = (where(rows, {"birth": name}) for rows in (data.locations, data.probes))
    return timeline_figure(located, probes, data.births[name], birth_settings.title(data.births, name))


def _draw_knockouts(wanted: Wanted, data: Measurements) -> Figure:
    [name] = wanted["births"]
    return knockouts_figure(where(data.knockouts, {"birth": name}), data.births[name])


def _draw_attention(wanted: Wanted, data: Measurements) -> Figure:
    [name] = wanted["births"]
    return attention_figure(where(data.attention_maps, {"birth": name}))


def _draw_memories(_: Wanted, data: Measurements) -> Figure:
    return memories_figure(data.simulations)


_DRAWERS: dict[str, Callable[[Wanted, Measurements], Figure]] = {
    "birth_curves": _draw_curves,
    "birth_timeline": _draw_timeline,
    "birth_knockouts": _draw_knockouts,
    "birth_capacity": _draw_capacity,
    "birth_scaling": _draw_scaling,
    "birth_transfer": _draw_transfer,
    "birth_attention": _draw_attention,
    "birth_memories": _draw_memories,
}
