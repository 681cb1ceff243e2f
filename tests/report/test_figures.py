import numpy as np
import pandas as pd
import pytest
from fake_run import BERT, LLAMA, FakeModel, decile_experiment, evaluation, measurements
from matplotlib.colors import to_rgba
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from weightspectra.report import costs, figures, gallery, panels, style
from weightspectra.report.cost_figure import cost_figure, linear_threshold


def block(model: FakeModel, **choice):
    data = measurements(model, overlaps=choice.pop("overlaps", True))
    return panels.of_block(data.spectra, data.bulk, data.overlaps, model=model.name, layer=choice.get("layer"))


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


def red_ticks(figure):
    lines = (line for axes in figure.axes for line in axes.lines)
    return sum(len(line.get_xdata()) for line in lines if line.get_marker() == figures.BELOW_THE_AXIS)


@pytest.mark.parametrize("overlaps", [True, False])
@pytest.mark.parametrize("shapes", [BERT, LLAMA, {"query": (48, 48)}, {"up": (96, 48), "down": (48, 96)}])
def test_spectra_show_each_role_once_with_every_outlier(shapes, overlaps):
    figure = figures.spectra_figure(block(FakeModel("a", shapes), overlaps=overlaps))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == len(shapes)
    planted = sum(3 + (2 if n_out != n_in else 0) for n_out, n_in in shapes.values())
    assert red_ticks(figure) == planted
    assert_readable(figure)


def test_histogram_has_unit_mass_and_no_bin_across_an_edge():
    (panel,) = block(FakeModel("a", {"up": (160, 80)}, n_above=1))
    bins, heights = figures._histogram(panel)
    assert (heights * np.diff(bins)).sum() == pytest.approx(1)
    for edge in (panel.edge_lower, panel.edge_upper):
        assert np.abs(bins - edge).min() < 1e-9


def test_red_area_is_the_share_of_values_outside():
    panel = block(FakeModel("a", {"up": (160, 80)}, n_above=5, n_below=3))[0]
    figure = figures.spectra_figure([panel])
    patches = figure.findobj(lambda artist: isinstance(artist, StepPatch))
    (red,) = (patch.get_data() for patch in patches if patch.get_facecolor() == to_rgba(style.OUTSIDE))
    assert (red.values * np.diff(red.edges)).sum() == pytest.approx(8 / 80)


def test_values_far_beyond_are_counted_in_words_and_do_not_squeeze_the_rest():
    panel = block(FakeModel("a", {"up": (160, 80)}))[0]
    far = panel.singular_values.copy()
    far[0] = 100.0
    figure = figures.spectra_figure([panels.replace(panel, singular_values=far)])
    assert "1 beyond, up to 100" in "".join(text for text, _ in spelled(figure))
    assert figure.axes[0].get_xlim()[1] < 4


def test_no_outliers_and_a_zero_matrix_can_be_drawn():
    assert_readable(figures.spectra_figure(block(FakeModel("a", n_above=0, n_below=0))))
    zero = panels.Panel("up", (4, 2), np.zeros(2), 0.0, 0.0, 0.0, 0.0)
    assert_readable(figures.spectra_figure([zero]))


def test_controls_share_axes_in_units_of_their_scale():
    trained, random = block(FakeModel("trained", LLAMA)), block(FakeModel("control", LLAMA, n_above=0, n_below=0))
    chosen = panels.square_and_rectangular(trained)
    assert [panel.role for panel in chosen] == ["query", "up"]
    stretched = [
        panels.replace(
            p,
            singular_values=7 * p.singular_values,
            scale=7 * p.scale,
            edge_lower=7 * p.edge_lower,
            edge_upper=7 * p.edge_upper,
        )
        for p in chosen
    ]
    figure = figures.controls_figure(
        stretched, panels.square_and_rectangular(random), trained_title="Trained", random_title="Random"
    )
    top, bottom = figure.axes[0], figure.axes[2]
    assert top.get_xlim() == bottom.get_xlim()
    np.testing.assert_allclose(top.lines[0].get_xdata(), bottom.lines[0].get_xdata())
    assert_readable(figure)


@pytest.mark.parametrize("shapes", [{"query": (48, 48)}, {"up": (96, 48)}])
def test_controls_of_models_with_only_one_kind_of_shape(shapes):
    trained = panels.square_and_rectangular(block(FakeModel("a", shapes)))
    figure = figures.controls_figure(trained, trained, trained_title="Trained", random_title="Random")
    assert_readable(figure)


