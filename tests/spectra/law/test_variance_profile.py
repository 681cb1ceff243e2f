"""Noise of unequal variance: its tests against their nulls, its bounds against simulation and the homogeneous ones."""

import numpy as np
import pytest
from scipy import stats

from weightspectra.spectra.law import edges, variance_profile
from weightspectra.spectra.law.dyson import Side


def lognormal(spread, size, rng):
    return np.exp(spread * rng.standard_normal(size))


def profiled(n_out, n_in, spread, rng):
    """Draw Gaussian noise whose rows and columns have log-normal variances."""
    variances = lognormal(spread, n_out, rng)[:, None] * lognormal(spread, n_in, rng)
    return rng.standard_normal((n_out, n_in)) * np.sqrt(variances)


def spectrum(matrix):
    return np.linalg.svd(matrix, compute_uv=False)


def fit(matrix, **options):
    squares = matrix**2
    return variance_profile.fit(spectrum(matrix), squares.mean(axis=1), squares.mean(axis=0), **options)


def spikes(n_out, n_in, strengths, rng):
    """Draw a matrix of random directions with these singular values."""
    left, _ = np.linalg.qr(rng.standard_normal((n_out, len(strengths))))
    right, _ = np.linalg.qr(rng.standard_normal((n_in, len(strengths))))
    return (left * strengths) @ right.T


@pytest.mark.parametrize("draw", ["standard_normal", "random", "laplace"])
@pytest.mark.parametrize("shape", [(40, 300), (300, 40)])
def test_p_values_of_homogeneous_noise_are_uniform(draw, shape):
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(200):
        matrix = getattr(rng, draw)(size=shape) - (0.5 if draw == "random" else 0)
        kurtosis = stats.kurtosis(matrix, axis=None)
        p_values.append(variance_profile.homogeneity((matrix**2).mean(axis=1), shape[1], kurtosis)[0])
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("side", [0, 1])
def test_unequal_variances_are_found_and_measured(side):
    rng = np.random.default_rng(2)
    matrix = rng.standard_normal((500, 800))
    spread = rng.choice([0.9, 1.1], matrix.shape[side])  # relative standard deviation 0.1
    matrix *= np.sqrt(spread[:, None] if side == 0 else spread)
    kurtosis = stats.kurtosis(matrix, axis=None)
    found = [
        variance_profile.homogeneity((matrix**2).mean(axis=1 - axis), matrix.shape[1 - axis], kurtosis)
        for axis in (0, 1)
    ]
    assert found[side][0] < 1e-20
    assert found[side][1] == pytest.approx(0.1, rel=0.1)
    assert found[1 - side][0] > 1e-3
    assert found[1 - side][1] < 0.03


def test_the_relative_variance_is_unbiased():
    values = np.array([1.0, 2.0, 6.0])
    assert variance_profile.relative_variance(values) == pytest.approx((2**2 + 1**2 + 3**2) / 2 / 3**2)
    assert variance_profile.relative_variance(values[:1]) == 0


def test_equal_mean_squares_are_homogeneous_whatever_the_kurtosis():
    for kurtosis in (0.0, -2.0, float("nan")):
        assert variance_profile.homogeneity(np.full(8, 0.25), 10, kurtosis) == (1.0, 0.0)


@pytest.mark.parametrize("shape", [(200, 200), (210, 200), (260, 200), (800, 200)])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_bounds_of_equal_variances_are_those_of_homogeneous_noise(shape, level):
    n_long, n_short = shape
    found = variance_profile.bounds(Side(np.full(n_short, 2.0)), Side(np.full(n_long, 4.5)), level)
    assert found == pytest.approx([3 * bound for bound in edges.bounds(1.0, *shape, level)], rel=1e-9)


