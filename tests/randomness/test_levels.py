"""Level statistics against theory, other routes to the same number, and simulated ensembles."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import gamma, sici
from scipy.stats import kstest

from weightspectra.randomness.noise import noise_spectra
from weightspectra.randomness.spacings import levels, unfolding


def poisson_spacings(n, seed=0):
    spacings = np.random.default_rng(seed).exponential(size=n)
    return spacings / spacings.mean()


def brody_spacings(exponent, n, rng):
    """Draw from Brody's distribution by inverting its distribution function."""
    return (rng.exponential(size=n) ** (1 / (exponent + 1))) / gamma((exponent + 2) / (exponent + 1))


def goe_levels(n, rng):
    """Return the eigenvalues of a GOE matrix, unfolded by the semicircle law; a twentieth at either end is cut."""
    matrix = rng.standard_normal((n, n))
    x = np.linalg.eigvalsh((matrix + matrix.T) / np.sqrt(2)) / (2 * np.sqrt(n))
    x = np.clip(x, -1, 1)[n // 20 : -(n // 20)]
    return n * (0.5 + (x * np.sqrt(1 - x**2) + np.arcsin(x)) / np.pi)


@pytest.fixture(scope="module")
def goe():
    rng = np.random.default_rng(5)
    return [goe_levels(200, rng) for _ in range(100)]


@pytest.fixture(scope="module")
def noise():
    """Return spectra of square Gaussian matrices, as long as those of minilm, unfolded in every way."""
    rng = np.random.default_rng(6)
    spectra = [noise_spectra.draw(384, 384, rng) for _ in range(150)]
    return {
        name: [unfolding.unfold(values, name, 384, 384, 1.0) for values in spectra] for name in unfolding.UNFOLDINGS
    }


def test_distance_to_wigner_is_that_of_an_independent_library():
    spacings = poisson_spacings(80)
    expected = kstest(spacings, lambda s: 1 - np.exp(-np.pi * s**2 / 4)).statistic
    assert levels.wigner_distance(spacings) == pytest.approx(expected, rel=1e-12)


def test_distance_to_wigner_is_small_for_goe_and_large_for_independent_levels(goe):
    assert levels.wigner_distance(np.concatenate([np.diff(found) for found in goe])) < 0.01
    assert levels.wigner_distance(poisson_spacings(20000)) > 0.2


def test_gap_ratio_of_known_spacings():
    assert levels.gap_ratio([1, 2, 4, 1]) == pytest.approx((1 / 2 + 1 / 2 + 1 / 4) / 3)
    assert levels.gap_ratio([1, 2, 0, 0, 4, 4]) == pytest.approx((1 / 2 + 0 + 0 + 1) / 4)


def test_gap_ratio_of_goe_and_of_independent_levels(goe):
    ratios = [levels.gap_ratio(np.diff(found)) for found in goe]
    assert np.mean(ratios) == pytest.approx(0.5307, abs=4 * np.std(ratios) / 10)
    assert levels.gap_ratio(poisson_spacings(50000)) == pytest.approx(2 * np.log(2) - 1, abs=0.005)


@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0, 2.0])
def test_brody_density_has_unit_mass_and_unit_mean(exponent):
    def density(s):
        return float(np.exp(levels.brody_log_density(np.array([s]), np.array([exponent]))[0, 0]))

    assert quad(density, 0, 20)[0] == pytest.approx(1, rel=1e-6)
    assert quad(lambda s: s * density(s), 0, 20)[0] == pytest.approx(1, rel=1e-6)


def test_brody_density_is_poissons_at_zero_and_wigners_at_one():
    s = np.linspace(0.1, 3, 20)
    found = np.exp(levels.brody_log_density(s, np.array([0.0, 1.0])))
    np.testing.assert_allclose(found, [np.exp(-s), np.pi * s / 2 * np.exp(-np.pi * s**2 / 4)], rtol=1e-12)


