"""Decompositions against LAPACK in float64, and against matrices whose spectrum is known exactly."""

import numpy as np
import pytest
import scipy.linalg
import torch

from weightspectra.base.errors import UserError
from weightspectra.spectra import svd

EPS = np.finfo(float).eps


def orthogonal(n, rng):
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diag(r))


def with_spectrum(n_out, n_in, singular_values, rng):
    k = len(singular_values)
    return (orthogonal(n_out, rng)[:, :k] * singular_values) @ orthogonal(n_in, rng)[:, :k].T


def known_exactly(n, condition, rng):
    """A matrix of integers, exact in float64, between Hadamard matrices: the singular values are n * integers."""
    values = np.round(np.geomspace(condition, 1, n) * 1024)
    hadamard = scipy.linalg.hadamard(n).astype(float)
    left = hadamard[rng.permutation(n)] * rng.choice([-1, 1], n)
    return (left * values) @ hadamard[:, rng.permutation(n)], n * values


def distance_up_to_sign(rows, others):
    signs = np.sign((rows * others).sum(axis=1, keepdims=True))
    return np.linalg.norm(rows - signs * others, axis=1)


def spiked(n_out, n_in, rng):
    return rng.standard_normal((n_out, n_in)) + 50 * np.outer(rng.standard_normal(n_out), rng.standard_normal(n_in))


def rank_deficient(n_out, n_in, rng):
    return rng.standard_normal((n_out, 20)) @ rng.standard_normal((20, n_in))


def gaussian(n_out, n_in, rng):
    return rng.standard_normal((n_out, n_in))


def ill_conditioned(n_out, n_in, rng):
    return with_spectrum(n_out, n_in, np.geomspace(1, 1e-8, min(n_out, n_in)), rng)


def to_be_cleaned_up(n_out, n_in, rng):
    """Few enough decades for the Gram matrix, too many for long vectors that come out orthogonal."""
    return with_spectrum(n_out, n_in, np.geomspace(1, 1.2e-5, min(n_out, n_in)), rng)


