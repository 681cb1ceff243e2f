"""What figures of trained births call matrices, probes and cuts, and the colour and sign that each keeps throughout."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from weightspectra.birth.settings import Birth
from weightspectra.report.births import settings_in_words
from weightspectra.report.births.summaries import MATRIX_TITLES
from weightspectra.report.kit import wording
from weightspectra.report.kit.births import births_of
from weightspectra.report.kit.exhibit import Entry
from weightspectra.report.kit.measurements import Measurements

Births = Mapping[str, Birth]
"""From the name of each birth to its settings."""


class Sign(NamedTuple):
    """How a matrix is drawn: its name as mathematics, its colour and its marker."""

    title: str
    colour: str
    marker: str


MATRICES = {
    "output_2": Sign("$W_O^2$", "#d55e00", "o"),
    "key_2": Sign("$W_K^2$", "#0072b2", "s"),
    "key_1": Sign("$W_K^1$", "#56b4e9", "D"),
    "feed_forward": Sign("$W_F$", "#009e73", "^"),
}
"""After the palette of Okabe and Ito; the markers are a second sign beside the colour."""

BIRTH_SIGNS = (
    *(("#222222", "o"), ("#e69f00", "s"), ("#0072b2", "D"), ("#cc79a7", "^")),
    *(("#009e73", "v"), ("#56b4e9", "P"), ("#d55e00", "X"), ("#8c6d31", "h")),
)
"""Colour and marker of each birth in turn; a ninth begins anew with a dashed line."""


class Probe(NamedTuple):
    """What a probe is called, and its unit: ``share`` (0 to 1), ``loss`` or ``divergence`` (both in nats)."""

    title: str
    unit: str = "share"


PROBES = {
    "in_context_accuracy": Probe("In-context accuracy"),
    "induction_accuracy": Probe("Induction accuracy"),
    "in_context_loss": Probe("In-context loss", "loss"),
    "global_loss": Probe("Global loss", "loss"),
    "recall_output": Probe("Recall of $W_O^2$"),
    "recall_output_corrected": Probe("Recall of $W_O^2$ through $W_F$"),
    "recall_key_2": Probe("Recall of $W_K^2$"),
    "recall_key_1": Probe("Recall of $W_K^1$"),
    "recall_key_1_early": Probe("Recall of $W_K^1$, first 64 positions"),
    "divergence_bigram": Probe("Divergence of $W_F$ from bigrams", "divergence"),
    "divergence_bigram_weighted": Probe("Divergence, weighted by frequency", "divergence"),
    "attends_previous": Probe("Early layer looks one back"),
    "attends_previous_start": Probe("Early layer one back, after triggers"),
    "attends_repeat": Probe("Late layer looks behind a copy"),
    "attends_previous_repeat": Probe("Early layer one back, where looked at"),
    "predicts_attended": Probe("Predicts the token looked at"),
    "attends_answer": Probe("Late layer looks at the answer"),
    "attends_answer_repeats": Probe("Self-repeats: late layer at answer"),
    "attends_answer_repeats_first": Probe("Self-repeats: early layer at answer"),
}

MAX_NAMED = 4
"""Births up to which a title names each."""

UNITS = {"share": "share", "loss": "nats", "divergence": "nats"}

RECALLS = {
    "output_2": ("recall_output_corrected", "recall_output"),
    "key_2": ("recall_key_2",),
    "key_1": ("recall_key_1_early", "recall_key_1"),
}
"""From each matrix to the probes that tell what it recalls, the most telling one first."""


def probe(name: str) -> Probe:
    """Return what a probe is called; one that is not listed is called by its name."""
    unit = next((unit for unit in ("loss", "divergence") if unit in name), "share")
    return PROBES.get(name, Probe(name.replace("_", " ").capitalize(), unit))


def recall_of(matrix: str, probes: pd.DataFrame) -> str | None:
    """Return the probe that tells what a matrix recalls; None if there are no rows of any."""
    present = set(probes["probe"])
    return next((name for name in RECALLS.get(matrix, ()) if name in present), None)


def present_matrices(rows: pd.DataFrame) -> list[str]:
    """Return the matrices that rows tell of, in the order of the figures."""
    return [matrix for matrix in MATRICES if (rows["matrix"] == matrix).any()]


def sign_of(place: int) -> tuple[str, str, Any]:
    """Return colour, marker and line style of the birth at a place of the list."""
    colour, marker = BIRTH_SIGNS[place % len(BIRTH_SIGNS)]
    return colour, marker, "-" if place < len(BIRTH_SIGNS) else (0, (4, 1.5))


def titles(births: Births) -> list[str]:
    """Return what the births are called."""
    return [settings_in_words.title(births, name) for name in births]


def plain(title: str) -> str:
    """Return a title as plain text, matrices as ``W_O²``."""
    for matrix, sign in MATRICES.items():
        title = title.replace(sign.title, MATRIX_TITLES[matrix])
    return title


def missing(names: Iterable[str]) -> str:
    """Say that nothing of this was measured."""
    return f"Nothing to draw: no rows of {', '.join(names)}."


def shown_births(entry: Entry, data: Measurements) -> Births:
    """Return the births that an exhibit's entry names."""
    births = births_of(data)
    return {name: births[name] for name in entry["births"]}


def who(births: Births) -> str:
    """Name the births, or say how many there are."""
    named = titles(births)
    return wording.listing(named) if len(named) <= MAX_NAMED else f"{len(named)} trainings"


def listed_probes(names: Iterable[str]) -> str:
    """List what probes are called, in the middle of a sentence."""
    named = [plain(probe(name).title) for name in names]
    return wording.listing([name[0].lower() + name[1:] for name in named])
