import warnings

import numpy as np
import powerlaw
import pytest

from weightspectra.randomness import tails


def pareto(n_values, alpha, rng, xmin=1.0):
    """Draws from p(x) ~ x**-alpha from xmin on, largest first."""
    return np.sort(xmin * rng.random(n_values) ** (-1 / (alpha - 1)))[::-1]


def noise(n_out, n_in, seed=0):
    return np.linalg.svd(np.random.default_rng(seed).standard_normal((n_out, n_in)), compute_uv=False)


@pytest.mark.parametrize("alpha", [1.8, 2.5, 4.5])
def test_the_exponent_of_a_power_law_is_found(alpha):
    rng = np.random.default_rng(1)
    found = [tails.power_law(pareto(2000, alpha, rng, xmin=3.0)) for _ in range(10)]
    errors = [(fit.alpha - alpha) / fit.alpha_error for fit in found]
    assert abs(np.mean(errors)) < 1.2  # the scan prefers tails that look like a law, which biases by less than an error
    assert np.abs(errors).max() < 4
    assert np.median([fit.xmin for fit in found]) < 4.5
    assert max(fit.D for fit in found) < 0.04


def test_a_body_below_the_tail_is_left_out():
    rng = np.random.default_rng(2)
    values = np.concatenate([pareto(1000, 3.0, rng, xmin=10.0), rng.uniform(5, 10, 3000)])
    fit = tails.power_law(values)
    assert 9 < fit.xmin < 15
    assert fit.num_pl_spikes == np.count_nonzero(values >= fit.xmin)
    assert fit.alpha_error == pytest.approx((fit.alpha - 1) / fit.num_pl_spikes**0.5)


@pytest.mark.parametrize("kind", ["square noise", "long noise", "pareto", "steep", "tied"])
def test_the_scan_agrees_with_the_one_of_the_package(kind):
    rng = np.random.default_rng(3)
    values = {
        "square noise": lambda: noise(80, 80) ** 2,
        "long noise": lambda: noise(80, 300) ** 2,
        "pareto": lambda: pareto(150, 2.2, rng),
        "steep": lambda: pareto(150, 6.0, rng),
        "tied": lambda: np.ceil(7 * pareto(150, 2.5, rng)) / 8,
    }[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = powerlaw.Fit(values, parameter_ranges={"alpha": [1, np.inf]}, verbose=False)
    ours = tails.power_law(values)
    assert (ours.alpha, ours.alpha_error, ours.xmin, ours.D) == pytest.approx(
        (theirs.alpha, theirs.sigma, theirs.xmin, theirs.D), rel=1e-9
    )
    assert ours.num_pl_spikes == theirs.n


def test_units_and_order_do_not_matter_and_zeros_are_left_out():
    values = noise(60, 90) ** 2
    fit, scaled = tails.power_law(values), tails.power_law(np.append(1e-9 * values[::-1], [0, 0]))
    assert scaled.alpha == pytest.approx(fit.alpha, rel=1e-9)
    assert scaled.xmin == pytest.approx(1e-9 * fit.xmin, rel=1e-9)
    assert scaled.num_pl_spikes == fit.num_pl_spikes


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [2.0, 2.0, 2.0, 2.0, 2.0], [3.0, 2.0, 1.0]])
def test_too_few_values_have_no_power_law(values):
    fit = tails.power_law(values)
    assert np.isnan([fit.alpha, fit.alpha_error, fit.xmin, fit.D]).all()
    assert fit.num_pl_spikes == 0


def test_hill_of_the_largest_tenth_is_the_textbook_formula():
    values = pareto(200, 2.7, np.random.default_rng(4))
    exponents, errors = tails.hill(values)
    assert exponents[0] == pytest.approx(1 + 1 / np.mean(np.log(values[:20] / values[20])))
    assert errors[0] == pytest.approx((exponents[0] - 1) / 20**0.5)


def test_hill_finds_one_exponent_in_all_tenths_of_a_power_law():
    rng = np.random.default_rng(5)
    draws = [tails.hill(pareto(500, 3.2, rng)) for _ in range(200)]
    scores = np.array([(1 / (exponents - 1) - 1 / 2.2) * 2.2 * 50**0.5 for exponents, _ in draws])
    assert np.abs(scores.mean(axis=0)).max() < 4 / 200**0.5
    assert scores.std(axis=0) == pytest.approx(np.ones(10), abs=0.25)


