"""Simulations of memories: what is measured is what naive loops over the same draws measure."""

import numpy as np
import pytest

from weightspectra.birth.simulated import associative_memory as memory
from weightspectra.birth.simulated import simulations
from weightspectra.birth.task.characters import Bigrams

D, N = 12, 9


def measured(found):
    """Return values and expectations by variant and quantity."""
    return {(variant, quantity): (value, expected) for variant, quantity, value, expected in found}


def right(scores):
    return np.mean([row.argmax() == number for number, row in enumerate(scores)])


def test_superposition_scores_each_output_by_each_input():
    rng = np.random.default_rng(1)
    outputs, inputs = (memory.embeddings(N, D, rng) for _ in range(2))
    matrix = sum(np.outer(u, v) for u, v in zip(outputs, inputs, strict=True))
    scores = np.array([[u @ matrix @ v for u in outputs] for v in inputs])
    off_diagonal = [scores[i, j] for i in range(N) for j in range(N) if i != j]
    found = measured(simulations.superposition(D, N, np.random.default_rng(1)))
    assert found["", "recall"] == (right(scores), memory.predicted_recall(D, N))
    assert found["", "off_diagonal_std"] == pytest.approx((np.std(off_diagonal), memory.off_diagonal_std(D, N)))


@pytest.mark.parametrize("n_memories", [5, 30])
def test_spectrum_is_that_of_memories_of_length_one_and_has_no_value_that_must_be_zero(n_memories):
    rng = np.random.default_rng(2)
    outputs, inputs = (memory.embeddings(n_memories, D, rng) for _ in range(2))
    matrix = sum(np.outer(u, v) / np.linalg.norm(u) / np.linalg.norm(v) for u, v in zip(outputs, inputs, strict=True))
    values = np.linalg.svd(matrix, compute_uv=False)
    found = measured(simulations.spectrum(D, n_memories, np.random.default_rng(2)))
    smallest, largest = memory.singular_value_edges(D, n_memories)
    assert found["", "largest"] == pytest.approx((values[0], largest))
    assert found["", "smallest"] == pytest.approx((values[values > 1e-12][-1], smallest))


def test_spectrum_reaches_the_edges_that_theory_gives():
    found = measured(simulations.spectrum(300, 100, np.random.default_rng(3)))
    for value, expected in found.values():
        assert value == pytest.approx(expected, rel=0.05)


def test_one_step_stores_what_theory_says():
    """Orthonormal embeddings: only the noise of the inputs is left, which many examples average out."""
    found = measured(simulations.one_step(64, 10, 20_000, np.random.default_rng(4)))
    for quantity in ("diagonal", "off_diagonal", "recall"):
        value, expected = found["orthonormal", quantity]
        assert value == pytest.approx(expected, abs=0.01)
    assert found["orthonormal", "diagonal"][1] == 0.9 and found["orthonormal", "off_diagonal"][1] == -0.1


def test_one_step_expects_the_noise_of_a_mean_over_the_examples_of_a_class():
    """100 examples of 20 classes are 5 of each: a fifth of the noise of one."""
    found = measured(simulations.one_step(16, 20, 100, np.random.default_rng(5)))
    assert {variant for variant, _ in found} == {"Gaussian"}  # so many orthonormal ones do not fit
    assert found["Gaussian", "recall"][1] == memory.predicted_recall(16, 20, 0.2)


def test_memories_of_text_compete_only_by_interference():
    """With coefficients of a perfect memory, recall falls by interference alone, as predicted on average."""
    n_inputs, n_tokens, d = 24, 8, 24
    coefficients = np.zeros((n_inputs, n_tokens))
    coefficients[np.arange(n_tokens), np.arange(n_tokens)] = 1.0
    draws = [
        measured(simulations.one_step_of_text(coefficients, "text", d, np.random.default_rng(seed)))
        for seed in range(200)
    ]
    assert {draw["text", "recall_without_interference"][0] for draw in draws} == {1.0}
    expected = draws[0]["text", "recall"][1]
    assert 0.5 < expected < 0.999
    assert np.mean([draw["text", "recall"][0] for draw in draws]) == pytest.approx(expected, abs=0.03)


def test_text_is_counted_with_repeats_and_without():
    rng = np.random.default_rng(6)
    followers = rng.integers(1, 9, (7, 7))
    counts = followers.sum(axis=1) + (np.arange(7) == 0)
    text = Bigrams(tuple("abcdefg"), counts, followers)
    found = simulations.learned_from(text, 40, np.random.default_rng(7))
    assert list(found) == ["text", "text, no repeats"]
    assert all(of_variant.shape[1] == 7 for of_variant in found.values())
    # An output that repeats its trigger is attended twice as often where it is allowed.
    diagonal = {variant: np.trace(of_variant[:7]) for variant, of_variant in found.items()}
    assert diagonal["text"] > diagonal["text, no repeats"]
