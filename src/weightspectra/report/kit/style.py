"""How figures look, and how they become bytes: sizes, colours, fonts, deterministic SVG and PNG."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FULL_WIDTH = 7.1
"""Width in inches of a figure that spans both columns of a two-column page."""

INK = "#222222"
MUTED = "#6b6b6b"
BULK = "#9db4c8"
OUTSIDE = "#c8102e"
NULL = "#d9d9d9"
RANDOM = "#7a5c00"
FLOOR = "#f3e3b3"

ROLE_COLOURS = {
    "query": "#0072b2",
    "key": "#56b4e9",
    "value": "#009e73",
    "attention_output": "#9a5b9e",
    "up": "#e69f00",
    "gate": "#8c6d31",
    "down": "#d55e00",
}
"""After the palette of Okabe and Ito, which colour-blind readers can tell apart."""

ROLE_MARKERS = {"query": "o", "key": "s", "value": "D", "attention_output": "^", "up": "o", "gate": "s", "down": "^"}
"""A second sign beside the colour: distinct within the attention and within the feed-forward roles."""

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 4.0,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.handletextpad": 0.6,
    "lines.linewidth": 1.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "weightspectra",
    "savefig.dpi": 200,
}


@contextmanager
def applied() -> Iterator[None]:
    """Use the report's settings, and only they, while drawing."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def new_figure(height: float, width: float = FULL_WIDTH) -> Figure:
    """Return an empty figure of this size in inches, tied to no window and no global state."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def message_figure(text: str) -> Figure:
    """Return a figure that says in words why there is nothing to draw."""
    with applied():
        figure = new_figure(0.6)
        figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def to_bytes(figure: Figure, form: str) -> bytes:
    """Return a figure as the bytes of an SVG or PNG file; the same figure gives the same bytes.

    Letters in SVG are outlines, so that the figure looks the same where the font is missing.
    """
    # Only what varies is left out: the date of an SVG file, the program's version in a PNG file.
    metadata = {"svg": {"Date": None}, "png": {"Software": None}}[form]
    stream = io.BytesIO()
    with applied():
        figure.savefig(stream, format=form, metadata=metadata)
    return stream.getvalue()
