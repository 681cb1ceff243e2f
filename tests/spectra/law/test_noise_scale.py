"""Scales of noise: exact on the law's own quantiles, and unmoved by the outliers that were left out."""

import numpy as np
import pytest
from scipy import integrate

from weightspectra.spectra.law import marchenko_pastur, noise_scale

SHAPES = [(400, 400), (800, 400), (3200, 400)]


def quantiles(long_side, short_side, std=1.0):
    q = long_side / short_side
    grid = np.linspace(1 - q**-0.5, 1 + q**-0.5, 40001)
    values = np.interp((np.arange(short_side) + 0.5) / short_side, marchenko_pastur.cdf(grid, q), grid)
    return std * long_side**0.5 * values


@pytest.mark.parametrize(("long_side", "short_side"), SHAPES)
@pytest.mark.parametrize("std", [0.02, 3.0])
def test_the_laws_own_quantiles_give_its_scale(long_side, short_side, std):
    found = noise_scale.entry_std_by_trimming(quantiles(long_side, short_side, std), long_side, short_side)
    assert found == pytest.approx(std, rel=1e-4)


@pytest.mark.parametrize("aspect_ratio", [1.0, 1.3, 4.0, 50.0])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.1, 0.9), (0.5, 0.75)])
def test_central_mean_is_the_integral_of_the_density(aspect_ratio, low, high):
    grid = np.linspace(1 - aspect_ratio**-0.5, 1 + aspect_ratio**-0.5, 100001)
    first, last = np.interp([low, high], marchenko_pastur.cdf(grid, aspect_ratio), grid)
    mass, _ = integrate.quad(lambda s: s**2 * marchenko_pastur.density(s, aspect_ratio), first, last, limit=200)
    assert noise_scale.central_mean(aspect_ratio, low, high) == pytest.approx(mass / (high - low), rel=2e-6)


def test_the_whole_law_has_mean_one():
    assert noise_scale.central_mean(2.5, 0.0, 1.0) == pytest.approx(1, abs=1e-6)


def test_values_that_no_noise_matrix_has_are_refused():
    with pytest.raises(ValueError, match="expected 400 singular values"):
        noise_scale.entry_std_by_trimming(np.ones(399), 800, 400)


def test_trimming_scatters_less_than_the_median():
    rng = np.random.default_rng(3)
    by_trimming, by_median = [], []
    for _ in range(200):
        values = np.linalg.svd(rng.standard_normal((60, 60)), compute_uv=False)
        by_trimming.append(noise_scale.entry_std_by_trimming(values, 60, 60))
        by_median.append(marchenko_pastur.entry_std_by_median(values, 60, 60))
    assert np.std(by_trimming) < 0.7 * np.std(by_median)
    assert np.mean(by_trimming) == pytest.approx(1, abs=0.005)


def test_initial_scale_is_that_of_version_one():
    assert noise_scale.initial_entry_std(3072, 768) == noise_scale.initial_entry_std(768, 3072) == 768**-0.5
