"""Sums of outer products against what theory says of their interference, recall and spectrum."""

import numpy as np
import pytest
from scipy import stats

from weightspectra.birth.probes.recalls import recall
from weightspectra.birth.simulated import associative_memory as memory


def stored(dimension, n_memories, rng, **options):
    """Return embeddings and their memory."""
    outputs, inputs = (memory.embeddings(n_memories, dimension, rng, **options) for _ in range(2))
    return outputs, inputs, memory.store(outputs, inputs)


def found_scores(dimension, n_memories, seed):
    outputs, inputs, matrix = stored(dimension, n_memories, np.random.default_rng(seed))
    return memory.scores(matrix, outputs, inputs)


def test_memory_is_the_sum_of_outer_products_of_output_and_input():
    rng = np.random.default_rng(0)
    outputs, inputs, strengths = rng.normal(size=(3, 4)), rng.normal(size=(3, 5)), [1.0, -2.0, 0.5]
    matrix = memory.store(outputs, inputs, strengths)
    assert np.allclose(matrix, sum(s * np.outer(w, u) for s, w, u in zip(strengths, outputs, inputs, strict=True)))
    found = memory.scores(matrix, outputs, inputs)
    assert found[2, 0] == pytest.approx(outputs[0] @ matrix @ inputs[2])


def test_orthonormal_embeddings_recall_everything_and_are_all_that_fit():
    outputs, inputs, matrix = stored(12, 12, np.random.default_rng(0), orthonormal=True)
    assert np.allclose(memory.scores(matrix, outputs, inputs), np.eye(12))
    with pytest.raises(ValueError, match="13 orthonormal"):
        stored(12, 13, np.random.default_rng(0), orthonormal=True)


@pytest.mark.parametrize(("dimension", "n_memories"), [(16, 40), (48, 16), (32, 200)])
def test_interference_has_the_variances_that_theory_says(dimension, n_memories):
    found = np.stack([found_scores(dimension, n_memories, seed) for seed in range(150)])
    own = np.diagonal(found, axis1=1, axis2=2)
    others = found[:, ~np.eye(n_memories, dtype=bool)]
    draws = (others**2).mean(axis=1)
    expected = memory.off_diagonal_std(dimension, n_memories) ** 2
    assert abs(draws.mean() - expected) < 4 * draws.std() / np.sqrt(len(draws))
    assert abs(own.mean() - 1) < 4 * own.mean(axis=1).std() / np.sqrt(len(own))


def test_interference_is_to_leading_order_what_is_often_quoted():
    for dimension, n_memories in ((128, 65), (256, 1024), (64, 256)):
        quoted = np.sqrt(2 / dimension + n_memories / dimension**2)
        assert memory.off_diagonal_std(dimension, n_memories) == pytest.approx(quoted, rel=0.01)


