"""The rule itself; that its counts are WeightWatcher's is seen in bench/ground_truth, which has it."""

import numpy as np
import pytest

from weightspectra.randomness import density_fit
from weightspectra.spectra.law import spikes

SHAPES = [(128, 128), (200, 96), (96, 200)]


def spectrum(shape, strengths=(), seed=0):
    """Noise of variance 1/3 with orthonormal pairs of these strengths, in units of the transition."""
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((side, max(len(strengths), 1))))[0] for side in shape)
    added = (left * spikes.transition(3**-0.5, *shape) * np.append(strengths, 0)[: left.shape[1]]) @ right.T
    return np.linalg.svd(3**-0.5 * rng.standard_normal(shape) + added, compute_uv=False)


@pytest.mark.parametrize("shape", SHAPES)
def test_strong_spikes_are_counted_and_noise_has_none(shape):
    noise = density_fit.spikes(spectrum(shape), *shape)
    assert noise.n_above == 0
    assert noise.entry_std == pytest.approx(3**-0.5, rel=0.05)
    assert density_fit.spikes(spectrum(shape, (4, 3.5, 3)), *shape).n_above == 3


def test_without_values_there_is_nothing_to_count():
    assert density_fit.spikes([], 40, 60) == (0, 0, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_units_orientation_and_order_do_not_matter(shape):
    values = spectrum(shape, (4, 2))
    found = density_fit.spikes(values, *shape)
    other = density_fit.spikes(1e-3 * values[::-1], *shape[::-1])
    assert (1e3 * other.entry_std, 1e3 * other.bound, other.n_above) == pytest.approx(found, rel=1e-3)
