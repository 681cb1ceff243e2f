"""Vector tests against exact laws, naive twins and planted structure."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from weightspectra.randomness.directions import vector_tests, vectors

N_DRAWS = 20000


def directions(n_vectors, dimension, seed=0):
    found = np.random.default_rng(seed).standard_normal((n_vectors, dimension))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def nulls():
    """Tables of random directions, by dimension; each is made once."""
    made = {}

    def table(dimension):
        if dimension not in made:
            made[dimension] = vectors.null_draws(dimension, N_DRAWS, np.random.default_rng(dimension))
        return made[dimension]

    return table


def p_values(found, table):
    measured = vectors.measure(found)
    return (
        vector_tests.deviation_p_values(measured.deviation, table["vector distance"]),
        vector_tests.participation_p_values(
            measured.participation, table["participation"], table["participation tail"]
        ),
    )


# The law of a component, and distances to it


def test_law_of_a_component_is_that_of_projected_spheres():
    sizes = np.linspace(0, 1, 21)
    np.testing.assert_allclose(vectors.component_law(sizes, 2), 2 / np.pi * np.arcsin(sizes), atol=1e-12)
    np.testing.assert_allclose(vectors.component_law(sizes, 3), sizes, atol=1e-12)  # Archimedes' hat box
    np.testing.assert_allclose(vectors.component_law(sizes / 100, 10**6), special.erf(10 * sizes / 2**0.5), atol=1e-6)


@pytest.mark.parametrize("dimension", [4, 7, 50])
def test_mean_square_of_a_component_is_the_inverse_of_the_dimension(dimension):
    mean, _ = integrate.quad(lambda t: 2 * t * (1 - vectors.component_law(np.array(t), dimension)), 0, 1)
    assert mean == pytest.approx(1 / dimension)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("dimension", [3, 32, 385, 2000])
def test_measures_equal_those_of_a_naive_loop(dimension, kind, monkeypatch):
    monkeypatch.setattr(vectors, "BLOCK", 4 * dimension + 1)
    found = directions(10, dimension)
    found[3], found[4] = np.eye(dimension)[1], dimension**-0.5
    found[5, found.shape[1] // 2 :] = 0
    measured = vectors.measure((3 * found).astype(kind))

    def law(t):
        return (1 + np.sign(t) * vectors.component_law(np.abs(t), dimension)) / 2

    for row, vector in enumerate(found):
        unit = vector / np.linalg.norm(vector)
        signed = stats.kstest(unit, law).statistic
        sizes = stats.kstest(np.abs(unit), lambda t: vectors.component_law(t, dimension)).statistic
        assert measured.distance[row] == pytest.approx(signed, abs=1e-6)
        assert measured.magnitude_distance[row] == pytest.approx(sizes, abs=1e-6)
        assert measured.participation[row] == pytest.approx(sum(unit**4), rel=1e-5)
        assert measured.deviation[row] == max(
            measured.distance[row], vectors.MAGNITUDE_WEIGHT * measured.magnitude_distance[row]
        )


def test_weight_of_magnitudes_is_the_ratio_of_the_largest_standard_deviations():
    """Both gaps are Brownian bridges conditioned on sum x^2 = N, with x^2 - 1 of variance 2."""
    x = np.linspace(0, 5, 100001)
    slope = x * stats.norm.pdf(x)
    signed, sizes = stats.norm.cdf(x), 2 * stats.norm.cdf(x) - 1
    largest = max(signed * (1 - signed) - slope**2 / 2), max(sizes * (1 - sizes) - (2 * slope) ** 2 / 2)
    assert pytest.approx((largest[0] / largest[1]) ** 0.5, rel=0.01) == vectors.MAGNITUDE_WEIGHT
    drawn = directions(4000, 400)
    gaps = [(np.abs(drawn) < 0.48 / 20).mean(axis=1), (drawn < 0).mean(axis=1)]
    np.testing.assert_allclose([400 * gap.var() for gap in gaps], largest[::-1], rtol=0.1)


def test_reversing_a_vector_changes_nothing():
    found = np.abs(directions(20, 65)) - 0.05
    for ours, reversed_ours in zip(vectors.measure(found), vectors.measure(-found), strict=True):
        np.testing.assert_allclose(ours, reversed_ours, atol=1e-6)


def test_canonical_signs_shift_no_p_value(nulls):
    found = directions(4000, 30)
    largest = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1)
    for plain, signed in zip(p_values(found, nulls(30)), p_values(found * np.sign(largest), nulls(30)), strict=True):
        np.testing.assert_allclose(signed, plain, rtol=1e-3)


@pytest.mark.parametrize("wrong", [0.0, np.nan, np.inf])
def test_what_has_no_direction_is_refused(wrong):
    found = np.ones((3, 8))
    found[1] = wrong
    with pytest.raises(ValueError, match="zero or not finite"):
        vectors.measure(found)


# Random directions


def test_participation_of_random_directions_has_the_known_moments(nulls):
    dimension = 40
    drawn = nulls(dimension)["participation"]
    mean = 3 / (dimension + 2)
    second = (96 * dimension + 9 * dimension**2) / np.prod(dimension + np.array([0, 2, 4, 6]))
    assert drawn.mean() == pytest.approx(mean, rel=0.01)
    assert drawn.var() == pytest.approx(second - mean**2, rel=0.1)


def test_draws_ascend_and_repeat_with_the_seed():
    first, again, other = (vectors.null_draws(20, 1500, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for name, values in first.items():
        assert values.shape == ((len(vectors.TAIL),) if name == "participation tail" else (1500,))
        assert (np.diff(values) >= 0).all()
        np.testing.assert_array_equal(values, again[name])
        assert not np.array_equal(values, other[name])


def test_tail_of_participation_in_two_dimensions_is_exact():
    """With v = (cos a, sin a), P = (3 + cos 4a) / 4, so that P > y has the probability arccos(4y - 3) / pi."""
    tail = vectors.null_draws(2, 50000, np.random.default_rng(0))["participation tail"]
    resolved = vectors.TAIL > 0.02
    np.testing.assert_allclose(tail[resolved], (3 + np.cos(np.pi * vectors.TAIL[resolved])) / 4, atol=1e-4)


@pytest.mark.parametrize("dimension", [16, 64])
def test_far_tail_of_participation_lies_between_its_bounds(dimension, nulls):
    """One component has the square s > 1/2; the others add at most (1 - s)^2, and at least that over N - 1."""
    tail = nulls(dimension)["participation tail"]
    far = tail > 0.55
    assert far.sum() > 15
    bounds = []
    for rest in (1, 1 / (dimension - 1)):
        square = (rest + np.sqrt(rest**2 - (1 + rest) * (rest - tail[far]))) / (1 + rest)
        bounds.append(dimension * stats.beta(0.5, (dimension - 1) / 2).sf(square))
    assert (bounds[1] * 0.85 < vectors.TAIL[far]).all() and (vectors.TAIL[far] < bounds[0] * 1.15).all()


@pytest.mark.parametrize("dimension", [2, 3, 5, 33, 3000])
def test_tail_reaches_the_smallest_probability_in_every_dimension(dimension):
    table = vectors.null_draws(dimension, 1000, np.random.default_rng(0))
    tail = table["participation tail"]
    assert tail[0] >= np.quantile(table["participation"], 0.9) - 1e-12
    assert (np.diff(tail) >= 0).all() and tail[-1] <= 1 + 1e-9
    if dimension > 5:
        assert (np.diff(tail) > 0).all()


@pytest.mark.parametrize("dimension", [33, 384])
def test_p_values_of_random_directions_are_uniform(dimension, nulls):
    for found in p_values(directions(2000, dimension, seed=1), nulls(dimension)):
        assert stats.kstest(found, "uniform").pvalue > 0.01
        assert np.mean(found <= 0.05) == pytest.approx(0.05, abs=0.015)


@pytest.mark.slow
def test_small_p_values_are_as_rare_as_they_say(nulls):
    """A million fresh directions of 16 dimensions."""
    table, rng = nulls(16), np.random.default_rng(9)
    found = np.array([p_values(rng.standard_normal((10**5, 16)), table) for _ in range(10)])
    for kind in (0, 1):
        for p, factor in ((1e-2, 1.15), (1e-3, 1.4), (1e-4, 2), (1e-5, 2.5)):
            share = np.mean(found[:, kind] <= p)
            assert p / factor < share < p * factor, (kind, p)


def test_no_p_value_is_zero_and_none_rises_with_the_measure(nulls):
    table = nulls(384)
    sizes = np.linspace(0, 1.2, 20001)
    for found in (
        vector_tests.deviation_p_values(sizes, table["vector distance"]),
        vector_tests.participation_p_values(sizes, table["participation"], table["participation tail"]),
    ):
        assert found[0] == 1 and found[-1] == pytest.approx(vectors.SMALLEST_P)
        assert (np.diff(found) <= 1e-4).all()  # at the seam, counted and fitted shares differ by one draw
        assert (np.diff(found[found < vectors.BODY * 0.99]) <= 0).all()


# Windows


@pytest.mark.parametrize("window", [1, 2, 15, 200])
def test_windows_hold_the_neighbours_that_there_are(window):
    found = np.random.default_rng(0).random(40)
    expected = [found[max(k - window // 2, 0) : k - window // 2 + window].mean() for k in range(40)]
    np.testing.assert_allclose(vector_tests.window_means(found, window), expected)


def test_window_means_of_random_directions_spread_as_they_say(nulls):
    found, _ = p_values(np.linalg.qr(np.random.default_rng(2).standard_normal((384, 384)))[0], nulls(384))
    means = vector_tests.window_means(found, 15)[7:-7]
    assert means.mean() == pytest.approx(0.5, abs=0.06)
    assert means.std() == pytest.approx((12 * 15) ** -0.5, rel=0.35)


# Planted structure


def one_component(n, rng):
    return np.eye(n)[n // 3]


def sparse(n, rng):
    return rng.standard_normal(n) * (rng.random(n) < 0.3)


def one_block(n, rng):
    return np.where(np.arange(n) // (n // 12) == 5, rng.standard_normal(n), 0.02)


def mostly_positive(n, rng):
    return np.abs(rng.standard_normal(n)) * np.where(rng.random(n) < 0.7, 1, -1)


def equal_sizes(n, rng):
    return rng.choice([-1.0, 1.0], n)


PLANTED = (one_component, sparse, one_block, mostly_positive, equal_sizes)


@pytest.mark.parametrize("plant", PLANTED)
def test_planted_vectors_are_found_and_random_ones_are_not(plant, nulls):
    rng = np.random.default_rng(4)
    left, right = directions(200, 384, seed=5), directions(200, 384, seed=6)
    right[[0, 57, 199]] = [plant(384, rng) for _ in range(3)]
    found = vector_tests.score({"left": left, "right": right}, {(384, 1): nulls(384)}, window=15)
    assert list(found["side"]) == ["left"] * 200 + ["right"] * 200
    assert list(found["index"]) == [*range(200), *range(200)]
    planted = found["side"].eq("right") & found["index"].isin([0, 57, 199])
    assert (found.loc[planted, "q_value"] <= 0.05).all()
    assert (found.loc[~planted, "q_value"] <= 0.05).mean() < 0.01
    localised = plant in (one_component, sparse, one_block)
    assert (found.loc[planted, "participation_q_value"] <= 0.05).all() == localised
    assert (found.loc[~planted, "participation_q_value"] <= 0.05).mean() < 0.01
    assert found.loc[planted, "window_p_value"].max() < 0.75


def test_sides_of_different_length_have_their_own_tables(nulls):
    tables = {(40, 1): nulls(40), (90, 1): nulls(90)}
    left, right = directions(40, 40), directions(40, 90, seed=1)
    both = vector_tests.score({"left": left, "right": right}, tables, window=3)
    assert set(both) >= {"distance", "magnitude_distance", "p_value", "window_p_value", "participation"}
    for side, found in (("left", left), ("right", right)):
        rows = both[both["side"] == side]
        deviation, participation = p_values(found, tables[found.shape[1], 1])
        np.testing.assert_array_equal(rows["p_value"], deviation)
        np.testing.assert_array_equal(rows["participation_p_value"], participation)
        np.testing.assert_allclose(rows["window_p_value"], vector_tests.window_means(deviation, 3))
    for kind in ("", "participation_"):
        expected = stats.false_discovery_control(both[f"{kind}p_value"])
        np.testing.assert_array_equal(both[f"{kind}q_value"], expected)


def test_share_of_false_discoveries_keeps_its_level(nulls):
    """A tenth of the vectors has a little structure; the false ones among those found are on average below 5 %."""
    shares = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = rng.standard_normal((200, 100))
        found[:20] += rng.choice([-1, 1], (20, 1)) * 0.6
        discovered = vector_tests.score({"left": found}, {(100, 1): nulls(100)}, 15)["q_value"].to_numpy() <= 0.05
        shares.append(discovered[20:].sum() / max(discovered.sum(), 1))
        assert discovered[:20].mean() > 0.8
    assert np.mean(shares) <= 0.05 + 2 * np.std(shares) / 40**0.5