def test_block_is_the_middle_one_unless_chosen_and_the_expert_is_the_first():
    model = FakeModel("a", n_layers=5, n_experts=2)
    data = measurements(model)
    assert panels.middle_layer(data.bulk, "a") == 2
    data.bulk.loc[(data.bulk["layer"] == 2) & (data.bulk["expert"] == 1), "scale"] = 99.0
    chosen = panels.of_block(data.spectra, data.bulk, data.overlaps, model="a", layer=None)
    assert all(panel.scale < 2 for panel in chosen)
    assert len(chosen) == 4
    assert "expert 0" in gallery.describe({"kind": "spectra", "model": "a", "block": 1, "corpus": None}, data)


def test_costs_stand_where_they_were_measured():
    rows = decile_experiment(LLAMA, dear=["down"])
    figure = cost_figure(rows)
    assert [axes.get_title() for axes in figure.axes] == ["Attention", "Feed-forward"]
    drawn = np.sort(np.concatenate([line.get_ydata() for line in figure.axes[1].lines if line.get_linestyle() == "-"]))
    expected = rows[rows["roles"].map(lambda roles: roles in (["up"], ["gate"], ["down"]))]["difference"]
    lines = drawn[: len(drawn)]
    assert set(np.round(expected, 9)) <= set(np.round(lines, 9))
    assert_readable(figure)


def test_an_open_sign_is_a_change_within_two_errors():
    rows = decile_experiment(["up"])
    figure = cost_figure(rows)
    cuts = costs.labelled(rows)
    within = int((cuts["log_ratio"].abs() <= 2 * cuts["log_ratio_se"]).sum())
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert sum(len(line.get_xdata()) for line in hollow) == within


def test_cuts_that_are_no_deciles_become_dots():
    rows = decile_experiment(LLAMA).query("decile < 3").copy()
    rows["removed"] = rows["decile"].map({0: "none", 1: "below", 2: "indices 0-15"})
    rows["decile"] = 0
    figure = cost_figure(rows)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["indices 0-15", "below"]
    assert_readable(figure)


def test_deciles_of_whole_layers_become_one_line_a_layer():
    numbers = ([1.0, 1.1], [1, 1])
    rows = [evaluation("none", "none", "none", 0, [], [], numbers[0], *numbers)]
    for layer in (0, 4, 29):
        for decile in (1, 2, 3, 9, 10):
            label = f"decile {decile} of layer {layer}"
            nll = [1.0 + 0.1 * decile, 1.1 + 0.12 * decile]
            rows.append(evaluation(label, "layer", f"decile {decile}", decile, ["query", "up"], [layer], nll, *numbers))
    figure = cost_figure(pd.DataFrame(rows))
    assert {"layer 0", "layer 4", "layer 29"} <= {text for text, _ in spelled(figure)}
    assert_readable(figure)


def test_an_overflow_is_left_out_and_the_rest_drawn():
    rows = decile_experiment(["up"])
    rows.loc[rows["decile"] == 10, ["value", "difference", "difference_se"]] = [np.inf, np.inf, np.nan]
    assert_readable(cost_figure(rows))


def test_linear_range_of_the_axis_is_below_most_changes():
    changes = pd.Series([0.03, 0.2, 5.0, 1e4])
    threshold = linear_threshold(changes, pd.Series([0.01, 0.02, 0.1, 1e3]))
    assert threshold == 0.1
    assert linear_threshold(pd.Series([0.0]), pd.Series([np.nan])) == 1.0


@pytest.mark.parametrize("form", ["svg", "png"])
def test_figures_are_the_same_bytes_every_time(form):
    first, second = (style.to_bytes(figures.spectra_figure(block(FakeModel("a", LLAMA))), form) for _ in range(2))
    assert first == second
    assert b"20" + b"26-" not in first


def test_many_points_are_stored_as_an_image(monkeypatch):
    drawn = style.to_bytes(figures.spectra_figure(block(FakeModel("a", {"up": (160, 80)}))), "svg")
    monkeypatch.setattr(figures, "RASTER_FROM", 10)
    assert b"<image" not in drawn
    assert b"<image" in style.to_bytes(figures.spectra_figure(block(FakeModel("a", {"up": (160, 80)}))), "svg")