def clustered(n_out, n_in, rng):
    return with_spectrum(n_out, n_in, np.repeat([3.0, 2.0, 1.0], min(n_out, n_in) // 3 + 1)[: min(n_out, n_in)], rng)


def constant(n_out, n_in, rng):
    return np.full((n_out, n_in), 0.3)


def zero(n_out, n_in, rng):
    return np.zeros((n_out, n_in))


KINDS = [gaussian, spiked, rank_deficient, ill_conditioned, to_be_cleaned_up, clustered, constant, zero]
SHAPES = [(60, 60), (48, 130), (130, 48), (1, 40), (40, 1), (1, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_decomposition_matches_float64_lapack(kind, shape):
    weight = kind(*shape, np.random.default_rng(1))
    found = svd.decompose(weight)
    expected = scipy.linalg.svd(weight, compute_uv=False)
    values, short, long = (x.numpy() for x in (found.singular_values, found.short_vectors, found.long_vectors))
    largest = expected[0]
    np.testing.assert_allclose(values, expected, rtol=0, atol=4 * max(shape) * EPS * largest)
    assert np.all(np.diff(values) <= 0) and np.all(values >= 0)

    n_values = min(shape)
    left, right = (short, long) if found.short_side == "left" else (long, short)
    assert left.shape == (n_values, shape[0]) and right.shape == (n_values, shape[1])
    # The residual of the Gram route is eps * condition, and its condition is at most 1e5.
    np.testing.assert_allclose((left.T * values) @ right, weight, atol=1e-10 * max(largest, 1))
    np.testing.assert_allclose(short @ short.T, np.eye(n_values), atol=1e-12)
    np.testing.assert_allclose(long @ long.T, np.eye(n_values), atol=svd.CLEAN_UP_LIMIT)


@pytest.mark.parametrize("kind", KINDS)
def test_certificate_states_what_is_measured_directly(kind):
    weight = kind(50, 90, np.random.default_rng(2))
    found = svd.decompose(weight)
    values, short, long = (x.numpy() for x in (found.singular_values, found.short_vectors, found.long_vectors))
    scale = values[0] or 1.0
    residual = np.linalg.norm(weight @ long.T - short.T * values, axis=0).max() / scale
    assert found.residual == pytest.approx(residual, rel=0.5, abs=1e-14)
    assert found.orthogonality_short == pytest.approx(np.abs(short @ short.T - np.eye(50)).max(), rel=0.5, abs=1e-14)
    assert found.orthogonality_long == pytest.approx(np.abs(long @ long.T - np.eye(50)).max(), rel=0.5, abs=1e-14)
    assert found.certified
    assert found.condition == (values[0] / values[-1] if values[-1] > 0 else np.inf)


@pytest.mark.parametrize("condition", [1e2, 1e3, 1e4, 5e4, 1e5])
@pytest.mark.parametrize("transposed", [False, True])
def test_values_up_to_condition_1e5_are_right_to_1e_12(condition, transposed):
    weight, exact = known_exactly(128, condition, np.random.default_rng(3))
    found = svd.decompose(weight.T if transposed else weight)
    assert found.route == "gram"
    np.testing.assert_allclose(found.singular_values, exact, rtol=1e-12)
    # LAPACK itself misses the smallest by up to 2e-12 here.
    np.testing.assert_allclose(found.singular_values, scipy.linalg.svd(weight, compute_uv=False), rtol=4e-12)


def test_single_precision_would_fail_the_same_test():
    weight, exact = known_exactly(128, 1e4, np.random.default_rng(3))
    single = torch.linalg.svdvals(torch.tensor(weight, dtype=torch.float32))
    assert abs(float(single[-1]) / exact[-1] - 1) > 1e-6


def test_clean_up_and_its_absence_are_both_exercised():
    rng = np.random.default_rng(4)
    plain = svd.decompose(known_exactly(64, 1e3, rng)[0])
    cleaned = svd.decompose(known_exactly(64, 9e4, rng)[0])
    assert plain.route == cleaned.route == "gram"
    assert cleaned.orthogonality_long < 1e-14 < plain.orthogonality_long < svd.CLEAN_UP_LIMIT


def test_ill_conditioned_matrices_go_to_lapack():
    weight, exact = known_exactly(64, 1e8, np.random.default_rng(5))
    found = svd.decompose(weight)
    assert found.route == "gesdd"
    np.testing.assert_allclose(found.singular_values, exact, rtol=0, atol=64 * EPS * exact[0])


def test_failed_certificate_goes_to_lapack(monkeypatch):
    monkeypatch.setattr(svd, "RESIDUAL_LIMIT", 0.0)
    weight = gaussian(30, 40, np.random.default_rng(6))
    found = svd.decompose(weight)
    assert found.route == "gesdd"
    np.testing.assert_allclose(found.singular_values, scipy.linalg.svd(weight, compute_uv=False), rtol=1e-13)


def test_simple_vectors_match_lapack_up_to_sign():
    weight = gaussian(40, 100, np.random.default_rng(7))
    left, _, right = scipy.linalg.svd(weight, full_matrices=False)
    found = svd.decompose(weight)
    np.testing.assert_allclose(np.abs((found.short_vectors.numpy() * left.T).sum(axis=1)), 1, atol=1e-12)
    np.testing.assert_allclose(np.abs((found.long_vectors.numpy() * right).sum(axis=1)), 1, atol=1e-12)


def test_vectors_of_equal_values_span_the_same_space():
    weight = clustered(60, 60, np.random.default_rng(8))
    left = scipy.linalg.svd(weight)[0].T
    found = svd.decompose(weight).short_vectors.numpy()
    for first in (0, 21, 42):
        group = slice(first, first + 21)
        np.testing.assert_allclose(found[group].T @ found[group], left[group].T @ left[group], atol=1e-11)


def test_transposition_swaps_the_sides():
    weight = gaussian(30, 70, np.random.default_rng(9))
    wide, tall = svd.decompose(weight), svd.decompose(weight.T)
    assert (wide.short_side, tall.short_side) == ("left", "right")
    np.testing.assert_allclose(wide.singular_values, tall.singular_values, rtol=1e-14)
    np.testing.assert_allclose(wide.short_vectors, tall.short_vectors, atol=1e-12)
    np.testing.assert_allclose(wide.long_vectors, tall.long_vectors, atol=1e-12)


def test_result_is_deterministic_and_signs_are_canonical():
    weight = gaussian(32, 32, np.random.default_rng(10))
    first, second = svd.decompose(weight), svd.decompose(weight)
    assert torch.equal(first.short_vectors, second.short_vectors)
    short = first.short_vectors.numpy()
    assert np.all(short[np.arange(32), np.abs(short).argmax(axis=1)] > 0)
    flipped = svd.decompose(-weight)
    np.testing.assert_allclose(flipped.short_vectors, short, atol=1e-13)


@pytest.mark.parametrize("shape", [(96, 96), (80, 200), (200, 80)])
@pytest.mark.parametrize("condition", [1e4, 1e6])
def test_long_side_survives_the_rounding_of_the_short_side(shape, condition):
    rng = np.random.default_rng(11)
    n_values = min(shape)
    weight = with_spectrum(*shape, np.geomspace(1, 1 / condition, n_values), rng)
    left, _, right = scipy.linalg.svd(weight, full_matrices=False)
    expected = right if shape[0] <= shape[1] else left.T
    stored = svd.decompose(weight).short_vectors.to(torch.float32)

    found = svd.long_side_vectors(weight, stored).numpy()
    np.testing.assert_allclose(found @ found.T, np.eye(n_values), atol=1e-13)
    assert distance_up_to_sign(found, expected).max() < 5e-8

    wide = weight if shape[0] <= shape[1] else weight.T
    naive = stored.double().numpy() @ wide
    naive /= np.linalg.norm(naive, axis=1, keepdims=True)
    harm = distance_up_to_sign(naive, expected)[-n_values // 10 :].max()
    assert harm > 1e-9 * condition, "without orthogonalisation the smallest vectors were expected to be wrong"


def test_long_side_of_a_deficient_matrix_is_orthonormal_and_right_where_defined():
    weight = rank_deficient(40, 90, np.random.default_rng(12))
    exact = svd.decompose(weight)
    found = svd.long_side_vectors(weight, exact.short_vectors.float())
    np.testing.assert_allclose(found @ found.T, np.eye(40), atol=1e-13)
    np.testing.assert_allclose((found * exact.long_vectors).sum(dim=1)[:20], 1, atol=1e-13)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (40, 40)])
def test_vectors_of_either_side_keep_their_signs_and_rebuild_the_matrix(shape):
    weight = gaussian(*shape, np.random.default_rng(13)).astype(np.float32)
    found = svd.decompose(weight)
    stored = found.short_vectors.numpy().astype(np.float32)
    stored.flags.writeable = False  # as it comes from a file
    left, right = (svd.vectors_of_side(side, weight, stored) for side in ("left", "right"))
    assert left.shape == (min(shape), shape[0]) and right.shape == (min(shape), shape[1])
    np.testing.assert_allclose((left.T * found.singular_values) @ right, weight, atol=1e-5)
    np.testing.assert_allclose(left @ left.T, np.eye(min(shape)), atol=1e-13)
    np.testing.assert_allclose(right @ right.T, np.eye(min(shape)), atol=1e-13)


def test_unknown_side_is_refused():
    with pytest.raises(ValueError, match="'left' or 'right', not 'input'"):
        svd.vectors_of_side("input", np.eye(3), np.eye(3))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(wrong):
    weight = np.ones((4, 5), dtype=np.float32)
    weight[1, 2] = wrong
    with pytest.raises(UserError, match=r"layer 3 'query': 1 of 20 weights are NaN or infinite"):
        svd.decompose(weight, name="layer 3 'query'")


def test_float32_and_read_only_input_is_taken_without_loss():
    weight = gaussian(20, 30, np.random.default_rng(14)).astype(np.float32)
    weight.flags.writeable = False
    found = svd.decompose(weight)
    assert found.singular_values.dtype == found.short_vectors.dtype == torch.float64
    expected = scipy.linalg.svd(weight.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(found.singular_values, expected, rtol=1e-13)


def test_input_is_left_alone():
    weight = torch.tensor(gaussian(20, 30, np.random.default_rng(15)))
    before = weight.clone()
    svd.decompose(weight)
    assert torch.equal(weight, before)


@pytest.mark.parametrize("condition", [1.0, 10.0, 49.0, 60.0, 1e4, 9e4])
@pytest.mark.parametrize("transposed", [False, True])
def test_values_alone_are_as_accurate(condition, transposed):
    weight, exact = known_exactly(128, condition, np.random.default_rng(17))
    np.testing.assert_allclose(svd.singular_values(weight.T if transposed else weight), exact, rtol=1e-12)


@pytest.mark.parametrize("kind", [rank_deficient, constant, zero, ill_conditioned])
def test_values_alone_of_difficult_matrices_match_lapack(kind):
    weight = kind(50, 80, np.random.default_rng(18))
    expected = scipy.linalg.svd(weight, compute_uv=False)
    np.testing.assert_allclose(svd.singular_values(weight), expected, rtol=0, atol=400 * EPS * expected[0])


def test_values_alone_refuse_weights_that_are_not_finite():
    with pytest.raises(UserError, match="'up': 1 of 6 weights are NaN or infinite"):
        svd.singular_values(np.array([[1, 2, 3], [4, np.nan, 6]]), name="'up'")
