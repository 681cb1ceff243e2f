"""Unfolding against a plain double loop, invariances, and levels whose places are known."""

import numpy as np
import pytest
from scipy.stats import norm

from weightspectra.randomness.spacings import unfolding
from weightspectra.randomness.spacings.unfolding import CannotUnfold
from weightspectra.spectra.law import marchenko_pastur


def uneven_levels(n, seed=0):
    """Levels whose density falls by a factor of a hundred from one end to the other."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.exponential(size=n) * np.geomspace(1, 100, n))


def by_double_loop(levels, ends, window):
    """Return the same from the definition, one Gaussian and one level at a time."""
    x = sorted(levels)
    n = len(x)
    gaussians = []
    for k in range(n):
        if ends == "drop" and not window <= k < n - window:
            continue
        right, left = min(k + window, n - 1), max(k - window, 0)
        gaussians.append((x[k], (x[right] - x[left]) / 2))
    kept = [centre for centre, _ in gaussians][window : len(gaussians) - window]
    unfolded = np.array([sum(norm.cdf(point, centre, sd) for centre, sd in gaussians) for point in kept])
    return (unfolded - unfolded[0]) / np.diff(unfolded).mean()


@pytest.mark.parametrize("ends", ["replicate", "drop"])
@pytest.mark.parametrize("window", [3, 15])
def test_the_band_of_neighbours_gives_what_all_gaussians_give(ends, window):
    levels = uneven_levels(150)
    found = unfolding.local(levels, ends, window)
    np.testing.assert_allclose(found - found[0], by_double_loop(levels, ends, window), atol=1e-9)


@pytest.mark.parametrize(("ends", "n_lost"), [("replicate", 30), ("drop", 60)])
def test_the_outermost_levels_are_left_out(ends, n_lost):
    assert unfolding.local(uneven_levels(200), ends).size == 200 - n_lost
    assert unfolding.n_unfolded(200, ends) == 200 - n_lost


@pytest.mark.parametrize("name", ["replicate", "drop", "law"])
def test_unfolded_levels_ascend_with_mean_distance_one_whatever_the_order(name):
    values = np.linalg.svd(np.random.default_rng(1).standard_normal((150, 120)), compute_uv=False)
    found = unfolding.unfold(values, name, 150, 120, 1.0)
    spacings = np.diff(found)
    assert (spacings > 0).all()
    assert spacings.mean() == pytest.approx(1)
    assert found.size == unfolding.n_unfolded(120, name)
    np.testing.assert_array_equal(found, unfolding.unfold(values[::-1], name, 150, 120, 1.0))


@pytest.mark.parametrize("ends", ["replicate", "drop"])
def test_local_unfolding_knows_no_scale_and_no_origin(ends):
    levels = uneven_levels(200)
    moved = np.diff(unfolding.local(levels * 37 + 1000, ends))
    np.testing.assert_allclose(moved, np.diff(unfolding.local(levels, ends)), rtol=1e-9)


def test_local_unfolding_leaves_even_levels_even():
    """Away from the ends, where the density of levels falls and the Gaussians see it fall too early."""
    spacings = np.diff(unfolding.local(0.3 * np.arange(400) + 5))[70:-70]
    np.testing.assert_allclose(spacings, spacings.mean(), rtol=1e-3)
    assert spacings.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("long_side", "short_side"), [(100, 100), (400, 100)])
def test_levels_at_the_quantiles_of_the_law_become_even(long_side, short_side):
    q, noise_std = long_side / short_side, 0.3
    grid = np.linspace(*marchenko_pastur.edges(noise_std, long_side, short_side), 200001)
    shares = marchenko_pastur.cdf(grid, q, noise_std * long_side**0.5)
    levels = np.interp((np.arange(short_side) + 0.5) / short_side, shares, grid)
    found = unfolding.by_law(levels, long_side, short_side, noise_std)
    assert found.size == short_side - 30
    np.testing.assert_allclose(np.diff(found), 1, atol=1e-3)


def test_levels_outside_the_law_are_left_out():
    values = np.linalg.svd(np.random.default_rng(2).standard_normal((100, 100)), compute_uv=False)
    found = unfolding.by_law(values, 100, 100, 0.6)
    inside = values[15:-15] < 0.6 * 20
    assert found.size == inside.sum() < 70


def test_too_few_levels_are_refused():
    for name, least in (("replicate", 50), ("drop", 80), ("law", 50)):
        values = np.linspace(5, 15, least)
        assert unfolding.unfold(values, name, 100, 100, 1.0).size == unfolding.LEAST_UNFOLDED
        for n_levels in (0, 1, 20, least - 1):
            with pytest.raises(CannotUnfold, match=f"{n_levels} levels leave .* of the 20 needed"):
                unfolding.unfold(values[:n_levels], name, 100, 100, 1.0)


@pytest.mark.parametrize("name", ["replicate", "drop", "law"])
def test_equal_levels_are_refused(name):
    with pytest.raises(CannotUnfold, match="equal"):
        unfolding.unfold(np.full(100, 7.0), name, 100, 100, 1.0)


def test_an_unknown_rule_for_the_ends_is_refused():
    with pytest.raises(ValueError, match="'reflect'"):
        unfolding.local(uneven_levels(100), "reflect")
