"""Bounds of noise: their laws against simulation and closed forms, their false alarms, and what they find."""

import numpy as np
import pytest
from scipy import stats

from weightspectra.spectra.law import edges, hard_edge, marchenko_pastur


def noise(n_out, n_in, rng, n_draws):
    """Return singular values of Gaussian matrices, one draw a row, largest first."""
    return np.linalg.svd(rng.standard_normal((n_draws, n_out, n_in)), compute_uv=False)


def planted(n_out, n_in, strengths, rng):
    """Return the singular values of noise with orthogonal spikes, of strengths in units of the detection threshold."""
    k = len(strengths)
    left, _ = np.linalg.qr(rng.standard_normal((n_out, k)))
    right, _ = np.linalg.qr(rng.standard_normal((n_in, k)))
    threshold = (n_out * n_in) ** 0.25
    matrix = rng.standard_normal((n_out, n_in)) + (left * np.asarray(strengths) * threshold) @ right.T
    return np.linalg.svd(matrix, compute_uv=False)


@pytest.mark.parametrize(("long_side", "short_side"), [(60, 60), (63, 60), (100, 60), (101, 60), (240, 60), (480, 60)])
def test_extreme_values_of_noise_obey_their_laws(long_side, short_side):
    """Both p-values of the extremes are uniform, whichever law of the lower end applies."""
    values = noise(short_side, long_side, np.random.default_rng(long_side), 1000)
    for p_values in (
        edges.p_above(values[:, 0], 1.0, long_side, short_side),
        edges.p_below(values[:, -1], 1.0, long_side, short_side),
    ):
        assert stats.kstest(p_values, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("points", [1e-12, 1e-4, 0.5, 20.0])
def test_hard_edge_of_a_square_matrix_is_edelmans_law(points):
    n = 50
    n_lambda = points / 4
    edelman = -np.expm1(-(n_lambda / 2 + np.sqrt(n_lambda)))
    assert hard_edge.probability(points, 0) == pytest.approx(edelman, rel=1e-12)
    found = edges.p_below(np.sqrt(n_lambda / n), 1.0, n, n)
    assert found == pytest.approx(edelman, rel=1e-12)


@pytest.mark.parametrize("excess", [1, 2, 7, 40])
def test_hard_edge_probability_rises_smoothly_from_zero_to_one(excess):
    points = np.geomspace(1e-30, 1e5, 4001)
    probability = hard_edge.probability(points, excess)
    assert (np.diff(probability) >= -1e-12).all()
    assert probability[0] < 1e-8
    assert probability[-1] == 1
    rising = (probability > 1e-100) & (probability < 0.9)
    slopes = np.gradient(np.log(probability[rising]), np.log(points[rising]))
    # P(smallest < s) ~ s**((excess + 1) / 2) as s goes to zero.
    assert slopes[0] == pytest.approx((excess + 1) / 2, rel=0.05)
    assert np.abs(np.diff(slopes)).max() < 0.05 * (excess + 1)


def test_the_two_laws_of_the_lower_end_meet():
    excess = hard_edge.UP_TO
    bounds = [edges.bounds(1.0, 400 + excess + step, 400, 0.05)[0] for step in (-1, 0, 1, 2)]
    steps = np.diff(bounds)
    assert (steps > 0).all()
    assert steps.max() < 1.25 * steps.min()


@pytest.mark.parametrize(("n_out", "n_in"), [(64, 64), (64, 256), (256, 64)])
def test_share_of_noise_matrices_with_an_outlier_is_the_level(n_out, n_in):
    draws = noise(n_out, n_in, np.random.default_rng(7), 600)
    alarms = sum(fit.n_above + fit.n_below > 0 for fit in (edges.fit(values, n_out, n_in) for values in draws))
    # 0.1 % and 99.9 % quantiles at a true level between 4 and 7 %.
    assert stats.binom.ppf(0.001, 600, 0.04) <= alarms <= stats.binom.ppf(0.999, 600, 0.07)


def test_p_values_and_bounds_tell_the_same_story():
    values = planted(200, 300, [1.05, 1.2, 1.5, 4], np.random.default_rng(2)) * 0.07
    found = edges.fit(values, 200, 300, level=0.1)
    assert ((found.p_above < 0.05) == (values > found.bound_upper)).all()
    assert ((found.p_below < 0.05) == (values < found.bound_lower)).all()
    assert found.n_above == (values > found.bound_upper).sum()


@pytest.mark.parametrize(("n_out", "n_in"), [(300, 300), (300, 900)])
@pytest.mark.parametrize("n_spikes", [3, 30])
def test_planted_spikes_are_found_and_no_others(n_out, n_in, n_spikes):
    """A tenth of the directions may be spikes, where a scale fitted to all values misses many."""
    values = planted(n_out, n_in, np.geomspace(1.5, 10, n_spikes), np.random.default_rng(n_spikes))
    found = edges.fit(values, n_out, n_in)
    assert abs(found.n_above - n_spikes) <= 1
    assert found.n_below == 0
    assert found.converged
    assert found.noise_rank == 300 - found.n_above
    assert found.noise_std == pytest.approx(1, rel=0.015)
    if n_spikes == 30:
        assert marchenko_pastur.fit(values, n_out, n_in).entry_std > 1.015


@pytest.mark.parametrize("strength", [2.0, 4.0])
def test_spikes_in_a_third_of_the_directions_do_not_hide_each_other(strength):
    """From no outliers on, the fit ends in a bulk so wide that it swallows them; it does not fit there."""
    values = planted(300, 300, np.full(105, strength), np.random.default_rng(8))
    found = edges.fit(values, 300, 300)
    assert abs(found.n_above - 105) <= 2
    assert found.converged


def test_a_weak_direction_is_found_below_the_bulk_of_a_rectangular_matrix():
    rng = np.random.default_rng(4)
    matrix = rng.standard_normal((200, 800))
    matrix[0] *= 0.3
    found = edges.fit(np.linalg.svd(matrix, compute_uv=False), 200, 800)
    assert (found.n_below, found.n_above) == (1, 0)
    assert found.p_below[-1] < 1e-6


def test_a_vanishing_value_is_found_in_a_square_matrix():
    """Nothing lies below a square matrix's bulk; but the smallest value can be smaller than chance allows."""
    values = noise(200, 200, np.random.default_rng(5), 1)[0]
    assert edges.fit(values, 200, 200).n_below == 0
    values[-1] *= 1e-4
    assert edges.fit(values, 200, 200).n_below == 1


def test_units_do_not_matter():
    values = planted(100, 150, [2, 3], np.random.default_rng(6))
    one, other = edges.fit(values, 100, 150), edges.fit(values * 1e-3, 150, 100)
    assert other.noise_std == pytest.approx(1e-3 * one.noise_std, rel=1e-12)
    assert other.bound_upper == pytest.approx(1e-3 * one.bound_upper, rel=1e-12)
    np.testing.assert_allclose(other.p_above, one.p_above, rtol=1e-6)


def test_a_matrix_of_rank_one_does_not_stop_the_fit():
    values = np.zeros(50)
    values[0] = 3.0
    found = edges.fit(values, 50, 80)
    assert np.isfinite([found.bound_lower, found.bound_upper]).all()
    assert (found.n_above, found.n_below) == (1, 0)
    np.testing.assert_array_equal(found.p_above, values == 0)
