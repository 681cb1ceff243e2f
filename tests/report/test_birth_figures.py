import dataclasses

import fake_birth
import numpy as np
import pytest
from fake_birth import FakeBirth
from fake_run import FakeModel, measurements
from legible import assert_readable, spelled

from weightspectra.report import gallery, style
from weightspectra.report.birth_figures import SECTIONS

KEYS = "layers.1.attention.key.weight"
SMALL = FakeBirth("small", title="Small")
FROZEN = FakeBirth("frozen", training={"frozen_until": {KEYS: 100}}, formed=250)
FED = FakeBirth("fed", model={"feed_forward": "linear"}, training={"loss": "all"})
WIDE = FakeBirth("wide", model={"dimension": 64}, data={"outputs": "bigram"})
LONE = FakeBirth("lone", seeds=(4,))
PROBES = ["in_context_accuracy", "recall_output", "recall_key_2", "recall_key_1_early"]


def read(*births):
    return measurements(FakeModel("model", {"up": (8, 4)}, n_layers=1), births=births)


def draw(kind, *births, data=None, **wanted):
    named = [birth.name for birth in births]
    return gallery.draw({"kind": f"birth_{kind}", "births": named, **wanted}, data or read(*births))


def texts(figure):
    return [text for text, _ in spelled(figure)]


def panel(figure, title):
    (axes,) = (axes for axes in figure.axes if axes.get_title() == title)
    return axes


def line_through(axes, x, y):
    """The lines of a panel that go through a point."""
    return [
        line
        for line in axes.lines
        if any(
            abs(a - x) < 1e-9 and abs(b - y) < 1e-9 for a, b in zip(*np.asarray(line.get_data(), float), strict=True)
        )
    ]


EVERY = {
    "curves": ((SMALL, FROZEN, FED, LONE), {"probes": PROBES}),
    "transfer": ((SMALL, WIDE), {}),
    "scaling": ((SMALL, WIDE), {"probes": ["in_context_accuracy", "global_loss"], "against": "dimension"}),
    "capacity": ((SMALL, WIDE), {}),
    "timeline": ((FROZEN,), {}),
    "knockouts": ((SMALL,), {}),
    "attention": ((SMALL,), {}),
    "memories": ((), {}),
}


def data_of(births):
    return read(*births) if births else dataclasses.replace(read(SMALL), births={})


@pytest.mark.parametrize("kind", EVERY)
def test_figures_can_be_read_and_are_the_same_bytes_every_time(kind):
    births, wanted = EVERY[kind]
    data = data_of(births)
    figure = draw(kind, *births, data=data, **wanted)
    assert_readable(figure)
    assert figure.get_size_inches()[1] < 9
    again = draw(kind, *births, data=data, **wanted)
    assert style.to_bytes(figure, "svg") == style.to_bytes(again, "svg")


def test_every_kind_is_drawn_here_and_has_its_words():
    assert {f"birth_{kind}" for kind in EVERY} == set(SECTIONS)
    for kind, (births, wanted) in EVERY.items():
        said = gallery.describe(
            {"kind": f"birth_{kind}", "births": [birth.name for birth in births], **wanted}, data_of(births)
        )
        assert "$" not in said
        assert "Small" in said or SMALL not in births


@pytest.mark.parametrize("kind", EVERY)
def test_births_of_which_nothing_was_measured_yet_are_said_to_lack_it(kind):
    births, wanted = EVERY[kind]
    empty = {name: rows.iloc[:0] for name, rows in fake_birth.frames(SMALL).items()}
    data = dataclasses.replace(read(*births), **empty)
    figure = draw(kind, *births, data=data, **wanted)
    assert any("not measured" in text or "Nothing to draw" in text for text in texts(figure)) or kind == "scaling"
    assert_readable(figure)
