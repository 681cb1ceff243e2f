"""Tables of noise: what is in them, and that p-values from them are uniform for noise."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from weightspectra.base import seeds
from weightspectra.randomness.directions import vectors
from weightspectra.randomness.noise import noise_spectra, nulls
from weightspectra.randomness.spacings import level_tests, levels, unfolding
from weightspectra.spectra.law import edges, goodness, marchenko_pastur

SHAPE = (150, 120)


@pytest.fixture(scope="module")
def draws():
    return nulls.spectrum_draws(*SHAPE, 400, np.random.default_rng(0))


def spectrum(n_outliers, rng):
    """Return the values of noise with strong structure in a few directions, which leaves it smaller by as many."""
    long_side, short_side = SHAPE
    noise = noise_spectra.draw(long_side - n_outliers, short_side - n_outliers, rng)
    return np.concatenate([np.linspace(90, 60, n_outliers), noise])


def compared(values, name, draws, rng):
    found = edges.fit(values, *SHAPE)
    noise = level_tests.Noise(*SHAPE, found.n_below, found.n_above, found.noise_std)
    return level_tests.compare(values, noise, name, draws, rng)


def test_shapes_are_those_of_the_matrices_and_of_their_vectors():
    sides = [(384, 384), (1536, 384), (384, 1536), (384, 384)]
    assert nulls.shapes(sides) == [(384, 1), (384, 384), (1536, 1), (1536, 384)]
    assert nulls.shapes(sides[:1], [32, 384]) == [(32, 1), (384, 1), (384, 384)]


def test_draws_of_a_shape_repeat_with_the_seed_and_ascend():
    first, again, other = (nulls.draw((60, 60), 30, 1, seed) for seed in (1, 1, 2))
    assert list(first) == list(again)
    for statistic, values in first.items():
        assert values.shape == (30,)
        assert (np.diff(values) >= 0).all()
        np.testing.assert_array_equal(values, again[statistic])
        assert (values != other[statistic]).any()


def test_a_short_side_of_one_is_a_vector():
    found = nulls.draw((50, 1), 1, 20, 0)
    expected = vectors.null_draws(50, 20, seeds.generator(0, "nulls", "50", "1"))
    assert list(found) == list(expected)
    np.testing.assert_array_equal(found["participation"], expected["participation"])


@pytest.mark.parametrize("n_outliers", [0, 30])
def test_the_goodness_of_a_bulk_is_that_of_the_noise_within_its_bounds(draws, n_outliers):
    values = spectrum(n_outliers, np.random.default_rng(8))
    noise, long_side = edges.fit(values, *SHAPE), SHAPE[0] - n_outliers
    assert (noise.n_below, noise.n_above) == (0, n_outliers)
    distance, p_value = nulls.bulk_goodness(values, noise, SHAPE[0], draws["bulk distance"])
    law = kstest(
        values[n_outliers:],
        lambda at: marchenko_pastur.cdf(at, long_side / noise.noise_rank, noise.noise_std * long_side**0.5),
    )
    assert distance == pytest.approx(law.statistic, rel=1e-12)
    assert p_value > 0.05


def test_a_spectrum_without_noise_fits_no_bulk(draws):
    values = np.r_[[3.0, 2.0], np.zeros(SHAPE[1] - 2)]
    assert nulls.bulk_goodness(values, edges.fit(values, *SHAPE), SHAPE[0], draws["bulk distance"]) == (1, 0)


@pytest.mark.parametrize("n_outliers", [0, 9])
def test_statistics_of_a_spectrum_are_those_of_what_its_outliers_leave(n_outliers):
    """The table's own statistics and those of a weight matrix are found in one way: of the noise, by its own shape."""
    values = spectrum(n_outliers, np.random.default_rng(2))
    found = nulls.spectrum_statistics(values, *SHAPE)
    inside, sides = values[n_outliers:], (SHAPE[0] - n_outliers, SHAPE[1] - n_outliers)
    noise_std = edges.fit(values, *SHAPE).noise_std
    assert found["bulk distance"] == goodness.bulk_distance(inside, *sides, noise_std)
    for name in unfolding.UNFOLDINGS:
        expected = levels.statistics(unfolding.unfold(inside, name, *sides, noise_std), name)
        assert {key: value for key, value in found.items() if f"/{name}" in key} == expected


def test_every_unfolding_has_its_statistics(draws):
    statistics = ["spacing distance/{}", "gap ratio/{}"]
    statistics += [f"number variance/{{}}/{length}" for length in ("0.5", "1", "2", "3", "5", "10")]
    assert set(draws) == {"bulk distance"} | {
        statistic.format(name) for statistic in statistics for name in unfolding.UNFOLDINGS
    }


def test_what_a_shape_has_too_few_levels_for_is_missing():
    few = nulls.spectrum_draws(70, 65, 20, np.random.default_rng(3))
    assert "spacing distance/replicate" in few
    assert "spacing distance/drop" not in few
    assert list(nulls.spectrum_draws(30, 20, 20, np.random.default_rng(3))) == ["bulk distance"]


