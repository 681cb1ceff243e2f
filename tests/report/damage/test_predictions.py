import numpy as np
import pytest
from fake_ablation import directions, predictions
from fake_run import BERT, LLAMA, FakeModel, decile_experiment, measurements
from legible import assert_readable, spelled

from weightspectra.report.damage import predictions as predicted
from weightspectra.report.damage.predicted_figure import predicted_figure
from weightspectra.report.kit import style


@pytest.fixture(scope="module")
def evaluated():
    return decile_experiment(LLAMA, dear=["down"])


def data_of(**frames):
    return measurements(FakeModel("trained", LLAMA), **frames)


def drawn_of(cells, evaluated):
    found = data_of(predictions=cells, evaluations=evaluated).findings
    return predicted_figure(cells, predicted.measured(found), predicted.agreement(found))


def test_an_overflow_counts_as_the_largest_damage(evaluated):
    broken = evaluated.copy()
    broken.loc[broken["cut"] == "decile 10 of down", ["value", "difference"]] = np.inf
    cuts = predicted.measured(data_of(predictions=predictions(), evaluations=broken).findings)
    assert np.isposinf(cuts["measured"]).sum() == 1
    assert_readable(drawn_of(predictions(), broken))


def test_few_cuts_have_no_correlation(evaluated):
    few = evaluated[evaluated["cut"].isin(["none", "decile 1 of up", "decile 2 of up"])]
    cells = predictions()
    table = predicted.prediction(data_of(predictions=cells, evaluations=few))
    assert table.blocks == []
    assert any("nothing is known" in note for note in table.notes)
    assert "2 cuts" in " ".join(text for text, _ in spelled(drawn_of(cells, few)))


def test_the_table_says_how_well_the_prediction_orders(evaluated):
    data = data_of(predictions=predictions(), evaluations=evaluated)
    table = predicted.prediction(data)
    assert list(table.blocks[0].cells.columns) == ["deciles: 70 cuts by role"]
    assert table.blocks[0].cells.index[0] == "predicted damage"
    found = table.data.set_index("predictor").loc["predicted"]
    assert table.blocks[0].cells.iloc[0, 0] == predicted.correlation(found["correlation"], found["low"], found["high"])


@pytest.mark.parametrize(("shapes", "n_layers"), [(LLAMA, 30), (BERT, 2), ({"up": (96, 48)}, 1), (LLAMA, 80)])
def test_the_map_shows_every_layer_and_says_that_it_is_a_prediction(shapes, n_layers):
    cells = predictions(shapes, n_layers)
    figure = drawn_of(cells, decile_experiment(shapes).iloc[:0])
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert [image.shape for image in images[: len(shapes)]] == [(n_layers, 10)] * len(shapes)
    assert any(text.startswith("Prediction, not measurement") for text, _ in spelled(figure))
    assert_readable(figure)


def test_cells_hold_what_was_predicted_and_what_is_negative_is_palest():
    cells = predictions({"down": (48, 128)}, 2)
    cells.loc[(cells["layer"] == 1) & (cells["decile"] == 2), "predicted"] = -1.0
    figure = drawn_of(cells, decile_experiment(["down"]).iloc[:0])
    image = next(axes.images[0] for axes in figure.axes if axes.images)
    expected = cells.set_index(["layer", "decile"])["predicted"]
    assert image.get_array()[0, 9] == pytest.approx(expected[(0, 10)])
    assert image.norm(image.get_array()[1, 1]) == 0


def test_the_palest_colour_is_at_most_six_decades_below_the_darkest():
    cells = predictions({"down": (48, 128)}, 2)
    cells.loc[0, "predicted"] = 1e-12 * cells["predicted"].max()
    image = next(axes.images[0] for axes in drawn_of(cells, decile_experiment(["down"]).iloc[:0]).axes if axes.images)
    assert image.norm.vmax == pytest.approx(cells["predicted"].max())
    assert image.norm.vmin == pytest.approx(1e-6 * cells["predicted"].max(), abs=0)


def test_predicted_and_measured_meet_in_the_scatter(evaluated):
    cells = predictions()
    cuts = predicted.measured(data_of(predictions=cells, evaluations=evaluated).findings)
    figure = drawn_of(cells, evaluated)
    assert any("deciles, by role: ρ = " in text for text, _ in spelled(figure))
    scatter = next(axes for axes in figure.axes if axes.get_xlabel().startswith("predicted"))
    points = [line for line in scatter.lines if line.get_linestyle() == "None"]
    drawn = sorted(float(y) for line in points for y in line.get_ydata())
    np.testing.assert_allclose(drawn, sorted(cuts["measured"]))
    hollow = sum(len(line.get_xdata()) for line in points if line.get_markerfacecolor() == "white")
    assert hollow == int((~cuts["told"]).sum())
    assert_readable(figure)


def test_the_same_prediction_gives_the_same_bytes(evaluated):
    cells = predictions(BERT)
    drawn = [style.to_bytes(drawn_of(cells, evaluated), "svg") for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_directions_are_named_by_what_they_read():
    data = data_of(directions=directions())
    (block,) = predicted.directions(data).blocks
    assert list(block.cells.index) == ["layer 0 down, rank 48 of 48", "layer 1 up, rank 47 of 48"]
    first = block.cells.iloc[0]
    assert first["Reads"] == "1 (0.98; 90.0 %)"
    assert first["Tokens"] == "<s> ⏎"


@pytest.mark.parametrize(
    ("token", "shown"),
    [(" of", "␣of"), ("Ġof", "␣of"), ("▁of", "␣of"), ("\n\n", "⏎⏎"), ("", "''"), ("\x07", "\N{REPLACEMENT CHARACTER}")],
)
def test_tokens_are_visible(token, shown):
    assert predicted.visible(token) == shown
