"""The Tracy-Widom law against published quantiles and moments, and against simulated matrices."""

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import eigvalsh_tridiagonal

from weightspectra.spectra.law import tracy_widom

PUBLISHED = {0.01: -3.8954, 0.05: -3.1804, 0.1: -2.7824, 0.5: -1.2686, 0.9: 0.4501, 0.95: 0.9793, 0.99: 2.0234}
"""Bejan, "Largest eigenvalues and sample covariance matrices" (2005), Table 1."""


@pytest.mark.parametrize(("probability", "point"), PUBLISHED.items())
def test_quantiles_are_the_published_ones(probability, point):
    assert tracy_widom.quantile(probability) == pytest.approx(point, abs=1e-4)
    assert tracy_widom.survival(tracy_widom.quantile(probability)) == pytest.approx(1 - probability, rel=1e-9)


def test_mean_and_variance_are_the_published_ones():
    points = np.linspace(-9.5, 15, 50001)
    survival = tracy_widom.survival(points)
    mean = points[0] + np.trapezoid(survival, points)
    second = points[0] ** 2 + 2 * np.trapezoid(points * survival, points)
    # Bornemann, Markov Process. Relat. Fields 16, 803 (2010).
    assert mean == pytest.approx(-1.2065335745820, abs=1e-6)
    assert second - mean**2 == pytest.approx(1.6077810345810, abs=1e-5)


def test_survival_falls_without_a_break_into_the_far_tail():
    points = np.linspace(-12, 60, 5001)
    survival = tracy_widom.survival(points)
    assert ((survival >= 0) & (survival <= 1)).all()
    assert (np.diff(survival) <= 0).all()
    assert survival[0] == 1
    assert 0 < survival[-1] < 1e-100
    below, above = tracy_widom.survival([tracy_widom.HIGHEST - 1e-6, tracy_widom.HIGHEST + 1e-6])
    assert above == pytest.approx(below, rel=0.02, abs=0)  # both are about 1e-49


def test_largest_eigenvalue_of_a_gaussian_orthogonal_ensemble_obeys_the_law():
    """Dumitriu and Edelman's tridiagonal matrices have the eigenvalues of that ensemble."""
    n, rng = 300, np.random.default_rng(1)
    largest = [
        eigvalsh_tridiagonal(
            rng.normal(0, 2**0.5, n),
            np.sqrt(rng.chisquare(np.arange(n - 1, 0, -1))),
            select="i",
            select_range=(n - 1,) * 2,
        )[0]
        for _ in range(600)
    ]
    scaled = (np.array(largest) - 2 * n**0.5) * n ** (1 / 6)
    assert stats.kstest(scaled, lambda points: 1 - tracy_widom.survival(points)).pvalue > 0.01


@pytest.mark.parametrize("probability", [0, 1, -0.5, 1e-12])
def test_quantiles_that_the_table_does_not_hold_are_refused(probability):
    with pytest.raises(ValueError, match="between 1e-9 and 1"):
        tracy_widom.quantile(probability)
