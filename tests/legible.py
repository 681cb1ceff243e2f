"""Whether people can read a figure: no two labels overlap, and none leaves the page."""

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
    for place, (text, box) in enumerate(inside):
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= width + 1, text
        assert box.y1 <= height + 1, text
        for other, other_box in inside[place + 1 :]:
            apart = min(box.x1, other_box.x1) - max(box.x0, other_box.x0) < 1
            apart |= min(box.y1, other_box.y1) - max(box.y0, other_box.y0) < 1
            assert apart, f"'{text}' overlaps '{other}'"
