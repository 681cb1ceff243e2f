"""The Marchenko-Pastur law against quadrature, its eigenvalue form, and simulated matrices."""

import dataclasses

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

from weightspectra.spectra.law import marchenko_pastur as mp

ASPECT_RATIOS = [1.0, 1.01, 1.5, 3.5, 4.0, 10.0, 37.0, 100.0]
FIVE_SHAPES = [(400, 400), (200, 700), (700, 200), (150, 600), (100, 1000)]


def spectrum_of_noise(n_out, n_in, entry_std, seed):
    rng = np.random.default_rng(seed)
    return scipy.linalg.svd(entry_std * rng.standard_normal((n_out, n_in)), compute_uv=False)


def eigenvalue_integral(function, aspect_ratio, upper=None):
    """Integrate over the textbook law of eigenvalues, x in units of scale**2, with its square-root edges as weights.

    Independent of the module: another variable, another formula, another quadrature.
    """
    g = 1 / aspect_ratio
    low, high = (1 - g**0.5) ** 2, (1 + g**0.5) ** 2
    end = high if upper is None else upper
    if end < high:
        value, _ = scipy.integrate.quad(
            lambda x: function(x) * np.sqrt(high - x) / (2 * np.pi * g * x), low, end, weight="alg", wvar=(0.5, 0)
        )
        return value
    return scipy.integrate.quad(lambda x: function(x) / (2 * np.pi * g * x), low, high, weight="alg", wvar=(0.5, 0.5))[
        0
    ]


@pytest.mark.parametrize("scale", [1.0, 0.03, 20.0])
@pytest.mark.parametrize("aspect_ratio", ASPECT_RATIOS)
def test_density_has_unit_mass(aspect_ratio, scale):
    lower, upper = scale * (1 - aspect_ratio**-0.5), scale * (1 + aspect_ratio**-0.5)
    mass, _ = scipy.integrate.quad(lambda nu: float(mp.density(nu, aspect_ratio, scale)), lower, upper, epsabs=1e-11)
    assert mass == pytest.approx(1, abs=1e-8)
    assert mp.density([0.99 * lower - 1e-9, 1.01 * upper], aspect_ratio, scale).tolist() == [0, 0]


@pytest.mark.parametrize("aspect_ratio", ASPECT_RATIOS)
def test_second_moment_is_the_entries_variance(aspect_ratio):
    """The mean of s**2 is n_in * n_out * variance / min(n_out, n_in) = scale**2; catches scale for its square."""
    scale = 0.7
    lower, upper = scale * (1 - aspect_ratio**-0.5), scale * (1 + aspect_ratio**-0.5)
    moment, _ = scipy.integrate.quad(lambda nu: nu**2 * float(mp.density(nu, aspect_ratio, scale)), lower, upper)
    assert moment == pytest.approx(scale**2, rel=1e-7)


@pytest.mark.parametrize("scale", [1.0, 0.03, 20.0])
@pytest.mark.parametrize("aspect_ratio", ASPECT_RATIOS)
def test_cdf_is_the_integral_of_the_density(aspect_ratio, scale):
    lower, upper = scale * (1 - aspect_ratio**-0.5), scale * (1 + aspect_ratio**-0.5)
    points = np.linspace(lower, upper, 9)
    expected = [
        scipy.integrate.quad(lambda nu: float(mp.density(nu, aspect_ratio, scale)), lower, point, epsabs=1e-11)[0]
        for point in points
    ]
    np.testing.assert_allclose(mp.cdf(points, aspect_ratio, scale), expected, atol=1e-8)
    np.testing.assert_allclose(mp.cdf([0.0, lower, upper, 2 * upper], aspect_ratio, scale), [0, 0, 1, 1], atol=1e-12)


def test_square_law_is_the_quarter_circle():
    nu = np.linspace(0, 2, 21)
    np.testing.assert_allclose(mp.density(nu, 1.0), np.sqrt(4 - nu**2) / np.pi, rtol=1e-14)
    expected = (nu * np.sqrt(4 - nu**2) / 2 + 2 * np.arcsin(nu / 2)) / np.pi
    np.testing.assert_allclose(mp.cdf(nu, 1.0), expected, atol=1e-14)


@pytest.mark.parametrize("aspect_ratio", ASPECT_RATIOS[1:])
def test_median_halves_the_eigenvalue_law(aspect_ratio):
    median = mp.median_eigenvalue(aspect_ratio)
    assert eigenvalue_integral(lambda x: 1.0, aspect_ratio) == pytest.approx(1, abs=1e-9)
    assert eigenvalue_integral(lambda x: 1.0, aspect_ratio, upper=median) == pytest.approx(0.5, abs=1e-9)


