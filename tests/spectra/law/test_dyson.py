"""Dyson's equation: against closed forms, an independent polynomial solution, and simulation."""

import numpy as np
import pytest
from scipy import stats

from weightspectra.spectra.law import dyson, dyson_bulk, marchenko_pastur, tracy_widom
from weightspectra.spectra.law.dyson import Side

PROBABILITIES = np.array([0.02, 0.1, 0.3, 0.5, 0.8, 0.97])


def lognormal(spread, size, rng):
    return np.exp(spread * rng.standard_normal(size))


def noise(rows, columns, rng, n_draws):
    """Return squared singular values of Gaussian matrices with this profile, one draw a row, ascending."""
    draws = rng.standard_normal((n_draws, rows.size, columns.size)) * np.sqrt(rows[:, None] * columns)
    return np.maximum(np.linalg.eigvalsh(draws @ draws.transpose(0, 2, 1)), 0)


@pytest.mark.parametrize(("m", "n"), [(384, 1536), (100, 103), (1, 5)])
def test_equal_variances_give_the_edges_of_marchenko_and_pastur(m, n):
    short, long = Side(np.full(m, 2.0)), Side(np.full(n, 1.5))
    a, b = n**0.5, m**0.5
    upper, lower = dyson.upper_edge(short, long), dyson.lower_edge(short, long)
    assert upper.square == pytest.approx(3 * (a + b) ** 2, rel=1e-12)
    assert lower.square == pytest.approx(3 * (a - b) ** 2, rel=1e-12)
    # Johnstone's width, and its mirror image, over the edge.
    assert upper.width == pytest.approx((1 / a + 1 / b) ** (1 / 3) / (a + b), rel=1e-6)
    assert lower.width == pytest.approx((1 / b - 1 / a) ** (1 / 3) / (a - b), rel=1e-6)
    assert upper.participation_short == pytest.approx(1 / m)
    assert lower.participation_long == pytest.approx(1 / n)


@pytest.mark.parametrize(("m", "n"), [(300, 900), (300, 310), (200, 200), (3, 5)])
def test_equal_variances_give_the_law_of_marchenko_and_pastur(m, n):
    short, long, scale = Side(np.ones(m)), Side(np.full(n, 3.0)), (3.0 * n) ** 0.5
    roots = np.sqrt(dyson_bulk.quantiles(PROBABILITIES, short, long).squares)
    np.testing.assert_allclose(marchenko_pastur.cdf(roots, n / m, scale), PROBABILITIES, atol=2e-8)
    values = np.linspace(0.01, 1.1 * scale * (1 + (m / n) ** 0.5), 60)
    expected = marchenko_pastur.density(values, n / m, scale)
    np.testing.assert_allclose(dyson_bulk.density(values, short, long), expected, atol=1e-9 * expected.max())


def test_a_profile_of_one_side_obeys_silversteins_equation():
    """The short side has two variances: edges and density are roots of polynomials."""
    n, atoms, counts = 900, np.array([1.0, 4.0]), np.array([120, 180])
    short, long = Side(np.repeat(atoms, counts)), Side(np.ones(n))
    x = np.polynomial.Polynomial([0, 1])
    one, two = (1 + atom * x for atom in atoms)
    # lambda / n = -1 / x + sum(c a / (1 + a x)) / n
    rest = counts[0] * atoms[0] * two + counts[1] * atoms[1] * one
    turning = n * (one * two) ** 2 - x**2 * (counts[0] * (atoms[0] * two) ** 2 + counts[1] * (atoms[1] * one) ** 2)
    extrema = [root.real for root in turning.roots() if abs(root.imag) < 1e-9]
    squares = sorted(-n / root + sum(counts * atoms / (1 + atoms * root)) for root in extrema)
    assert dyson.lower_edge(short, long).square == pytest.approx(squares[0], rel=1e-10)
    assert dyson.upper_edge(short, long).square == pytest.approx(squares[-1], rel=1e-10)
    for value in np.sqrt(np.linspace(squares[0], squares[-1], 9)[1:-1]):
        roots = (value**2 * x * one * two + n * one * two - x * rest).roots()
        expected = 2 * value * max(roots.imag) / np.pi / counts.sum()
        assert dyson_bulk.density(np.array([value]), short, long)[0] == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(("m", "n", "spread"), [(120, 300, 0.3), (150, 160, 1.0), (120, 120, 0.5)])
