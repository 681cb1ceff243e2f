"""Means over positions: against loops, and errors against repeated draws."""

import math

import numpy as np
import pytest

from weightspectra.birth.probes.values import mean_over


def test_all_tested_positions_count_alike():
    values = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
    tested = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    (probe,) = mean_over("name", values, tested, chance=0.25, outputs="uniform", at=(1, 3))
    assert (probe.probe, probe.outputs, probe.layer, probe.head, probe.n) == ("name", "uniform", 1, 3, 4)
    assert (probe.value, probe.chance) == (2 / 4, 0.25)
    # Cochran 1977, Eq. 6.13: residuals 2 - 3/2, 0 - 1/2, 0 of sums that count 4 together
    assert probe.standard_error == pytest.approx(math.sqrt(3 / 2 * (0.25 + 0.25)) / 4)


def test_nothing_tested_is_no_probe():
    assert mean_over("name", np.ones((2, 3)), np.zeros((2, 3), bool)) == []


def test_error_is_the_spread_of_repeated_draws():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(500):
        level = rng.beta(2, 2, size=(60, 1))  # positions of one sequence are alike
        tested = np.arange(30) < rng.integers(1, 31, size=(60, 1))
        found += mean_over("name", rng.random((60, 30)) < level, tested)
    values, errors = np.array([[probe.value, probe.standard_error] for probe in found]).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.1)