@pytest.mark.parametrize("exponent", [0.3, 0.957, 1.8])
def test_brody_exponent_maximises_the_likelihood(exponent):
    spacings = brody_spacings(exponent, 400, np.random.default_rng(1))
    best = minimize_scalar(
        lambda b: -levels.brody_log_density(spacings, np.array([b])).sum(), bounds=(0, 3), method="bounded"
    ).x
    found = levels.brody(spacings, np.random.default_rng(0), n_resamples=10)
    assert found.exponent == pytest.approx(best, abs=1e-3)


def test_brody_exponents_of_goe_and_of_independent_levels(goe):
    rng = np.random.default_rng(2)
    assert levels.brody(np.concatenate([np.diff(found) for found in goe]), rng, 10).exponent == pytest.approx(
        0.957, abs=0.03
    )
    assert levels.brody(poisson_spacings(5000), rng, 10).exponent < 0.04


def test_brody_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(3)
    found = [levels.brody(brody_spacings(0.6, 300, rng), rng, 300) for _ in range(200)]
    covered = np.mean([one.low <= 0.6 <= one.high for one in found])
    assert 0.90 <= covered <= 0.98


def test_brody_interval_is_that_of_plain_resampling():
    spacings = brody_spacings(1.0, 200, np.random.default_rng(4))
    rng = np.random.default_rng(5)
    again = [levels.brody(spacings[rng.integers(200, size=200)], rng, n_resamples=1).exponent for _ in range(1000)]
    found = levels.brody(spacings, np.random.default_rng(6))
    np.testing.assert_allclose([found.low, found.high], np.quantile(again, [0.025, 0.975]), atol=0.03)


def test_equal_levels_make_brodys_exponent_vanish_not_fail():
    spacings = np.concatenate([np.zeros(5), brody_spacings(1.0, 200, np.random.default_rng(7))])
    found = levels.brody(spacings, np.random.default_rng(0), 100)
    assert found.exponent == pytest.approx(0, abs=0.01)
    assert np.isfinite(found).all()


def exact_by_break_points(x, length):
    """Return the variance of the count by adding up the stretches over which it is constant."""
    breaks = np.sort(np.concatenate([x, x - length]))
    breaks = np.concatenate([[x[0]], breaks[(breaks > x[0]) & (breaks < x[-1] - length)], [x[-1] - length]])
    middles, stretches = (breaks[1:] + breaks[:-1]) / 2, np.diff(breaks)
    counts = np.searchsorted(x, middles + length) - np.searchsorted(x, middles)
    mean = np.average(counts, weights=stretches)
    return np.average((counts - mean) ** 2, weights=stretches)


@pytest.mark.parametrize("length", [0.01, 0.5, 1, 3.3, 20, 60])
def test_number_variance_is_that_of_the_sliding_interval(length):
    for x in (np.cumsum(poisson_spacings(90)), goe_levels(80, np.random.default_rng(8))):
        [found] = levels.number_variance(x, [length])
        assert found == pytest.approx(exact_by_break_points(x, length), rel=1e-9)


def test_number_variance_is_that_of_random_intervals(goe):
    rng = np.random.default_rng(9)
    for length in (1.0, 5.0, 20.0):
        starts = rng.uniform(goe[0][0], goe[0][-1] - length, 200000)
        counts = np.searchsorted(goe[0], starts + length) - np.searchsorted(goe[0], starts)
        assert levels.number_variance(goe[0], length)[0] == pytest.approx(counts.var(), rel=0.03)


def test_number_variance_of_independent_levels_is_the_length():
    x = np.cumsum(poisson_spacings(100000))
    np.testing.assert_allclose(levels.number_variance(x, [0.5, 2, 10]), [0.5, 2, 10], rtol=0.05)


def test_number_variance_of_even_levels():
    """An interval of length 2.25 holds three levels a quarter of the time, and two otherwise."""
    np.testing.assert_allclose(levels.number_variance(np.arange(1001.0), [2.25, 3.0]), [0.25 * 0.75, 0], atol=1e-3)


