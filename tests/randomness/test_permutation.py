"""The permutation null: exact whatever the entries, where the Tracy-Widom law is not."""

import numpy as np
import pytest

from weightspectra.randomness.noise import permutation, shuffling
from weightspectra.spectra.law import edges


def shuffled(matrix, n, seed=0):
    return shuffling.extremes(matrix, n, np.random.default_rng(seed))


def test_shuffling_measures_what_a_full_decomposition_measures():
    matrix = np.random.default_rng(1).standard_normal((30, 50)).astype(np.float32)
    largest, smallest = shuffled(matrix, 3)
    rng = np.random.default_rng(0)
    for number in range(3):
        values = np.linalg.svd(rng.permutation(matrix.reshape(-1)).reshape(30, 50).astype(float), compute_uv=False)
        noise_std = edges.fit(values, 30, 50).noise_std
        assert largest[number] == pytest.approx(values[0] / noise_std, rel=1e-9)
        assert smallest[number] == pytest.approx(values[-1] / noise_std, rel=1e-9)


def test_heavy_tails_break_the_law_but_not_the_permutation_null():
    """Entries with five degrees of freedom: a large entry is an outlier for the law, and comes with every shuffle."""
    rng = np.random.default_rng(2)
    by_law = by_permutation = 0
    for number in range(120):
        matrix = rng.standard_t(5, (40, 40))
        values = np.linalg.svd(matrix, compute_uv=False)
        found = edges.fit(values, 40, 40)
        by_law += found.n_above > 0
        largest, smallest = shuffled(matrix, 19, number)
        p = permutation.p_values(values[-1], values[0], found.noise_std, largest=largest, smallest=smallest)
        by_permutation += p[1] <= 0.05
    assert by_law > 25
    assert by_permutation <= 13  # 99.5 % quantile of a binomial variable with p = 0.05


def test_structure_is_found_by_permutation_too():
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((60, 60)) + np.outer(rng.standard_normal(60), rng.standard_normal(60)) * 0.5
    values = np.linalg.svd(matrix, compute_uv=False)
    largest, smallest = shuffled(matrix, 39)
    noise_std = edges.fit(values, 60, 60).noise_std
    lower, upper = permutation.p_values(values[-1], values[0], noise_std, largest=largest, smallest=smallest)
    assert upper == 1 / 40
    assert lower > 1 / 40
    bounds = permutation.bounds(noise_std, 0.05, largest=largest, smallest=smallest)
    assert bounds[0] < values[-1] < bounds[1] < values[0]


def test_bounds_and_p_values_agree():
    largest, smallest = np.linspace(1.9, 2.1, 39), np.linspace(0.1, 0.2, 39)
    low, high = permutation.bounds(2.0, 0.1, largest=largest, smallest=smallest)
    assert high == pytest.approx(2.0 * np.sort(largest)[-2])
    assert low == pytest.approx(2.0 * np.sort(smallest)[1])
    inside = permutation.p_values(low * 1.001, high * 0.999, 2.0, largest=largest, smallest=smallest)
    beyond = permutation.p_values(low * 0.999, high * 1.001, 2.0, largest=largest, smallest=smallest)
    assert min(inside) > 0.05 >= max(beyond)


def test_too_few_shuffles_promise_nothing():
    assert permutation.bounds(1.0, 0.05, largest=[2.0] * 38, smallest=[0.1] * 38) == (0.0, float("inf"))
