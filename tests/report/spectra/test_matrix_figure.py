from dataclasses import replace

import numpy as np
import pytest
from exhibited import drawing_of
from fake_run import LLAMA, FakeModel, measurements
from legible import assert_readable, spelled
from matplotlib.colors import to_rgba
from matplotlib.patches import StepPatch

from weightspectra.base.errors import UserError
from weightspectra.report.kit import style
from weightspectra.report.spectra import matrix_panels
from weightspectra.report.spectra.close_ups import close_up
from weightspectra.report.spectra.matrix_figure import matrix_figure

SHAPES = {"query": (160, 160), "key": (40, 160), "up": (480, 160)}


@pytest.fixture(scope="module")
def data():
    trained = FakeModel("trained", SHAPES, n_layers=2, n_above=12, n_below=8)
    control = FakeModel("control", SHAPES, n_layers=2, n_above=0, n_below=0)
    return measurements(trained, control, controls={"control": "trained"}, concluded=False)


def close(data, role="up", model="trained", layer=0):
    return close_up(data, model, layer, role)


def draw(data, role="up"):
    return matrix_figure(close(data, role), close(data, role, "control"), window=15)


def areas(axes, colour):
    patches = axes.findobj(lambda artist: isinstance(artist, StepPatch))
    found = [patch.get_data() for patch in patches if patch.get_facecolor() == to_rgba(colour)]
    return [float((data.values * np.diff(data.edges)).sum()) for data in found]


@pytest.mark.parametrize("role", list(SHAPES))
def test_trained_and_random_stand_on_the_same_axes(data, role):
    figure = draw(data, role)
    top, bottom = figure.axes[:4], figure.axes[4:8]
    for upper, lower in zip(top, bottom, strict=True):
        assert upper.get_xlim() == lower.get_xlim()
        assert upper.get_ylim() == lower.get_ylim()
    assert_readable(figure)


def test_red_is_what_lies_beyond_the_calibrated_bounds(data):
    figure = draw(data)
    # Of 12 and 8 planted, the calibrated bounds count 11 and 7.
    assert areas(figure.axes[0], style.OUTSIDE) == pytest.approx([18 / 160])
    assert areas(figure.axes[0], style.BULK) == pytest.approx([142 / 160])
    assert areas(figure.axes[4], style.OUTSIDE) == [0]
    (ticks,) = (line for line in figure.axes[0].lines if line.get_color() == style.OUTSIDE)
    assert len(ticks.get_xdata()) == 18
    texts = " ".join(text for text, _ in spelled(figure))
    assert "7 below, 11 above" in texts
    assert "profile: 6, 10" in texts
    assert "0 below, 0 above" in texts


def test_the_law_has_the_mass_of_the_values_left_to_noise(data):
    matrix = close(data)
    grid, law = matrix_panels.noise_law(matrix)
    assert np.trapezoid(law, grid) == pytest.approx(142 / 160, rel=1e-3)
    # Its edges are those of a matrix of 480 - 11 by 160 - 18 entries, in units of sqrt(480).
    assert grid[[0, -1]] * 480**0.5 == pytest.approx([469**0.5 - 142**0.5, 469**0.5 + 142**0.5])


def test_bounds_and_edges_are_drawn_where_they_are(data):
    matrix = close(data)
    drawn = sorted(line.get_xdata()[0] for line in draw(data).axes[0].lines if len(line.get_xdata()) == 2)
    names = [f"{name}_{side}" for name in matrix_panels.LINES for side in ("lower", "upper")]
    assert drawn == pytest.approx(sorted(matrix.bulk[name] / matrix.scale for name in names))


def test_each_vector_that_is_no_random_direction_has_a_tick(data):
    figure = draw(data)
    rugs = [line for line in figure.axes[1].lines if line.get_marker() == "|"]
    left, right = (line.get_xdata() for line in rugs)
    assert list(left) == list(range(12))
    assert list(right) == [*range(12), *range(152, 160)]
    assert [len(line.get_xdata()) for line in figure.axes[5].lines if line.get_marker() == "|"] == [0, 0]
    boundaries = [line.get_xdata()[0] for line in figure.axes[1].lines if line.get_linestyle() not in ("-", "None")]
    assert sorted(boundaries) == [11.5, 151.5]


