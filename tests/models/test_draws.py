"""Random matrices keep what they should of a given one, and nothing else."""

import numpy as np
import pytest

from weightspectra.models.made import draws
from weightspectra.models.made.draws import Correlations


@pytest.fixture
def stream():
    return np.random.default_rng(7)


def with_profile(stream, shape=(300, 200)):
    """Return entries whose rows and columns differ in scale, about a mean that is not zero."""
    rows, columns = np.geomspace(0.1, 3, shape[0]), np.geomspace(2, 0.5, shape[1])
    return (0.3 + rows[:, None] * columns * stream.standard_normal(shape)).astype(np.float32)


def mean_squares(matrix, axis):
    return np.square(matrix, dtype=np.float64).mean(axis=axis)


def test_flips_keep_every_distance_from_the_mean_to_the_bit(stream):
    matrix = with_profile(stream)
    distances = (matrix.astype(np.float64) - matrix.astype(np.float64).mean()).astype(np.float32)
    flipped = draws.flip(matrix.copy(), stream)
    assert flipped.dtype == np.float32
    assert np.array_equal(np.abs(flipped), np.abs(distances))
    kept = np.sign(flipped) == np.sign(distances)
    assert kept.mean() == pytest.approx(0.5, abs=4 * 0.5 / kept.size**0.5)
    for axis in (0, 1):  # and in each row and column: no line is flipped as a whole
        shares, n = kept.mean(axis=axis), kept.shape[axis]
        assert np.abs(shares - 0.5).max() < 5 * 0.5 / n**0.5
        assert shares.std() == pytest.approx(0.5 / n**0.5, rel=0.2)


def test_flips_leave_no_correlation_between_entries(stream):
    low_rank = np.outer(np.sign(stream.standard_normal(300)), np.sign(stream.standard_normal(200))).astype(np.float32)
    flipped = draws.flip(low_rank, stream)
    assert np.linalg.norm(flipped, 2) < 1.05 * (300**0.5 + 200**0.5)  # from 300 x 200 with one value of 245


def test_rescaled_entries_are_gaussian_with_the_mean_squares_of_rows_and_columns(stream):
    matrix = with_profile(stream, (500, 400))
    drawn = draws.rescaled(matrix, stream)
    r, c = mean_squares(matrix, 1), mean_squares(matrix, 0)
    # A mean of squares with these weights has the relative variance 2 sum(c^2) / sum(c)^2.
    for axis, wanted, weights in ((1, r, c), (0, c, r)):
        found = mean_squares(drawn, axis) / wanted
        error = (2 * np.square(weights).sum() / weights.sum() ** 2) ** 0.5
        assert np.abs(found - 1).max() < 5 * error
        assert found.std() == pytest.approx(error, rel=0.2)
    normal = drawn / np.sqrt(np.outer(r, c) / r.mean())
    assert normal.mean() == pytest.approx(0, abs=4 / normal.size**0.5)
    assert np.power(normal, 4).mean() == pytest.approx(3, abs=4 * (96 / normal.size) ** 0.5)
    assert abs(np.corrcoef(drawn.ravel(), matrix.ravel())[0, 1]) < 0.02


def test_shuffled_blocks_keep_their_entries_and_change_no_other(stream):
    matrix = np.arange(60, dtype=np.float32).reshape(6, 10)
    shuffled = matrix.copy()
    draws.shuffle([shuffled[:, 2:5], shuffled.T[7]], stream)
    assert sorted(shuffled[:, 2:5].ravel()) == sorted(matrix[:, 2:5].ravel())
    assert sorted(shuffled[:, 7]) == sorted(matrix[:, 7])
    others = [0, 1, 5, 6, 8, 9]
    assert np.array_equal(shuffled[:, others], matrix[:, others])
    assert not np.array_equal(shuffled[:, 2:5], matrix[:, 2:5])


@pytest.mark.parametrize("asked", [Correlations(0.6, -0.3), Correlations(0.0, 0.9), Correlations(0.02, 0.0)])
def test_correlated_entries_have_the_lag_one_correlations_asked_and_decay_as_powers(stream, asked):
    shape = (1200, 900)
    drawn = draws.correlated(np.ones(shape, np.float32), asked, stream).astype(np.float64)
    assert drawn.dtype == np.float64
    along_rows, along_columns = asked
    # Of n entries in two dimensions, as many as these are independent.
    n = drawn.size * np.prod([(1 - rho**2) / (1 + rho**2) for rho in asked])
    assert np.square(drawn).mean() == pytest.approx(1, abs=5 * (2 / n) ** 0.5)
    for i, j in ((0, 1), (1, 0), (0, 3), (2, 0), (2, 1)):
        found = (drawn[: shape[0] - i, : shape[1] - j] * drawn[i:, j:]).mean()
        assert found == pytest.approx(along_columns**i * along_rows**j, abs=6 / n**0.5)
    assert np.square(drawn[:, 0]).mean() == pytest.approx(np.square(drawn[:, -1]).mean(), rel=0.6)  # stationary


def test_correlations_are_estimated_after_the_scales_are_divided_out(stream):
    asked = Correlations(0.4, -0.2)
    drawn = draws.correlated(np.ones((1500, 1000), np.float32), asked, stream)
    scaled = drawn * np.geomspace(0.01, 5, 1500)[:, None] * stream.permutation(np.geomspace(0.1, 9, 1000))
    assert draws.neighbour_correlations(scaled.astype(np.float32)) == pytest.approx(asked, abs=0.01)
    again = draws.correlated(scaled.astype(np.float32), asked, stream)
    assert draws.neighbour_correlations(again) == pytest.approx(asked, abs=0.01)
    found = np.sqrt(mean_squares(again, 1) / mean_squares(scaled, 1))
    assert np.abs(np.log(found)).max() < 0.4


def test_entries_without_neighbours_or_scale_have_no_correlation(stream):
    assert draws.neighbour_correlations(np.zeros((4, 5), np.float32)) == (0, 0)
    alone = stream.standard_normal((40, 1)).astype(np.float32)
    assert draws.neighbour_correlations(alone).along_rows == 0
    zeros = np.zeros((3, 4), np.float32)
    for drawn in (draws.rescaled(zeros, stream), draws.correlated(zeros, Correlations(0, 0), stream)):
        assert np.array_equal(drawn, zeros)
