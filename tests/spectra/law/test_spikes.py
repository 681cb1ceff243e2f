"""Where spikes go when noise is added: against simulation, the formulas for square matrices, and the way back."""

import numpy as np
import pytest

from weightspectra.randomness import cleaning
from weightspectra.spectra.law import spikes


def directions(n, k, rng):
    return np.linalg.qr(rng.standard_normal((n, k)))[0]


@pytest.mark.parametrize(("n_out", "n_in"), [(300, 300), (150, 450), (450, 150)])
def test_simulated_spikes_are_where_they_should_be(n_out, n_in):
    rng, std = np.random.default_rng(n_out), 0.7
    strengths = spikes.transition(std, n_out, n_in) * np.array([4.0, 2.5, 1.6])
    found_values, found_overlaps = [], []
    for _ in range(4):
        left, right = directions(n_out, 3, rng), directions(n_in, 3, rng)
        u, s, vt = np.linalg.svd((left * strengths) @ right.T + std * rng.standard_normal((n_out, n_in)))
        found_values.append(s[:3])
        found_overlaps.append([(u[:, :3] * left).sum(0) ** 2, (vt[:3].T * right).sum(0) ** 2])
    assert np.mean(found_values, axis=0) == pytest.approx(spikes.positions(strengths, std, n_out, n_in), rel=0.02)
    expected = np.array(spikes.overlaps(strengths, std, n_out, n_in))
    assert np.mean(found_overlaps, axis=0) == pytest.approx(expected, abs=0.06)


def test_square_matrices_have_the_simple_formulas():
    tau = spikes.transition(0.1, 64, 64)
    assert tau == pytest.approx(0.8)
    theta = np.array([1.0, 3.0])
    assert spikes.positions(theta, 0.1, 64, 64) == pytest.approx(theta + tau**2 / theta)
    for side in spikes.overlaps(theta, 0.1, 64, 64):
        assert side == pytest.approx(1 - tau**2 / theta**2)


def test_weak_spikes_leave_no_trace():
    weak = np.array([0.0, 0.79])
    assert np.isnan(spikes.positions(weak, 0.1, 64, 64)).all()
    assert not np.any(spikes.overlaps(weak, 0.1, 64, 64))


@pytest.mark.parametrize(("n_out", "n_in"), [(64, 64), (40, 160), (160, 40)])
def test_cleaning_goes_the_way_back(n_out, n_in):
    strengths = spikes.transition(0.1, n_out, n_in) * np.array([5.0, 2.0, 1.01])
    found = cleaning.without_repulsion(spikes.positions(strengths, 0.1, n_out, n_in), 0.1, n_out, n_in)
    assert found == pytest.approx(strengths)