def test_an_interval_longer_than_the_levels_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        levels.number_variance(np.arange(10.0), [9.5])


def test_fitting_lengths_are_at_most_a_fifth_of_the_range():
    assert levels.fitting_lengths(np.arange(101.0)) == (0.5, 1, 2, 3, 5, 10, 20)
    assert levels.fitting_lengths(np.arange(100.0)) == (0.5, 1, 2, 3, 5, 10)
    assert levels.fitting_lengths(np.empty(0)) == ()


def test_goe_number_variance_is_the_integral_of_the_cluster_function():
    """L - 2 * integral of (L - r) Y(r), with Y = s**2 + s' * (integral of s from r on) and s = sin(pi r) / (pi r)."""

    def cluster(r):
        s = np.sinc(r)
        return s**2 + (np.cos(np.pi * r) - s) / r * (0.5 - sici(np.pi * r)[0] / np.pi)

    for length in (0.1, 0.5, 1.0, 3.0, 20.0):
        integral = quad(lambda r, length=length: (length - r) * cluster(r), 1e-12, length, limit=200)[0]
        assert float(levels.goe_number_variance(length)) == pytest.approx(length - 2 * integral, rel=1e-6)


def test_goe_number_variance_tends_to_its_logarithm():
    for length in (20.0, 200.0):
        asymptotic = 2 / np.pi**2 * (np.log(2 * np.pi * length) + np.euler_gamma + 1 - np.pi**2 / 8)
        assert float(levels.goe_number_variance(length)) == pytest.approx(asymptotic, rel=0.3 / length)


def test_goe_eigenvalues_have_the_number_variance_of_goe(goe):
    lengths = np.array([0.5, 1, 2, 5, 10])
    found = np.array([levels.number_variance(x, lengths) for x in goe])
    errors = found.std(axis=0) / len(goe) ** 0.5
    assert (np.abs(found.mean(axis=0) - levels.goe_number_variance(lengths)) < 4 * errors).all()


def test_local_unfolding_hides_fluctuations_over_long_distances_and_the_law_does_not(noise):
    """The bias that the methods page states, for 384 levels and a window of 15."""
    lengths = np.array([1.0, 3.0, 5.0, 10.0, 20.0])
    ratios = {
        name: np.mean([levels.number_variance(x, lengths) for x in spectra], axis=0)
        / levels.goe_number_variance(lengths)
        for name, spectra in noise.items()
    }
    np.testing.assert_allclose(ratios["law"], 1, atol=0.05)
    np.testing.assert_allclose(ratios["replicate"][:3], 1, atol=0.03)
    np.testing.assert_allclose(ratios["replicate"][3:], [0.98, 0.87], atol=0.035)
    np.testing.assert_allclose(ratios["drop"], [1.0, 0.99, 0.975, 0.92, 0.755], atol=0.035)


@pytest.mark.parametrize("name", unfolding.UNFOLDINGS)
def test_noise_looks_like_goe_however_it_is_unfolded(noise, name):
    spacings = np.concatenate([np.diff(x) for x in noise[name]])
    assert levels.wigner_distance(spacings) < 0.01
    ratios = [levels.gap_ratio(np.diff(x)) for x in noise[name]]
    assert np.mean(ratios) == pytest.approx(0.5307, abs=4 * np.std(ratios) / len(ratios) ** 0.5)


def test_statistics_are_named_after_the_unfolding_and_the_length(noise):
    x = noise["drop"][0]
    found = levels.statistics(x, "drop")
    assert list(found)[:3] == ["spacing distance/drop", "gap ratio/drop", "number variance/drop/0.5"]
    assert list(found)[-1] == "number variance/drop/30"
    assert found["number variance/drop/5"] == levels.number_variance(x, 5)[0]
    assert found["gap ratio/drop"] == levels.gap_ratio(np.diff(x))
