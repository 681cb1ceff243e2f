import numpy as np
import pytest
import torch

from weightspectra.activations.moments import Moments


def two_pass(vectors):
    exact = vectors.double().numpy()
    mean = exact.mean(axis=0)
    return mean, (exact - mean).T @ (exact - mean) / len(exact)


def stream(vectors, sizes):
    moments = Moments(vectors.shape[1])
    for batch in vectors.split(sizes):
        moments.update(batch)
    return moments


def sample(n_vectors, dimension, seed, massive=False):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(n_vectors, dimension, generator=generator) * torch.logspace(0, -2, dimension)
    vectors += torch.randn(dimension, generator=generator)
    if massive:
        vectors[:, 3] = 300 * vectors[:, 3] + 2000
        vectors[:, 11] = 100 * vectors[:, 11] - 800
    return vectors


@pytest.mark.parametrize("massive", [False, True])
def test_one_pass_agrees_with_two_passes_in_float64(massive):
    vectors = sample(120_000, 64, seed=1, massive=massive)
    mean, covariance = two_pass(vectors)
    moments = stream(vectors, 4096)
    error = np.linalg.norm(moments.covariance.numpy() - covariance) / np.linalg.norm(covariance)
    assert error < (1e-8 if massive else 4e-8)
    np.testing.assert_allclose(moments.mean.numpy(), mean, rtol=1e-7, atol=1e-7)
    assert moments.n_tokens == 120_000


def test_a_sparse_input_gathers_no_bias():
    vectors = (torch.randn(60_000, 64, generator=torch.Generator().manual_seed(6)) - 1.5).clamp(min=0)
    _, covariance = two_pass(vectors)
    error = np.linalg.norm(stream(vectors, 4096).covariance.numpy() - covariance) / np.linalg.norm(covariance)
    assert error < 3e-8  # shifted by the mean: 8e-7


def test_a_large_mean_cancels_nothing():
    vectors = sample(5000, 16, seed=2) + 1e4
    _, covariance = two_pass(vectors)
    moments = stream(vectors, 100)
    np.testing.assert_allclose(moments.covariance.numpy(), covariance, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("sizes", [1, 7, 1000, [999, 1], [3, 0, 997]])
def test_any_batches_give_the_same(sizes):
    vectors = sample(1000, 8, seed=3)
    whole = stream(vectors, 1000)
    parts = stream(vectors, sizes)
    torch.testing.assert_close(parts.covariance, whole.covariance, rtol=1e-6, atol=5e-7)
    torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-6, atol=1e-7)


def test_eigenpairs_are_those_of_the_covariance_largest_first():
    moments = stream(sample(4000, 12, seed=4), 512)
    eigenvalues, eigenvectors = moments.eigenpairs()
    assert (eigenvalues.diff() <= 0).all()
    torch.testing.assert_close(eigenvectors.T @ torch.diag(eigenvalues) @ eigenvectors, moments.covariance)
    torch.testing.assert_close(moments.covariance @ eigenvectors[0], eigenvalues[0] * eigenvectors[0])
    assert (eigenvectors.max(dim=1).values >= -eigenvectors.min(dim=1).values).all()
    torch.testing.assert_close(eigenvectors @ eigenvectors.T, torch.eye(12, dtype=torch.float64))


def test_products_are_exact_and_others_keep_their_precision():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        stream(sample(100, 8, seed=7), 50)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_half_precision_is_taken_at_its_value():
    vectors = sample(2000, 8, seed=5).bfloat16()
    _, covariance = two_pass(vectors)
    torch.testing.assert_close(stream(vectors, 256).covariance, torch.from_numpy(covariance), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_averaged_is_refused():
    with pytest.raises(ValueError, match="no vectors"):
        _ = Moments(4).covariance
    with pytest.raises(ValueError, match="4 components, found shape"):
        Moments(4).update(torch.zeros(3, 5))
    broken = stream(torch.tensor([[1.0, 2.0], [float("nan"), 0.0]]), 2)
    with pytest.raises(ValueError, match="not finite"):
        broken.eigenpairs()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same():
    vectors = sample(30_000, 64, seed=1, massive=True)
    _, covariance = two_pass(vectors)
    moments = Moments(64, "cuda")
    for batch in vectors.split(2048):
        moments.update(batch.cuda())
    error = np.linalg.norm(moments.covariance.cpu().numpy() - covariance) / np.linalg.norm(covariance)
    assert error < 1e-7
