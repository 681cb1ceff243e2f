"""What is drawn, and the shares that are counted in it."""

import math

import numpy as np
import pytest
import samples
import torch
from scipy.stats import binom
from shares import Share


@pytest.mark.parametrize("kind", [*samples.KINDS, samples.HEAVY_TAILED])
def test_noise_has_the_kurtosis_of_its_distribution_and_the_precision_of_its_storage(kind):
    entries = samples.noise(kind, 4, 100, 200, np.random.default_rng(0))
    assert entries.dtype == (torch.bfloat16 if kind.endswith("bf16") else torch.float32)
    assert entries.shape == (4, 100, 200)
    values = entries.double().numpy().ravel()
    assert values.std() == pytest.approx(samples.ENTRY_STD, rel=0.02)
    kurtosis = (values**4).mean() / (values**2).mean() ** 2
    if kind != samples.HEAVY_TAILED:
        assert kurtosis == pytest.approx(1.8 if kind.startswith("uniform") else 3, rel=0.02)
    else:
        assert kurtosis > 5


def test_singular_values_are_those_of_lapack():
    matrices = samples.noise(samples.KINDS[0], 3, 20, 50, np.random.default_rng(1))
    expected = np.linalg.svd(matrices.double().numpy(), compute_uv=False)
    np.testing.assert_allclose(samples.singular_values(matrices), expected, rtol=1e-10)


def test_planted_spikes_are_the_singular_values_of_what_is_planted():
    strengths, shape = np.array([5.0, 3.0, 2.0]), (30, 80)
    noisy = samples.planted(*shape, strengths, np.random.default_rng(2))
    noise = samples.planted(*shape, np.array([]), np.random.default_rng(2))
    values = np.linalg.svd(noisy - noise, compute_uv=False)
    # Unit noise has entries of variance 1 / 80, so that the threshold is (30 * 80)**(1/4) / 80**(1/2).
    np.testing.assert_allclose(values[:3], strengths * (30 / 80) ** 0.25, rtol=1e-10)
    assert values[3] < 1e-10
    assert noise.std() == pytest.approx(80**-0.5, rel=0.05)


@pytest.mark.parametrize(("hits", "trials"), [(0, 20), (3, 20), (20, 20), (50, 1000)])
def test_an_interval_ends_where_what_was_found_becomes_rarer_than_one_in_forty(hits, trials):
    share = Share(hits, trials)
    assert share.value == hits / trials
    if hits:
        assert binom.sf(hits - 1, trials, share.low) == pytest.approx(0.025)
    else:
        assert share.low == 0
    if hits < trials:
        assert binom.cdf(hits, trials, share.high) == pytest.approx(0.025)
    else:
        assert share.high == 1


def test_shares_are_written_in_per_cent():
    assert str(Share(50, 1000)) == "5.0 % (3.7 to 6.5)"
    assert math.isclose(Share(1, 4).value, 0.25)
