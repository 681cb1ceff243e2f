"""Draws figures of fake births as a report does, and finds what is in them."""

from exhibited import drawing_of
from fake_run import FakeModel, measurements
from legible import spelled


def read(*births):
    """What a report reads of these births, beside one model."""
    return measurements(FakeModel("model", {"up": (8, 4)}, n_layers=1), births=births, concluded=False)


def draw(kind, *births, data=None, **wanted):
    """The figure of a kind, of these births."""
    named = [birth.name for birth in births]
    return drawing_of({"kind": f"birth_{kind}", "births": named, **wanted}, data or read(*births)).figure


def texts(figure):
    """Every text that can be seen."""
    return [text for text, _ in spelled(figure)]


def panel(figure, title):
    """The axes with this title."""
    (axes,) = (axes for axes in figure.axes if axes.get_title() == title)
    return axes