def test_simulated_noise_has_these_quantiles(m, n, spread):
    rng = np.random.default_rng(m)
    rows, columns = lognormal(spread, m, rng), lognormal(spread, n, rng)
    squares = noise(rows, columns, rng, 40)
    found = dyson_bulk.quantiles(PROBABILITIES, Side(rows), Side(columns)).squares
    np.testing.assert_allclose([(squares < point).mean() for point in found], PROBABILITIES, atol=0.004)
    edges = np.sqrt(found)
    grid = np.linspace(edges[0], edges[-1], 4001)
    mass = np.trapezoid(dyson_bulk.density(grid, Side(rows), Side(columns)), grid)
    assert mass == pytest.approx(PROBABILITIES[-1] - PROBABILITIES[0], abs=1e-3)


def test_quantiles_on_both_sides_of_a_gap():
    """A few strong rows stand apart from the bulk; between the two there is nothing."""
    rng = np.random.default_rng(1)
    rows, columns = np.concatenate([np.ones(80), np.full(20, 400.0)]), lognormal(0.3, 250, rng)
    squares = noise(rows, columns, rng, 20)
    found = dyson_bulk.quantiles(np.array([0.4, 0.79, 0.81, 0.9]), Side(rows), Side(columns)).squares
    np.testing.assert_allclose([(squares < point).mean() for point in found], [0.4, 0.79, 0.81, 0.9], atol=0.004)
    assert found[2] > 20 * found[1]
    assert np.all(dyson_bulk.density(np.sqrt([3 * found[1], found[2] / 3]), Side(rows), Side(columns)) < 1e-6)


def test_quantiles_found_from_a_neighbouring_law_are_the_same():
    rng = np.random.default_rng(2)
    rows, columns = lognormal(0.4, 90, rng), lognormal(0.4, 200, rng)
    near = dyson_bulk.quantiles(PROBABILITIES, Side(rows), Side(columns))
    cold, warm = (
        dyson_bulk.quantiles(PROBABILITIES, Side(rows, 70), Side(columns, 190), start) for start in (None, near)
    )
    np.testing.assert_allclose(warm.squares, cold.squares, rtol=1e-7)


@pytest.mark.parametrize("n", [110, 400])
def test_extreme_values_obey_tracy_and_widom_about_the_edges(n):
    """With the true variances, and the half that Johnstone takes from both lengths."""
    rng = np.random.default_rng(n)
    rows, columns = np.repeat([1.0, 2.0], 50), np.repeat([1.0, 3.0], n // 2)
    short, long = Side(rows, 99.5), Side(columns, n - 0.5)
    squares = noise(rows, columns, rng, 500)
    edge = dyson.upper_edge(short, long)
    p_values = tracy_widom.survival((squares[:, -1] / edge.square - 1) / edge.width)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    if n > 200:
        edge = dyson.lower_edge(short, long)
        strayed = (np.log(edge.square / squares[:, 0]) + edge.width**2 / 8) / edge.width
        assert stats.kstest(tracy_widom.survival(strayed), "uniform").pvalue > 1e-3


def test_participation_is_what_moving_each_variance_moves():
    rng = np.random.default_rng(3)
    rows, columns = lognormal(0.5, 12, rng), lognormal(0.5, 30, rng)
    for edge in (dyson.upper_edge, dyson.lower_edge):
        found = edge(Side(rows), Side(columns))
        moved = [np.log(edge(Side(rows * 1.0001**unit), Side(columns)).square / found.square) for unit in np.eye(12)]
        assert found.participation_short == pytest.approx(sum((np.array(moved) / np.log(1.0001)) ** 2), rel=1e-2)
        moved = [np.log(edge(Side(rows), Side(columns * 1.0001**unit)).square / found.square) for unit in np.eye(30)]
        assert found.participation_long == pytest.approx(sum((np.array(moved) / np.log(1.0001)) ** 2), rel=1e-2)


def test_grouping_keeps_the_extremes_the_sum_and_the_length():
    side = Side(lognormal(1.0, 3000, np.random.default_rng(4)), length=2800)
    few = dyson_bulk.grouped(side)
    assert few.variances.size < 200
    assert few.length == pytest.approx(2800)
    assert few.weights @ few.variances == pytest.approx(side.weights @ side.variances)
    assert few.variances[[0, -1]] == pytest.approx([side.variances.min(), side.variances.max()])
    assert dyson_bulk.grouped(Side([3.0, 1.0, 3.0])).weights.tolist() == [1, 2]


def test_variances_many_orders_apart_are_no_obstacle():
    rng = np.random.default_rng(5)
    rows, columns = lognormal(4.0, 200, rng), lognormal(4.0, 300, rng)
    squares = noise(rows, columns, rng, 1)[0]
    found = dyson_bulk.quantiles(np.array([0.1, 0.5, 0.9]), Side(rows), Side(columns)).squares
    np.testing.assert_allclose([(squares < point).mean() for point in found], [0.1, 0.5, 0.9], atol=0.02)
    assert dyson.lower_edge(Side(rows), Side(columns)).square < found[0]