@pytest.mark.parametrize("dimension", [16, 32, 64, 128])
@pytest.mark.parametrize("n_memories", [16, 65, 256, 1024])
def test_predicted_recall_errs_as_little_as_it_says(dimension, n_memories):
    draws = np.array([recall(found_scores(dimension, n_memories, seed)) for seed in range(max(2, 2400 // n_memories))])
    expected = memory.predicted_recall(dimension, n_memories)
    # The mean of some 2,400 memories has a standard error of at most 0.01, more where draws are few: they correlate.
    assert draws.mean() == pytest.approx(expected, abs=0.04 + 3 * draws.std() / np.sqrt(len(draws)))


@pytest.mark.parametrize(
    ("n_memories", "dimension", "quoted"),
    [(65, 16, 0.23), (65, 32, 0.54), (65, 64, 1.0), (256, 64, 0.71), (256, 128, 0.99), (1024, 64, 0.10)]
    + [(1024, 128, 0.63), (1024, 256, 1.0)],
)
def test_predicted_recall_agrees_with_an_independent_simulation(n_memories, dimension, quoted):
    """One draw each, made with other code: it scatters more than a count of N memories does, which all correlate."""
    expected = memory.predicted_recall(dimension, n_memories)
    scatter = np.sqrt(expected * (1 - expected) / n_memories)
    assert abs(quoted - expected) < 0.04 + 0.005 + 2 * scatter


def test_predicted_recall_is_that_of_a_guess_where_all_is_noise():
    assert memory.predicted_recall(16, 20_000) == pytest.approx(1 / 20_000, abs=0.001)
    assert memory.predicted_recall(64, 65, noise_variance=1e6) == pytest.approx(1 / 65, abs=0.005)


@pytest.mark.parametrize("noise_variance", [0.5, 2.0])
def test_predicted_recall_knows_noise_that_is_stored_with_inputs(noise_variance):
    dimension, n_memories, found = 48, 100, []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        outputs, inputs = (memory.embeddings(n_memories, dimension, rng) for _ in range(2))
        noise = rng.normal(size=inputs.shape) * np.sqrt(noise_variance / dimension)
        found.append(recall(memory.scores(memory.store(outputs, inputs + noise), outputs, inputs)))
    assert np.mean(found) == pytest.approx(memory.predicted_recall(dimension, n_memories, noise_variance), abs=0.05)


def test_capacity_is_the_square_of_the_dimension_over_a_logarithm():
    """N = load d^2 / (4 ln d): the largest of N rivals of variance N/d^2 is at the root of the load."""
    small, large = (
        [memory.predicted_recall(d, round(load * d**2 / (4 * np.log(d)))) for d in (100, 1000, 10_000, 100_000)]
        for load in (0.5, 4.0)
    )
    assert (np.diff(small) > 0).all() and small[-1] > 0.98
    assert (np.diff(large) < 0).all() and large[-1] < 0.1


@pytest.mark.parametrize(("dimension", "n_memories"), [(24, 40), (64, 65)])
def test_recall_of_coefficients_is_that_of_equal_memories_for_the_identity(dimension, n_memories):
    overlaps, tokens = memory.overlap_variances(n_memories, dimension), np.arange(n_memories)
    expected = memory.predicted_recall_of(np.eye(n_memories), overlaps, overlaps, tokens, tokens)
    assert expected == pytest.approx(memory.predicted_recall(dimension, n_memories), rel=1e-12)


def test_recall_of_coefficients_knows_memories_of_different_strength_and_inputs_that_only_disturb():
    """Rows beyond the memories' are inputs that are stored, but not asked; a naive twin writes them all."""
    rng = np.random.default_rng(1)
    n, n_other, dimension = 30, 20, 40
    coefficients = np.concatenate([np.diag(rng.uniform(0.2, 2, n)), 0.2 * rng.normal(size=(n_other, n))])
    right = rng.permutation(n)
    coefficients[:n] = coefficients[:n][:, right]
    draws = []
    for seed in range(200):
        drawn = np.random.default_rng(seed)
        inputs, outputs = memory.embeddings(n + n_other, dimension, drawn), memory.embeddings(n, dimension, drawn)
        answers = memory.scores(outputs.T @ coefficients.T @ inputs, outputs, inputs[:n]).argmax(axis=1)
        draws.append((answers == coefficients[:n].argmax(axis=1)).mean())
    overlaps = [memory.overlap_variances(size, dimension) for size in (n + n_other, n)]
    expected = memory.predicted_recall_of(coefficients, *overlaps, np.arange(n), coefficients[:n].argmax(axis=1))
    assert 0.2 < np.mean(draws) < 0.9
    assert np.mean(draws) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("dimension", "n_memories"), [(400, 100), (400, 200), (300, 300), (200, 500)])
def test_singular_values_of_equal_memories_fill_their_support(dimension, n_memories):
    outputs, inputs, _ = stored(dimension, n_memories, np.random.default_rng(dimension + n_memories))
    outputs, inputs = (found / np.linalg.norm(found, axis=1, keepdims=True) for found in (outputs, inputs))
    values = np.linalg.svd(memory.store(outputs, inputs), compute_uv=False)[: min(dimension, n_memories)]
    smallest, largest = memory.singular_value_edges(dimension, n_memories)
    # Extreme values lie within a few n^(-2/3) of their edge.
    assert values[0] == pytest.approx(largest, rel=3 * len(values) ** (-2 / 3))
    assert values[-1] == pytest.approx(smallest, abs=3 * len(values) ** (-2 / 3) * max(smallest, 0.2))


def test_edges_are_stationary_points_of_the_transform_and_merge_with_zero():
    smallest, largest = memory.singular_value_edges(200, 100)
    z = np.concatenate([np.linspace(-5, -1.001, 400_000), np.linspace(0.001, 5, 400_000)])
    squares = (1 + z) * (1 + 0.5 * z) ** 2 / z
    assert squares[z > 0].min() == pytest.approx(largest**2, rel=1e-6)
    between = squares[(z < -1) & (z > -2)]
    assert between.max() == pytest.approx(smallest**2, rel=1e-6)
    assert memory.singular_value_edges(100, 100)[0] == memory.singular_value_edges(100, 150)[0] == 0
    assert memory.singular_value_edges(10_000, 1) == pytest.approx((1, 1), abs=0.03)


def test_gaussian_embeddings_have_length_one_and_no_direction():
    found = memory.embeddings(4000, 32, np.random.default_rng(0))
    assert stats.kstest(found.ravel() * np.sqrt(32), "norm").pvalue > 1e-3
