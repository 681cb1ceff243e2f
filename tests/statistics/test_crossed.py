"""Differences over runs and examples: the test's level and coverage."""

import numpy as np
import pytest
from scipy import stats

from weightspectra.statistics.crossed import paired_difference


def crossed(rng, n_seeds, n_units, per_unit, *, seed_sd, unit_sd, mean=0.0):
    """Draw changes of which seeds, units and single answers are all random."""
    unit = np.repeat(np.arange(n_units), per_unit)
    seeds, units = seed_sd * rng.standard_normal((n_seeds, 1)), unit_sd * rng.standard_normal(n_units)
    return mean + seeds + units[unit] + 0.4 * rng.standard_normal((n_seeds, len(unit))), unit.astype(str)


@pytest.mark.parametrize(
    ("n_seeds", "n_units", "per_unit", "seed_sd", "unit_sd"),
    [
        (3, 200, 1, 0.02, 0.3),
        (6, 200, 1, 0.0, 0.3),
        (3, 40, 5, 0.02, 0.3),
        (6, 40, 5, 0.1, 0.0),
        (3, 100, 1, 0.05, 0.1),
    ],
)
def test_false_alarms_and_coverage_are_as_promised(n_seeds, n_units, per_unit, seed_sd, unit_sd):
    rng = np.random.default_rng(n_seeds + n_units)
    found = [
        paired_difference(*crossed(rng, n_seeds, n_units, per_unit, seed_sd=seed_sd, unit_sd=unit_sd, mean=0.1))
        for _ in range(1500)
    ]
    covered = np.mean([low <= 0.1 <= high for _, _, low, high, _ in found])
    null = [
        paired_difference(*crossed(rng, n_seeds, n_units, per_unit, seed_sd=seed_sd, unit_sd=unit_sd)).p_value
        for _ in range(1500)
    ]
    assert 0.93 <= covered <= 0.985
    assert 0.015 <= np.mean(np.array(null) < 0.05) <= 0.07


def test_the_standard_error_is_that_of_the_mean():
    rng = np.random.default_rng(0)
    draws = [paired_difference(*crossed(rng, 6, 50, 3, seed_sd=0.05, unit_sd=0.2)) for _ in range(1500)]
    spread = np.std([draw.difference for draw in draws])
    assert np.sqrt(np.mean([draw.standard_error**2 for draw in draws])) == pytest.approx(spread, rel=0.05)


def test_it_is_the_analysis_of_readers_and_cases_where_every_unit_is_one_example():
    change, units = crossed(np.random.default_rng(1), 4, 30, 1, seed_sd=0.1, unit_sd=0.3)
    n_seeds, n = change.shape
    rest = change - change.mean(0) - change.mean(1, keepdims=True) + change.mean()
    of_seeds, of_cases = n * change.mean(1).var(ddof=1), n_seeds * change.mean(0).var(ddof=1)
    of_rest = np.square(rest).sum() / ((n_seeds - 1) * (n - 1))
    denominator = of_seeds + max(of_cases - of_rest, 0)
    freedom = denominator**2 / (of_seeds**2 / (n_seeds - 1))
    statistic = change.mean() / np.sqrt(denominator / (n_seeds * n))
    found = paired_difference(change, units)
    assert found.standard_error == pytest.approx(np.sqrt(denominator / (n_seeds * n)), rel=1e-12)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(statistic), freedom), rel=1e-9)


def test_examples_that_repeat_each_other_count_once():
    change, units = crossed(np.random.default_rng(2), 5, 30, 1, seed_sd=0.02, unit_sd=0.3)
    once = paired_difference(change, units)
    np.testing.assert_allclose(paired_difference(np.repeat(change, 4, axis=1), np.repeat(units, 4)), once, rtol=1e-9)


def test_what_cannot_be_known_is_no_number():
    change = np.random.default_rng(0).standard_normal((3, 10))
    for alone, units in ((change[:1], list("abcdefghij")), (change, ["a"] * 10)):
        found = paired_difference(alone, units)
        assert found.difference == alone.mean() and np.isnan(found[1:]).all()
    assert paired_difference(np.zeros((3, 10)), list("abcdefghij")) == (0, 0, 0, 0, 1)