@pytest.mark.parametrize("excess", [0, 6])
def test_the_hard_edge_scales_with_the_density_at_zero(excess):
    rng = np.random.default_rng(excess)
    rows, columns = np.repeat([1.0, 4.0], 25), np.repeat([0.5, 3.0], 25 + excess // 2)
    values = np.linalg.svd(
        rng.standard_normal((3000, rows.size, columns.size)) * np.sqrt(rows[:, None] * columns), compute_uv=False
    )
    lower, upper = variance_profile.bounds(Side(rows), Side(columns), 0.1)
    # 3000 draws: two and a half standard errors about 5 %.
    assert 0.04 < (values[:, -1] < lower).mean() < 0.06
    assert 0.04 < (values[:, 0] > upper).mean() < 0.06


@pytest.mark.parametrize("shape", [(90, 220), (150, 150)])
def test_the_profile_explains_what_it_alone_has_made(shape):
    """The homogeneous law calls several values of such noise outliers; the profile's bounds hold their level."""
    rng = np.random.default_rng(3)
    alarms, homogeneous = [], []
    for _ in range(80):
        matrix = profiled(*shape, 0.3, rng)
        found = fit(matrix, excess_kurtosis=stats.kurtosis(matrix, axis=None))
        alarms.append(found.n_below + found.n_above > 0)
        against = edges.fit(spectrum(matrix), *shape)
        homogeneous.append(against.n_below + against.n_above)
    assert np.mean(alarms) <= 0.125  # at 5 % more than ten of eighty have a probability of 3e-3
    assert np.mean(homogeneous) > 4


def test_homogeneous_noise_raises_no_more_false_alarms_than_it_may():
    """Its measured mean squares stray by chance, which must neither hide outliers nor make them."""
    rng = np.random.default_rng(4)
    alarms, ratios = [], []
    for _ in range(150):
        matrix = rng.standard_normal((60, 130))
        found, homogeneous = fit(matrix), edges.fit(spectrum(matrix), 60, 130)
        alarms.append((found.n_below > 0, found.n_above > 0))
        ratios.append((found.bound_lower / homogeneous.bound_lower, found.bound_upper / homogeneous.bound_upper))
    assert np.all((np.mean(alarms, axis=0) > 0) & (np.mean(alarms, axis=0) < 0.07))
    assert np.mean(ratios, axis=0) == pytest.approx([1, 1], abs=0.01)


def test_planted_directions_are_found_beyond_a_profile():
    rng = np.random.default_rng(5)
    noise = profiled(150, 400, 0.2, rng)
    edge = fit(noise).edge_upper
    for count in (3, 20):
        found = fit(noise + spikes(150, 400, np.linspace(1.5, 3.0, count) * edge, rng))
        assert (found.n_below, found.n_above) == (0, count)
        assert found.noise_std == pytest.approx(fit(noise).noise_std, rel=0.03)


@pytest.mark.parametrize("shape", [(120, 200), (120, 120)])
def test_the_scale_of_equal_variances_is_that_of_homogeneous_noise(shape):
    """Also when a sixth of all directions is structure, which takes rows and columns from the noise."""
    rng = np.random.default_rng(13)
    values = spectrum(rng.standard_normal(shape) + spikes(*shape, np.linspace(60, 80, 20), rng))
    found = variance_profile.fit(values, np.ones(shape[0]), np.ones(shape[1]))
    homogeneous = edges.fit(values, *shape)
    assert found.n_above == homogeneous.n_above == 20
    assert found.noise_std == pytest.approx(homogeneous.noise_std, rel=1e-6)


def test_scale_and_orientation_do_not_matter():
    matrix = profiled(60, 150, 0.5, np.random.default_rng(6))
    one, turned = fit(matrix), fit(7 * matrix.T)
    for name in ("noise_std", "edge_lower", "edge_upper", "bound_lower", "bound_upper"):
        assert getattr(turned, name) == pytest.approx(7 * getattr(one, name), rel=1e-6)
    assert one.bound_lower < one.edge_lower < one.edge_upper


def test_noise_std_is_that_of_the_entries():
    matrix = 0.02 * profiled(300, 500, 0.3, np.random.default_rng(7))
    assert fit(matrix).noise_std == pytest.approx(np.sqrt((matrix**2).mean()), rel=0.01)


@pytest.mark.parametrize("shape", [(50, 120), (80, 84)])
def test_rows_and_columns_of_zeros_change_nothing(shape):
    rng = np.random.default_rng(8)
    matrix = profiled(*shape, 0.4, rng)
    padded = np.zeros((shape[0] + 7, shape[1] + 20))
    padded[3 : 3 + shape[0], 5 : 5 + shape[1]] = matrix
    one, other = fit(matrix), fit(padded)
    assert other.bound_upper == pytest.approx(one.bound_upper, rel=1e-9)
    assert other.bound_lower == pytest.approx(one.bound_lower, rel=1e-9)
    assert (other.n_below, other.n_above) == (one.n_below, one.n_above)


def test_a_strong_row_is_an_outlier_of_homogeneous_noise_only():
    rng = np.random.default_rng(9)
    matrix = rng.standard_normal((100, 300))
    matrix[7] *= 30
    assert edges.fit(spectrum(matrix), 100, 300).n_above == 1
    found = fit(matrix)
    assert (found.n_below, found.n_above) == (0, 0)
    assert found.bound_upper == pytest.approx(spectrum(matrix)[0], rel=0.1)


def test_a_matrix_of_zeros_has_no_noise():
    found = fit(np.zeros((4, 6)))
    assert (found.noise_std, found.bound_lower, found.bound_upper, found.n_below, found.n_above) == (0, 0, 0, 0, 0)


def test_a_matrix_of_rank_one_is_one_outlier():
    matrix = spikes(40, 60, [5.0], np.random.default_rng(10))
    assert fit(matrix + 1e-6 * np.random.default_rng(11).standard_normal(matrix.shape)).n_above == 1


def test_density_has_unit_mass():
    found = fit(profiled(80, 200, 0.5, np.random.default_rng(12)))
    values = np.linspace(0.9 * found.edge_lower, 1.1 * found.edge_upper, 2000)
    assert np.trapezoid(found.density(values), values) == pytest.approx(1, abs=2e-3)


def test_a_part_of_a_spectrum_is_refused():
    with pytest.raises(ValueError, match="expected all 4 singular values, found 3"):
        variance_profile.fit(np.ones(3), np.ones(4), np.ones(6))
