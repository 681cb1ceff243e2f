import numpy as np
import pandas as pd
import pytest
from exhibited import drawing_of
from fake_run import BERT, LLAMA, FakeModel, decile_experiment, evaluation, judged, measurements
from legible import assert_readable, spelled
from matplotlib.colors import to_rgba
from matplotlib.patches import StepPatch

from weightspectra.report.cuts.cost_figure import cost_figure
from weightspectra.report.kit import style
from weightspectra.report.kit.change_axis import linear_threshold
from weightspectra.report.spectra import panels, spectra_figures


def block(model: FakeModel, **choice):
    data = measurements(model, overlaps=choice.pop("overlaps", True), concluded=False)
    return panels.of_block(data.spectra, data.bulk, data.overlaps, model=model.name, layer=choice.get("layer"))


def red_ticks(figure):
    lines = (line for axes in figure.axes for line in axes.lines)
    return sum(len(line.get_xdata()) for line in lines if line.get_marker() == spectra_figures.BELOW_THE_AXIS)


@pytest.mark.parametrize("overlaps", [True, False])
@pytest.mark.parametrize("shapes", [BERT, LLAMA, {"query": (48, 48)}, {"up": (96, 48), "down": (48, 96)}])
def test_spectra_show_each_role_once_with_every_outlier(shapes, overlaps):
    figure = spectra_figures.spectra_figure(block(FakeModel("a", shapes), overlaps=overlaps))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == len(shapes)
    planted = sum(3 + (2 if n_out != n_in else 0) for n_out, n_in in shapes.values())
    assert red_ticks(figure) == planted
    assert_readable(figure)


def test_histogram_has_unit_mass_and_no_bin_across_an_edge():
    (panel,) = block(FakeModel("a", {"up": (160, 80)}, n_above=1))
    bins, heights = spectra_figures._histogram(panel)
    assert (heights * np.diff(bins)).sum() == pytest.approx(1)
    for edge in (panel.edge_lower, panel.edge_upper):
        assert np.abs(bins - edge).min() < 1e-9


def test_red_area_is_the_share_of_values_outside():
    panel = block(FakeModel("a", {"up": (160, 80)}, n_above=5, n_below=3))[0]
    figure = spectra_figures.spectra_figure([panel])
    patches = figure.findobj(lambda artist: isinstance(artist, StepPatch))
    (red,) = (patch.get_data() for patch in patches if patch.get_facecolor() == to_rgba(style.OUTSIDE))
    assert (red.values * np.diff(red.edges)).sum() == pytest.approx(8 / 80)


def test_values_far_beyond_are_counted_in_words_and_do_not_squeeze_the_rest():
    panel = block(FakeModel("a", {"up": (160, 80)}))[0]
    far = panel.singular_values.copy()
    far[0] = 100.0
    figure = spectra_figures.spectra_figure([panels.replace(panel, singular_values=far)])
    assert "1 beyond, up to 100" in "".join(text for text, _ in spelled(figure))
    assert figure.axes[0].get_xlim()[1] < 4


def test_no_outliers_and_a_zero_matrix_can_be_drawn():
    assert_readable(spectra_figures.spectra_figure(block(FakeModel("a", n_above=0, n_below=0))))
    zero = panels.Panel("up", (4, 2), np.zeros(2), 0.0, 0.0, 0.0, 0.0)
    assert_readable(spectra_figures.spectra_figure([zero]))


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
    figure = spectra_figures.controls_figure(
        stretched, panels.square_and_rectangular(random), trained_title="Trained", random_title="Random"
    )
    top, bottom = figure.axes[0], figure.axes[2]
    assert top.get_xlim() == bottom.get_xlim()
    np.testing.assert_allclose(top.lines[0].get_xdata(), bottom.lines[0].get_xdata())
    assert_readable(figure)


@pytest.mark.parametrize("shapes", [{"query": (48, 48)}, {"up": (96, 48)}])
def test_controls_of_models_with_only_one_kind_of_shape(shapes):
    trained = panels.square_and_rectangular(block(FakeModel("a", shapes)))
    figure = spectra_figures.controls_figure(trained, trained, trained_title="Trained", random_title="Random")
    assert_readable(figure)


def test_block_is_the_middle_one_unless_chosen_and_the_expert_is_the_first():
    model = FakeModel("a", n_layers=5, n_experts=2)
    data = measurements(model, concluded=False)
    assert panels.middle_layer(data.bulk, "a") == 2
    data.bulk.loc[(data.bulk["layer"] == 2) & (data.bulk["expert"] == 1), "scale"] = 99.0
    chosen = panels.of_block(data.spectra, data.bulk, data.overlaps, model="a", layer=None)
    assert all(panel.scale < 2 for panel in chosen)
    assert len(chosen) == 4
    entry = {"kind": "spectra", "model": "a", "control": None, "block": 1, "corpus": None}
    assert "expert 0" in drawing_of(entry, data).title