def test_windows_are_those_measured_in_the_order_of_the_ranks(data):
    matrix = close(data)
    shuffled = replace(matrix, vectors=matrix.vectors.sample(frac=1, random_state=1))
    for drawn in (matrix, shuffled):
        line = next(
            line for line in matrix_figure(drawn, None, window=15).axes[1].lines if len(line.get_xdata()) == 160
        )
        assert list(line.get_xdata()) == list(range(160))
        assert line.get_ydata()[0] == 0.2


def test_spacings_and_both_laws_have_unit_mass(data):
    axes = draw(data).axes[2]
    assert areas(axes, style.BULK) == pytest.approx([1])
    surmise, poisson = axes.lines[:2]
    s = surmise.get_xdata()
    np.testing.assert_allclose(surmise.get_ydata(), np.pi / 2 * s * np.exp(-np.pi / 4 * s**2), rtol=1e-9)
    np.testing.assert_allclose(poisson.get_ydata(), np.exp(-s), rtol=1e-9)
    texts = " ".join(text for text, _ in spelled(draw(data)))
    assert "p = 0.001" in texts
    assert "Brody 0.60" in texts
    assert "(0.50 to 0.70)" in texts


def test_number_variance_stands_with_its_null_and_the_ensemble(data):
    matrix = close(data)
    axes = draw(data).axes[3]
    drawn = [line for line in axes.lines if line.get_marker() == "."]
    assert len(drawn) == 2
    for line, unfolding in zip(drawn, ("replicate", "law"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), matrix.levels[unfolding]["number_variance"])
        np.testing.assert_allclose(line.get_xdata(), matrix.levels[unfolding]["lengths"])
    assert axes.get_ylim()[1] > max(line.get_ydata().max() for line in drawn)


@pytest.mark.parametrize("missing", ["rows", "spacings"])
def test_a_matrix_with_too_few_levels_can_be_drawn(data, missing):
    matrix = close(data, "key")
    if missing == "rows":
        matrix = replace(matrix, levels={})
    else:
        none = np.array([])
        empty = dict.fromkeys(("spacings", "lengths"), none)
        nothing = {name: none for name in matrix.levels["law"] if name.startswith("number_variance")}
        levels = {name: {**row, **empty, **nothing} for name, row in matrix.levels.items()}
        matrix = replace(matrix, levels=levels)
    figure = matrix_figure(matrix, None, window=15)
    assert "too few levels" in " ".join(text for text, _ in spelled(figure))
    assert_readable(figure)


def test_a_matrix_of_zeros_can_be_drawn(data):
    matrix = close(data)
    zero = replace(matrix, singular_values=np.zeros(160), bulk={**matrix.bulk, "noise_std": 0.0})
    assert_readable(matrix_figure(zero, close(data, model="control"), window=15))


def test_far_values_are_counted_in_words(data):
    matrix = close(data)
    far = matrix.singular_values.copy()
    far[0] *= 100
    figure = matrix_figure(replace(matrix, singular_values=far), None, window=15)
    assert "1 beyond, to" in " ".join(text for text, _ in spelled(figure))
    assert figure.axes[0].get_xlim()[1] < 6
    assert_readable(figure)


def test_of_experts_the_first_is_shown():
    found = measurements(FakeModel("a", LLAMA, n_experts=3), concluded=False)
    found.bulk.loc[found.bulk["expert"] > 0, "noise_std"] = 99.0
    matrix = close_up(found, "a", 1, "up")
    assert matrix.bulk["noise_std"] < 2
    assert len(matrix.vectors) == 2 * 48
    wanted = {"kind": "matrix", "model": "a", "control": None, "block": 1, "role": "up", "window": 15}
    assert drawing_of(wanted, found).title == "A: layer 1, up, expert 0"


def test_a_matrix_that_is_not_there_is_refused_by_name(data):
    with pytest.raises(
        UserError, match=r"trained has no matrix 'gate' in layer 7; it has layers 0-1 with query, key, up"
    ):
        close_up(data, "trained", 7, "gate")


def test_a_close_up_is_the_same_bytes_every_time(data):
    assert style.to_bytes(draw(data), "svg") == style.to_bytes(draw(data), "svg")
