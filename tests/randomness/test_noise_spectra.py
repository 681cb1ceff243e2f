"""Noise spectra against singular values of noise matrices, exact moments and the determinant."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from weightspectra.randomness.noise import noise_spectra

SHAPES = [(40, 40), (60, 40), (160, 40)]
N_DRAWS = 400


def drawn(long_side, short_side, seed=0, n_draws=N_DRAWS):
    rng = np.random.default_rng(seed)
    return np.array([noise_spectra.draw(long_side, short_side, rng) for _ in range(n_draws)])


def decomposed(long_side, short_side):
    rng = np.random.default_rng(1)
    return np.linalg.svd(rng.standard_normal((N_DRAWS, long_side, short_side)), compute_uv=False)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_values_are_distributed_as_those_of_gaussian_matrices(shape):
    ours, true = drawn(*shape), decomposed(*shape)
    for rank in (0, 1, 20, -2, -1):
        assert ks_2samp(ours[:, rank], true[:, rank]).pvalue > 0.01, rank
    assert ks_2samp(ours.ravel(), true.ravel()).pvalue > 0.01


@pytest.mark.parametrize(("long_side", "short_side"), SHAPES)
def test_neighbours_are_distributed_jointly_as_those_of_gaussian_matrices(long_side, short_side):
    ours, true = drawn(long_side, short_side), decomposed(long_side, short_side)
    for rank in (0, 20, short_side - 2):
        gaps = [values[:, rank] - values[:, rank + 1] for values in (ours, true)]
        assert ks_2samp(*gaps).pvalue > 0.01


@pytest.mark.parametrize(("long_side", "short_side"), SHAPES)
def test_norm_and_fourth_moment_are_those_of_theory(long_side, short_side):
    """The squared norm is a chi-squared variable, and tr(M M')**2 has mean L S (L + S + 1)."""
    squares = drawn(long_side, short_side, seed=2, n_draws=2000) ** 2
    n_entries = long_side * short_side
    norms, fourth = squares.sum(axis=1), (squares**2).sum(axis=1)
    assert abs(norms.mean() - n_entries) < 4 * (2 * n_entries / 2000) ** 0.5
    assert norms.var() == pytest.approx(2 * n_entries, rel=0.15)
    expected = n_entries * (long_side + short_side + 1)
    assert abs(fourth.mean() - expected) < 4 * fourth.std() / 2000**0.5


def test_values_come_largest_first_and_repeat_with_the_seed():
    values = noise_spectra.draw(70, 50, np.random.default_rng(3))
    assert values.shape == (50,)
    assert (np.diff(values) < 0).all()
    assert (values > 0).all()
    np.testing.assert_array_equal(values, noise_spectra.draw(70, 50, np.random.default_rng(3)))


def test_a_single_column_is_a_chi_variable():
    values = np.array([noise_spectra.draw(9, 1, np.random.default_rng(seed))[0] for seed in range(2000)])
    assert (values**2).mean() == pytest.approx(9, abs=4 * (18 / 2000) ** 0.5)


@pytest.mark.parametrize("smallest", [1e-3, 1e-6, 1e-9, 1e-14])
def test_the_smallest_value_keeps_its_digits(smallest):
    """The product of all singular values is the determinant: the product of the diagonal."""
    rng = np.random.default_rng(4)
    diagonal, beside = rng.uniform(1, 20, 60), rng.uniform(0.01, 1, 59)
    diagonal[-1] = smallest
    values = noise_spectra.bidiagonal_singular_values(diagonal, beside)
    from_determinant = np.exp(np.log(diagonal).sum() - np.log(values[:-1]).sum())
    assert values[-1] == pytest.approx(from_determinant, rel=1e-6)


@pytest.mark.parametrize("smallest", [1.0, 1e-9])
def test_bidiagonal_values_are_those_of_a_full_decomposition(smallest):
    rng = np.random.default_rng(5)
    diagonal, beside = rng.uniform(1, 20, 30), rng.uniform(0.5, 9, 29)
    diagonal[3] = smallest
    expected = np.linalg.svd(np.diag(diagonal) + np.diag(beside, 1), compute_uv=False)
    np.testing.assert_allclose(
        noise_spectra.bidiagonal_singular_values(diagonal, beside)[:-1], expected[:-1], rtol=1e-12
    )


@pytest.mark.parametrize("sides", [(3, 4), (4, 0)])
def test_impossible_shapes_are_refused(sides):
    with pytest.raises(ValueError, match="long_side >= short_side >= 1"):
        noise_spectra.draw(*sides, np.random.default_rng(0))
