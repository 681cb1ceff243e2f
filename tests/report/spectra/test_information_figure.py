import numpy as np
import pytest
from fake_run import BERT, LLAMA, FakeModel, measurements
from legible import assert_readable
from matplotlib.patches import Rectangle

from weightspectra.report.kit import style
from weightspectra.report.spectra import noise_summaries
from weightspectra.report.spectra.information_figure import information_figure


def maps(*models, **changes):
    data = measurements(*models, concluded=False)
    layers = noise_summaries.information_by_layer(data.information.assign(**changes))
    return [layers[layers["model"] == model.name] for model in models]


def draw(trained, random=None):
    return information_figure(trained, random, trained_title="Trained", random_title="Random")


def numbers(axes):
    return {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}


def hatched(axes):
    return sum(isinstance(patch, Rectangle) and bool(patch.get_hatch()) for patch in axes.patches)


def test_cells_hold_the_planted_shares_at_both_ends_beside_the_control():
    trained, random = maps(
        FakeModel("a", LLAMA, n_layers=3, n_above=2, n_below=2),
        FakeModel("b", LLAMA, n_layers=3, n_above=0, n_below=0),
    )
    figure = draw(trained, random)
    smallest, smallest_random, middle, _, largest, largest_random, *_ = figure.axes
    # Two of four planted; of key and value, which have 16 values, two of one; below, in no square matrix.
    assert [numbers(smallest)[(2, column)] for column in range(7)] == ["0", "100", "100", "0", "50", "50", "50"]
    assert [numbers(largest)[(0, column)] for column in range(7)] == ["50", "100", "100", "50", "50", "50", "50"]
    assert set(numbers(middle).values()) == set(numbers(smallest_random).values()) == {"0"}
    assert hatched(smallest) == 3 * 2
    assert hatched(largest) == 0
    assert hatched(largest_random) == hatched(smallest_random) == 3 * 7
    assert {image.norm.vmax for axes in figure.axes[:6] for image in axes.images} == {1.0}
    assert_readable(figure)


def test_layers_run_down_and_roles_to_the_right():
    (trained,) = maps(FakeModel("a", BERT, n_layers=3))
    trained = trained.assign(information=trained["layer"] / 10 + (trained["role"] == "down") / 100, information_low=0.1)
    axes = draw(trained).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0, 0, 0, 0.01], [0.1] * 3 + [0.11], [0.2] * 3 + [0.21]])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Query", "Attn. output", "Up", "Down"]


def test_a_cell_is_doubtful_if_its_interval_contains_zero():
    (trained,) = maps(FakeModel("a", {"up": (96, 48)}, n_layers=3))
    trained = trained.assign(information_low=trained["layer"].map({0: -0.1, 1: 0.0, 2: 1e-9}))
    assert [hatched(axes) for axes in draw(trained).axes[:3]] == [2, 2, 2]


@pytest.mark.parametrize("shapes", [{"up": (96, 48)}, BERT, LLAMA])
@pytest.mark.parametrize("n_layers", [1, 6, 32])
def test_maps_of_few_and_many_layers_can_be_read(shapes, n_layers):
    models = FakeModel("a", shapes, n_layers=n_layers), FakeModel("b", shapes, n_layers=n_layers, n_above=0)
    figure = draw(*maps(*models))
    assert all(len(axes.texts) == n_layers * len(shapes) for axes in figure.axes[:6])
    assert figure.get_size_inches()[1] < 9
    assert_readable(figure)


def test_very_many_layers_have_colours_and_no_numbers():
    (trained,) = maps(FakeModel("a", LLAMA, n_layers=120))
    figure = draw(trained, trained)
    assert not any(axes.texts for axes in figure.axes[:6])
    assert len(figure.axes[0].get_yticks()) <= 40
    assert figure.get_size_inches()[1] < 9
    assert_readable(figure)


def test_shares_below_zero_by_chance_are_spelled_and_pale():
    (trained,) = maps(FakeModel("a", {"up": (96, 48)}, n_layers=1), information=-0.123, information_low=-0.2)
    axes = draw(trained).axes[0]
    assert list(numbers(axes).values()) == ["−12"]
    image = axes.images[0]
    assert image.norm.vmin == 0
    assert image.cmap(image.norm(-0.123)) == image.cmap(0)


def test_a_layer_that_lacks_a_role_is_left_grey():
    (trained,) = maps(FakeModel("a", BERT, n_layers=2))
    trained = trained[(trained["layer"] == 0) | (trained["role"] != "query")]
    figure = draw(trained)
    assert (1, 0) not in numbers(figure.axes[0])
    assert figure.axes[0].images[0].get_array().mask.sum() == 1
    assert_readable(figure)


def test_the_map_is_the_same_bytes_every_time():
    first, second = (style.to_bytes(draw(*maps(FakeModel("a", BERT))), "svg") for _ in range(2))
    assert first == second