def test_median_of_square_matrices_halves_the_quarter_circle():
    root = np.sqrt(mp.median_eigenvalue(1.0))
    assert scipy.integrate.quad(lambda nu: np.sqrt(4 - nu**2) / np.pi, 0, root)[0] == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("shape", FIVE_SHAPES)
def test_median_matches_simulation(shape):
    values = spectrum_of_noise(*shape, 1.0, seed=1)
    expected = mp.median_eigenvalue(mp.aspect_ratio(*shape))
    assert np.median(values**2) / max(shape) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("shape", FIVE_SHAPES)
@pytest.mark.parametrize("entry_std", [0.02, 1.0, 30.0])
def test_noise_stays_inside_the_edges_and_its_strength_is_found(shape, entry_std):
    found = mp.fit(spectrum_of_noise(*shape, entry_std, seed=2), *shape)
    assert found.n_below + found.n_above <= 2
    assert found.n_values == min(shape)
    assert found.entry_std == pytest.approx(entry_std, rel=0.01)
    assert found.scale == pytest.approx(found.entry_std * max(shape) ** 0.5, rel=1e-14)
    q = max(shape) / min(shape)
    assert found.aspect_ratio == q
    assert found.edge_lower == pytest.approx(found.scale * (1 - q**-0.5), rel=1e-12, abs=1e-12)
    assert found.edge_upper == pytest.approx(found.scale * (1 + q**-0.5), rel=1e-12)


@pytest.mark.parametrize("shape", [(300, 300), (200, 700), (700, 200)])
@pytest.mark.parametrize(("strength", "n_found"), [(1.6, 4), (0.7, 0)])
def test_spikes_are_found_above_the_transition_only(shape, strength, n_found):
    """A planted singular value leaves the bulk when it exceeds entry_std * (n_out * n_in)**(1/4)."""
    rng = np.random.default_rng(3)
    n_spikes, entry_std = 4, 0.1
    left, right = (np.linalg.qr(rng.standard_normal((n, n_spikes)))[0] for n in shape)
    noise = entry_std * rng.standard_normal(shape)
    threshold = entry_std * (shape[0] * shape[1]) ** 0.25
    found = mp.fit(scipy.linalg.svd(noise + strength * threshold * left @ right.T, compute_uv=False), *shape)
    background = mp.fit(scipy.linalg.svd(noise, compute_uv=False), *shape)
    assert abs(found.n_above - background.n_above - n_found) <= (0 if n_found else 1)
    assert found.n_below == background.n_below


def test_values_planted_below_the_bulk_are_found():
    values = spectrum_of_noise(200, 800, 0.5, seed=4)
    clean = mp.fit(values, 200, 800)
    values[-7:] = 0.5 * clean.edge_lower
    assert mp.fit(values, 200, 800).n_below == 7


@pytest.mark.parametrize("factor", [1e-3, 2.0, 1e4])
def test_fit_is_equivariant_under_scaling(factor):
    values = np.append(spectrum_of_noise(120, 300, 1.0, seed=5)[:-3], [1.0, 50.0, 60.0])
    plain, scaled = mp.fit(values, 120, 300), mp.fit(factor * values, 120, 300)
    for name, value in dataclasses.asdict(plain).items():
        expected = value * factor if name in ("entry_std", "scale", "edge_lower", "edge_upper") else value
        assert getattr(scaled, name) == pytest.approx(expected, rel=1e-12)


def test_fit_does_not_mind_orientation_or_order():
    values = spectrum_of_noise(60, 200, 1.0, seed=6)
    assert mp.fit(values, 60, 200) == mp.fit(values[::-1], 200, 60)


def test_zero_matrix_has_no_noise_and_nothing_outside():
    found = mp.fit(np.zeros(5), 5, 9)
    assert (found.entry_std, found.edge_upper, found.n_below, found.n_above) == (0, 0, 0, 0)


def test_values_on_an_edge_are_inside():
    assert mp.count_outside([1.0, 2.0, 3.0], 1.0, 3.0) == (0, 0)
    assert mp.count_outside([0.9, 2.0, 3.1, 3.2], 1.0, 3.0) == (1, 2)


def test_part_of_a_spectrum_is_refused():
    with pytest.raises(ValueError, match=r"expected all 60 singular values, found an array of shape \(59,\)"):
        mp.fit(np.ones(59), 60, 200)
