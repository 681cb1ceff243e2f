"""Orthonormal rows against numpy's QR decomposition and by definition."""

import numpy as np
import pytest
import torch

from weightspectra.spectra.orthogonality import canonical_signs, deviation, gram, orthonormalised


def rows_of(n_rows, n_columns, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal((n_rows, n_columns)))


@pytest.mark.parametrize("n_rows", [1, 2, 3, 5, 8, 33])
def test_gram_matrix_is_the_product(n_rows):
    rows = rows_of(n_rows, 40)
    np.testing.assert_allclose(gram(rows), rows @ rows.T, rtol=1e-12, atol=1e-12)


def test_deviation_sees_both_lengths_and_angles():
    assert deviation(torch.eye(3)) == 0
    assert deviation(torch.tensor([[1.25, 0.0], [0.0, 1.0]])) == 0.25
    assert deviation(torch.tensor([[1.0, -0.5], [-0.5, 1.0]])) == 0.5


@pytest.mark.parametrize("mixing", [0.0, 1e-6, 1e-2, 1.0])
def test_rows_become_what_gram_and_schmidt_make_of_them(mixing):
    """Small mixing takes Cholesky's way, large mixing Householder's; rows of very different lengths either way."""
    orthogonal = torch.linalg.qr(rows_of(30, 20))[0].T
    rows = torch.logspace(0, -8, 20, dtype=torch.float64)[:, None] * (orthogonal + mixing * rows_of(20, 30, seed=1))
    columns, upper = np.linalg.qr(rows.numpy().T)
    found = orthonormalised(rows)
    np.testing.assert_allclose(found, (columns * np.sign(np.diag(upper))).T, atol=1e-13)
    assert deviation(gram(found)) < 1e-14


def test_dependent_rows_still_become_orthonormal():
    rows = torch.cat([rows_of(5, 20), torch.zeros(1, 20, dtype=torch.float64), rows_of(5, 20)])
    found = orthonormalised(rows)
    assert deviation(gram(found)) < 1e-14
    np.testing.assert_allclose(found[:5], orthonormalised(rows[:5]), atol=1e-14)


def test_largest_component_becomes_positive_and_ties_take_the_first():
    rows = torch.tensor(
        [[-0.5, 0.5 + 1e-16, 0.5, -0.5 - 1e-16], [0.1, -0.9, 0.2, 0.3], [0.0, 0.0, 0.0, 0.0], [0.6, 0.0, 0.0, -0.8]],
        dtype=torch.float64,
    )
    assert canonical_signs(rows).flatten().tolist() == [-1, -1, 1, -1]


def test_nearly_dependent_rows_become_orthonormal_to_the_last_digit():
    """Cholesky's factor succeeds here, but would leave errors of 1e-4."""
    first = rows_of(5, 20)
    assert deviation(gram(orthonormalised(torch.cat([first, first + 1e-6 * rows_of(5, 20, seed=1)])))) < 1e-14