def test_hill_says_nan_where_there_is_no_tail():
    exponents, _ = tails.hill([5.0, 4.0, 3.0, 0.0])
    assert np.isnan(exponents[:6]).all()  # empty tenths
    assert np.isfinite(exponents[6:8]).all()
    assert np.isnan(exponents[8:]).all()  # the spacing to zero, and behind it none
    exponents, errors = tails.hill(np.append(np.linspace(9, 5, 40), np.zeros(10)))
    assert np.isfinite(exponents[:7]).all()
    assert np.isnan(exponents[7:]).all()
    assert np.isnan(errors[7:]).all()


def test_norms_are_those_of_the_matrix():
    rng = np.random.default_rng(6)
    matrix = rng.standard_normal((30, 12)) @ rng.standard_normal((12, 50))
    found = tails.norms(np.linalg.svd(matrix, compute_uv=False), 30, 50)
    assert found.norm == pytest.approx(np.linalg.norm(matrix) ** 2)
    assert found.lambda_max == found.spectral_norm == pytest.approx(np.linalg.norm(matrix, 2) ** 2)
    assert found.log_norm == pytest.approx(2 * np.log10(np.linalg.norm(matrix)))
    assert found.log_spectral_norm == pytest.approx(2 * np.log10(np.linalg.norm(matrix, 2)))
    assert found.stable_rank == pytest.approx((np.linalg.norm(matrix) / np.linalg.norm(matrix, 2)) ** 2)
    assert found.matrix_rank == np.linalg.matrix_rank(matrix) == 12


def test_entropy_of_flat_and_of_rank_one_spectra():
    flat, single = tails.norms(np.full(40, 3.0), 40, 70), tails.norms([3.0, 0.0, 0.0], 3, 8)
    assert (flat.entropy, flat.entropy_rank, flat.stable_rank) == pytest.approx((1, 40, 40))
    assert (single.entropy, single.entropy_rank, single.stable_rank, single.matrix_rank) == (0, 1, 1, 1)
    # Two directions with shares 0.9 and 0.1 of the norm: shares are of squares.
    two = tails.norms(np.sqrt([0.9, 0.1]), 2, 2)
    assert two.entropy == pytest.approx(-(0.9 * np.log2(0.9) + 0.1 * np.log2(0.1)))


def test_a_matrix_of_zeros_has_no_shares():
    zero = tails.norms(np.zeros(5), 5, 8)
    assert (zero.norm, zero.matrix_rank, zero.log_norm) == (0, 0, -np.inf)
    assert np.isnan([zero.entropy, zero.entropy_rank, zero.stable_rank]).all()
    against = tails.signal(np.zeros(5), 5, 8, noise_std=0.0, bound_lower=0.0, bound_upper=0.0)
    assert np.isnan([against.sigma_mp, against.mp_softrank, against.energy_above]).all()
    assert np.isnan(list(tails.alpha_norms(np.zeros(5), 2.0).values())).all()


def test_alpha_norms_are_sums_of_powers():
    values = np.array([9.0, 4.0, 0.5, 0.0])
    found = tails.alpha_norms(values, 2.5)
    assert found["alpha_weighted"] == pytest.approx(2.5 * np.log10(9))
    assert found["log_alpha_norm"] == pytest.approx(np.log10(np.sum(values**2.5)))
    assert tails.alpha_norms(values, 2000.0)["log_alpha_norm"] == pytest.approx(2000 * np.log10(9))
    assert np.isnan(list(tails.alpha_norms(values, np.nan).values())).all()


def test_noise_is_all_noise_and_a_planted_value_is_not():
    values, std = noise(100, 400), 1.0
    bounds = {"noise_std": std, "bound_lower": 9.7, "bound_upper": 30.3}
    found = tails.signal(values, 100, 400, **bounds)
    assert found.sigma_mp == pytest.approx(1, abs=0.02)
    assert found.mp_softrank == pytest.approx(1, abs=0.05)
    assert (found.num_spikes, found.energy_above, found.energy_below) == (0, 0, 0)
    values[:2], values[-3:] = [60.0, 40.0], [1.0, 0.5, 0.2]
    found = tails.signal(values, 100, 400, **bounds)
    total = np.sum(values**2)
    assert found.num_spikes == 2
    assert found.energy_above == pytest.approx((60**2 + 40**2) / total)
    assert found.energy_below == pytest.approx((1 + 0.5**2 + 0.2**2) / total)
    assert found.mp_softrank == pytest.approx((10 + 20) ** 2 / 60**2)
    assert found.sigma_mp == pytest.approx(1 / np.sqrt(total / 40000))
