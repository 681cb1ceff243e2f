"""Whether people can read a figure: no two labels overlap, and none leaves the page."""

import numpy as np
from matplotlib.text import Text

from weightspectra.report.kit import style


def spelled(figure):
    """Every text that can be seen, with its box in pixels."""
    renderer = figure.canvas.get_renderer()
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    hidden = {label for axes in figure.axes for label in unseen_labels(axes)}
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text not in hidden]


def unseen_labels(axes):
    """Labels of ticks beyond the ends of an axis, and of axes that are switched off."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not axes.axison or not low <= tick.get_loc() <= high:
                yield tick.label1
            yield tick.label2


def assert_readable(figure):
    """No two labels overlap, and none leaves the figure."""
    with style.applied():
        found = spelled(figure)
    width, height = figure.canvas.get_width_height()
    inside = [(text, box) for text, box in found if box.width > 0]
    texts, boxes = [text for text, _ in inside], np.array([box.extents for _, box in inside])
    beyond = (boxes[:, :2] < -1).any(1) | (boxes[:, 2:] > (width + 1, height + 1)).any(1)
    assert not beyond.any(), [text for text, out in zip(texts, beyond, strict=True) if out]
    shared = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    overlapping = np.argwhere(np.triu((shared >= 1).all(2), 1))
    assert not len(overlapping), [(texts[one], texts[other]) for one, other in overlapping]