def test_costs_stand_where_they_were_measured():
    rows = decile_experiment(LLAMA, dear=["down"])
    figure = cost_figure(judged(rows))
    assert [axes.get_title() for axes in figure.axes] == ["Attention", "Feed-forward"]
    drawn = np.sort(np.concatenate([line.get_ydata() for line in figure.axes[1].lines if line.get_linestyle() == "-"]))
    expected = rows[rows["roles"].map(lambda roles: roles in (["up"], ["gate"], ["down"]))]["difference"]
    lines = drawn[: len(drawn)]
    assert set(np.round(expected, 9)) <= set(np.round(lines, 9))
    assert_readable(figure)


def test_an_open_sign_is_a_change_that_is_not_significant():
    rows = decile_experiment(["up"])
    rows.loc[rows["decile"].isin([2, 5, 7]), "q_value"] = [0.051, 0.2, np.nan]
    figure = cost_figure(judged(rows))
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert np.concatenate([line.get_xdata() for line in hollow]).tolist() == [2, 5, 7]


def test_intervals_reach_where_they_were_measured():
    rows = decile_experiment(["up"])
    figure = cost_figure(judged(rows))
    (bars,) = (container for container in figure.axes[0].containers)
    drawn = np.array([segment[:, 1] for segment in bars.lines[2][0].get_segments()])
    expected = rows.loc[rows["decile"] > 0, ["difference_low", "difference_high"]].to_numpy()
    np.testing.assert_allclose(drawn, expected)


def test_cuts_that_are_no_deciles_become_dots():
    rows = decile_experiment(LLAMA).query("decile < 3").copy()
    rows["removed"] = rows["decile"].map({0: "none", 1: "below", 2: "indices 0-15"})
    rows["decile"] = 0
    figure = cost_figure(judged(rows))
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
    figure = cost_figure(judged(pd.DataFrame(rows)))
    assert {"layer 0", "layer 4", "layer 29"} <= {text for text, _ in spelled(figure)}
    assert_readable(figure)


def test_an_overflow_is_left_out_and_the_rest_drawn():
    rows = decile_experiment(["up"])
    rows.loc[rows["decile"] == 10, ["value", "difference", "difference_se"]] = [np.inf, np.inf, np.nan]
    assert_readable(cost_figure(judged(rows)))


def test_linear_range_of_the_axis_is_below_most_changes():
    changes = pd.Series([0.03, 0.2, 5.0, 1e4])
    threshold = linear_threshold(changes, pd.Series([0.01, 0.02, 0.1, 1e3]))
    assert threshold == 0.01
    assert linear_threshold(changes, pd.Series([0.5, 0.5, 0.5, 1e3])) == 0.1
    assert linear_threshold(pd.Series([0.0]), pd.Series([np.nan])) == 1.0


@pytest.mark.parametrize("form", ["svg", "png"])
def test_figures_are_the_same_bytes_every_time(form):
    first, second = (
        style.to_bytes(spectra_figures.spectra_figure(block(FakeModel("a", LLAMA))), form) for _ in range(2)
    )
    assert first == second
    assert b"20" + b"26-" not in first


def test_many_points_are_stored_as_an_image(monkeypatch):
    drawn = style.to_bytes(spectra_figures.spectra_figure(block(FakeModel("a", {"up": (160, 80)}))), "svg")
    monkeypatch.setattr(spectra_figures, "RASTER_FROM", 10)
    assert b"<image" not in drawn
    assert b"<image" in style.to_bytes(spectra_figures.spectra_figure(block(FakeModel("a", {"up": (160, 80)}))), "svg")


def test_the_random_control_is_outlined_at_the_scale_of_the_trained_matrix():
    (trained,) = block(FakeModel("a", {"up": (160, 80)}, n_above=5))
    (random,) = block(FakeModel("a", {"up": (160, 80)}, n_above=0, n_below=0))
    stretched = panels.replace(trained, singular_values=7 * trained.singular_values, scale=7 * trained.scale)
    stretched = panels.replace(stretched, edge_lower=7 * trained.edge_lower, edge_upper=7 * trained.edge_upper)
    panel = stretched.beside(random)
    np.testing.assert_allclose(panel.control.edge_upper, stretched.edge_upper)
    figure = spectra_figures.spectra_figure([panel])
    (outline,) = [
        patch.get_data()
        for patch in figure.findobj(lambda artist: isinstance(artist, StepPatch))
        if patch.get_edgecolor() == to_rgba(style.RANDOM)
    ]
    # The control's values lie strictly inside the bulk, so that all of them are in bins between the edges.
    inside = (outline.edges[:-1] >= stretched.edge_lower - 1e-9) & (outline.edges[1:] <= stretched.edge_upper + 1e-9)
    assert (outline.values * np.diff(outline.edges))[inside].sum() == pytest.approx(1)
    dots = [line for line in figure.axes[spectra_figures.N_COLUMNS].lines if line.get_color() == style.RANDOM]
    assert [len(line.get_xdata()) for line in dots] == [80]
    assert dots[0].get_xdata().max() > stretched.edge_lower
    assert_readable(figure)
