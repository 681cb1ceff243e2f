"""The moments of an input find their matrices, and output directions are those of the data's outputs."""

import numpy as np
import pytest
import torch

from weightspectra import contracts
from weightspectra.ablation.edit import whitening
from weightspectra.ablation.edit.whitening import InputMoments, leading_outputs, moments_by_matrix
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey

ENTRIES = {"query": "query+key+value", "attention_output": "attention_output", "up": "up+gate", "down": "down"}


def entry(roles, dimension=3):
    return {
        "roles": np.array([roles] * dimension),
        "mean": np.arange(dimension, dtype=float),
        "eigenvalue": np.arange(dimension, 0, -1.0),
        "values": np.eye(dimension, dtype=np.float32),
    }


@pytest.mark.parametrize(
    ("role", "expected"),
    [("key", "query"), ("value", "query"), ("query", "query"), ("gate", "up"), ("down", "down")],
)
def test_a_shared_input_stands_under_the_first_of_its_roles(role, expected):
    entries = {MatrixKey(2, first): entry(roles) for first, roles in ENTRIES.items()}
    entries[MatrixKey(2, expected)]["mean"] = np.array([7.0, 8.0, 9.0])
    found = moments_by_matrix(entries)(MatrixKey(2, role))
    assert found.mean.tolist() == [7, 8, 9]
    assert found.eigenvalues.tolist() == [3, 2, 1]


def test_a_parallel_block_shares_its_input_over_an_entry_that_does_not_serve():
    entries = {
        MatrixKey(0, "query"): entry("query+key+value+up"),
        MatrixKey(0, "attention_output"): {**entry("attention_output"), "mean": np.full(3, 5.0)},
    }
    assert moments_by_matrix(entries)(MatrixKey(0, "up")).mean.tolist() == [0, 1, 2]


@pytest.mark.parametrize("key", [MatrixKey(1, "query"), MatrixKey(0, "down"), MatrixKey(0, "up", 3)])
def test_an_input_that_was_not_observed_is_named(key):
    entries = {MatrixKey(0, first): entry(roles) for first, roles in ENTRIES.items() if first != "down"}
    with pytest.raises(UserError, match=f"{key}: the moments of its input were not collected"):
        moments_by_matrix(entries)(key)


def test_moments_are_read_from_the_matrix_file(tmp_path):
    values = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0].astype(np.float32)
    with contracts.MOMENTS.matrix_writer(tmp_path / "m.parquet", {}) as writer:
        columns = {"mean": np.arange(4.0), "eigenvalue": np.arange(4.0, 0, -1)}
        writer.write(MatrixKey(0, "query"), values, roles="query+key", n_tokens=9, **columns)
    found = moments_by_matrix(contracts.MOMENTS.matrices(tmp_path / "m.parquet"))(MatrixKey(0, "key"))
    assert np.array_equal(found.eigenvectors, values)
    assert (found.mean.tolist(), found.eigenvalues.tolist()) == ([0, 1, 2, 3], [4, 3, 2, 1])


def observed(n_in, n_tokens, seed=0):
    """Inputs with a large mean and scales over three decades, and their moments as they would be stored."""
    generator = np.random.default_rng(seed)
    scales = np.logspace(0, -3, n_in)
    inputs = (generator.normal(size=(n_tokens, n_in)) * scales) @ np.linalg.qr(generator.normal(size=(n_in, n_in)))[0]
    inputs += 3 * generator.normal(size=n_in)
    eigenvalues, vectors = np.linalg.eigh(np.cov(inputs.T, bias=True))
    return inputs, InputMoments(inputs.mean(0), eigenvalues[::-1], vectors.T[::-1].astype(np.float32))


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (24, 24)])
def test_directions_are_the_principal_ones_of_the_outputs(shape):
    inputs, moments = observed(shape[1], 400)
    weight = torch.from_numpy(np.random.default_rng(2).normal(size=shape))
    found = leading_outputs(weight, moments, 7)
    _, _, expected = np.linalg.svd(inputs @ weight.numpy().T, full_matrices=False)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found @ found.T, torch.eye(7, dtype=torch.float64), rtol=0, atol=1e-12)
    overlaps = (found.numpy() @ expected[:7].T) ** 2
    assert overlaps.diagonal() == pytest.approx(1, abs=1e-3)


def test_where_the_text_says_nothing_the_weights_decide():
    """Inputs along one axis only: behind that direction come the largest singular values of the rest."""
    weight = torch.diag(torch.tensor([1.0, 9.0, 2.0, 5.0], dtype=torch.float64))
    moments = InputMoments(np.zeros(4), np.array([1.0, 0, 0, 0]), np.eye(4, dtype=np.float32))
    assert leading_outputs(weight, moments, 4).abs().argmax(dim=1).tolist() == [0, 1, 3, 2]
    assert 0 < whitening.REGULARISATION < 1e-3