def test_tables_come_back_from_their_rows(draws):
    small = nulls.spectrum_draws(30, 20, 20, np.random.default_rng(3))
    frame = pd.DataFrame([*nulls.rows(SHAPE, draws), *nulls.rows((30, 20), small)])
    found = nulls.tables(frame)
    assert list(found) == [SHAPE, (30, 20)]
    assert list(found[SHAPE]) == list(draws)
    np.testing.assert_array_equal(found[SHAPE]["gap ratio/drop"], draws["gap ratio/drop"])
    np.testing.assert_array_equal(found[30, 20]["bulk distance"], small["bulk distance"])


def test_p_values_of_known_draws():
    drawn = [1.0, 2.0, 2.0, 3.0]
    assert nulls.p_value(2.0, drawn) == pytest.approx(4 / 5)
    assert nulls.p_value(3.5, drawn) == pytest.approx(1 / 5)
    assert nulls.p_value(0.0, drawn) == 1
    assert nulls.p_value(3.5, drawn, "two-sided") == nulls.p_value(0.5, drawn, "two-sided") == pytest.approx(2 / 5)
    assert nulls.p_value(2.0, drawn, "two-sided") == 1
    with pytest.raises(ValueError, match="'lower'"):
        nulls.p_value(1.0, drawn, "lower")


@pytest.mark.parametrize("tail", ["upper", "two-sided"])
def test_p_values_of_chance_are_uniform(tail):
    rng = np.random.default_rng(4)
    found = [nulls.p_value(rng.standard_normal(), rng.standard_normal(199), tail) for _ in range(2000)]
    assert kstest(found, "uniform").pvalue > 0.01


@pytest.mark.parametrize("n_outliers", [0, 12])
@pytest.mark.parametrize("name", unfolding.UNFOLDINGS)
def test_p_values_of_noise_are_uniform_with_and_without_outliers(draws, name, n_outliers):
    """A tenth of the directions is structure; the table is that of the whole shape."""
    rng = np.random.default_rng(5)
    found = [compared(spectrum(n_outliers, rng), name, draws, rng) for _ in range(150)]
    for p_value in ("spacing_p_value", "gap_ratio_p_value"):
        assert kstest([getattr(one, p_value) for one in found], "uniform").pvalue > 0.01, p_value


@pytest.mark.parametrize("n_outliers", [0, 12])
def test_number_variance_of_noise_is_within_what_the_table_says(draws, n_outliers):
    rng = np.random.default_rng(6)
    found = [compared(spectrum(n_outliers, rng), "law", draws, rng) for _ in range(150)]
    scores = [(one.number_variance - one.number_variance_null) / one.number_variance_null_sd for one in found]
    np.testing.assert_allclose(np.mean(scores, axis=0), 0, atol=0.35)
    np.testing.assert_allclose(np.std(scores, axis=0), 1, atol=0.25)


@pytest.mark.parametrize("n_outliers", [0, 12, 36])
def test_p_values_of_the_bulk_of_noise_are_uniform_with_and_without_outliers(draws, n_outliers):
    rng = np.random.default_rng(7)
    p_values = []
    for _ in range(200):
        values = spectrum(n_outliers, rng)
        found = edges.fit(values, *SHAPE)
        within = values[found.n_above : values.size - found.n_below]
        distance = goodness.bulk_distance(within, SHAPE[0] - found.n_above, within.size, found.noise_std)
        p_values.append(nulls.bulk_p_value(distance, within.size, SHAPE[1], draws["bulk distance"]))
    assert np.mean(np.array(p_values) <= 0.05) <= 0.09
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_independent_levels_are_found(draws):
    """Levels at random places under the law of noise, as unrelated structures would leave them."""
    rng = np.random.default_rng(8)
    reference = np.sort(np.concatenate([noise_spectra.draw(*SHAPE, rng) for _ in range(50)]))
    values = np.sort(rng.choice(reference[1500:-1500], SHAPE[1]))[::-1]
    noise = level_tests.Noise(*SHAPE, 0, 0, 1.0)
    found = level_tests.compare(values, noise, "law", draws, rng)
    assert found.spacing_p_value == pytest.approx(1 / 401)
    assert found.gap_ratio_p_value == pytest.approx(2 / 401)
    assert found.brody_high < 0.5
    assert found.number_variance[-1] > found.number_variance_null[-1] + 5 * found.number_variance_null_sd[-1]


def test_what_is_compared_fits_together(draws):
    rng = np.random.default_rng(9)
    values = spectrum(5, rng)
    found = compared(values, "drop", draws, rng)
    assert found.unfolding == "drop"
    assert found.n_levels == 55 == found.spacings.size + 1
    assert found.spacings.mean() == pytest.approx(1)
    by_law = compared(values, "law", draws, rng)
    noise_std = edges.fit(values, *SHAPE).noise_std
    np.testing.assert_array_equal(by_law.spacings, np.diff(unfolding.by_law(values[5:], 145, 115, noise_std)))
    assert found.brody_low <= found.brody <= found.brody_high
    assert list(found.lengths) == [0.5, 1, 2, 3, 5, 10]
    for name in ("number_variance", "number_variance_null", "number_variance_null_sd", "number_variance_goe"):
        assert getattr(found, name).shape == (6,)
        assert np.isfinite(getattr(found, name)).all()


def test_a_table_without_the_unfolding_is_refused(draws):
    without = {name: values for name, values in draws.items() if "drop" not in name}
    with pytest.raises(unfolding.CannotUnfold, match="noise of this shape"):
        compared(spectrum(0, np.random.default_rng(1)), "drop", without, np.random.default_rng(0))
