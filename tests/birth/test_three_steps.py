"""Three gradient steps: the task, gradients against automatic differentiation, and what they store."""

import numpy as np
import pytest
import torch

from weightspectra.birth.simulated import associative_memory as memory
from weightspectra.birth.simulated import three_steps
from weightspectra.birth.simulated.three_steps import GramMatrices, Sample, Tables

N, T = 5, 7
MATRICES = ("output_2", "key_2", "key_1")


def test_sequences_show_the_trigger_twice_and_ask_for_what_followed_it():
    sample = three_steps.draw(3000, N, T, np.random.default_rng(0))
    trigger = sample.tokens[:, -1]
    assert ((sample.tokens == trigger[:, None]).sum(axis=1) == 2).all()
    rows = np.arange(3000)
    assert (sample.tokens[rows, sample.answers - 1] == trigger).all()
    assert (sample.tokens[rows, sample.answers] == sample.targets).all()
    assert set(sample.answers) == set(range(2, T - 1))
    assert set(sample.targets) == set(range(N)) and (sample.targets != trigger).all()


def random_tables(seed, scale):
    rng = np.random.default_rng(seed)
    return Tables(*(scale * rng.normal(size=found.shape) for found in Tables.zero(N, T)))


def in_full(seed, coefficients, sample, d=48):
    """Compute scores and gradients with matrices of d dimensions, in torch; return them beside the embeddings."""
    rng = np.random.default_rng(seed)
    outputs, first, value = (torch.tensor(memory.embeddings(n, d, rng)) for n in (N, d, d))
    inputs = torch.tensor(memory.embeddings(N + T, d, rng))
    directions = torch.cat([inputs, inputs @ first.T])
    sides = ((outputs, directions @ value.T), (directions, directions), (inputs, inputs))
    weights = [
        (left.T @ torch.tensor(found) @ right).requires_grad_()
        for (left, right), found in zip(sides, coefficients, strict=True)
    ]
    output_2, key_2, key_1 = weights
    x = inputs[torch.tensor(sample.tokens)] + inputs[N:]
    future = torch.tensor(np.where(np.tri(T) > 0, 0.0, -np.inf))
    attention = torch.softmax(x @ key_1 @ x.transpose(1, 2) + future, dim=2)
    h = x + attention @ x @ first.T
    second = torch.softmax(torch.einsum("nd,ntd->nt", h[:, -1] @ key_2, h), dim=1)
    logits = torch.einsum("nt,ntd->nd", second, h) @ value.T @ output_2.T @ outputs.T
    torch.nn.functional.cross_entropy(logits, torch.tensor(sample.targets)).backward()
    probabilities = torch.softmax(logits, dim=1).detach().numpy()
    return weights, probabilities, [(left.numpy(), right.numpy()) for left, right in sides]


@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_gradients_are_those_of_automatic_differentiation_in_full_dimension(scale):
    coefficients, sample = random_tables(0, scale), three_steps.draw(600, N, T, np.random.default_rng(1))
    weights, probabilities, sides = in_full(2, coefficients, sample)
    overlaps = GramMatrices.gaussian(N, T, 48, np.random.default_rng(2))
    scores = overlaps.scores(coefficients)
    assert np.abs(three_steps.forward(scores, sample.tokens).probabilities - probabilities).max() < 1e-10
    for found, weight, (left, right) in zip(three_steps.gradients(scores, sample), weights, sides, strict=True):
        assert np.abs(left.T @ found @ right - weight.grad.numpy()).max() < 1e-10


def test_scores_are_products_of_directions_and_matrices():
    coefficients, sample = random_tables(3, 1.0), three_steps.draw(4, N, T, np.random.default_rng(1))
    weights, _, sides = in_full(4, coefficients, sample)
    scores = GramMatrices.gaussian(N, T, 48, np.random.default_rng(4)).scores(coefficients)
    for found, weight, (left, right) in zip(scores, weights, sides, strict=True):
        assert np.allclose(found, left @ weight.detach().numpy() @ right.T)


def test_overlaps_vary_as_their_formula_says():
    n, d = 4 + 3, 100
    draws = [GramMatrices.gaussian(4, 3, d, np.random.default_rng(seed)) for seed in range(400)]
    for name, n_maps in (("directions", 0), ("values", 1)):
        found = np.var([getattr(draw, name) for draw in draws], axis=0)
        expected = three_steps.direction_overlaps(n, d, 1.0, n_maps=n_maps)
        groups = np.kron([[0, 1], [1, 2]], np.ones((n, n)))
        for lengths in (np.eye(2 * n, dtype=bool), ~np.eye(2 * n, dtype=bool)):
            for group in set(groups[lengths]):
                chosen = lengths & (groups == group)
                assert found[chosen].mean() == pytest.approx(expected[chosen].mean(), rel=0.15)
    scaled = three_steps.direction_overlaps(n, d, 0.5, n_maps=0)
    plain = three_steps.direction_overlaps(n, d, 1.0, n_maps=0)
    assert np.allclose(scaled[:n, n:], plain[:n, n:] / 4) and np.allclose(scaled[n:, n:], plain[n:, n:] / 16)


def induction_head(strength):
    """Return the scores of the transformer that holds the memories of the theorem and nothing else."""
    tables = Tables.zero(N, T)
    for block in three_steps.memories(tables):
        np.fill_diagonal(block, strength)
    return tables


def test_the_memories_of_the_theorem_make_an_induction_head():
    head, sample = induction_head(40.0), three_steps.draw(500, N, T, np.random.default_rng(0))
    assert three_steps.behaviour(head, sample) == (1, 1)
    assert [three_steps.recalled(head, matrix) for matrix in MATRICES] == [1, 1, 1]
    for matrix in MATRICES:
        without, _ = three_steps.behaviour(three_steps.scaled(head, matrix, 0.0), sample)
        assert without < 0.75
    noise = random_tables(5, 100.0)
    noisy = Tables(*(held + added for held, added in zip(induction_head(1000.0), noise, strict=True)))
    alone = three_steps.memories_alone(noisy)
    for kept, whole in zip(three_steps.memories(alone), three_steps.memories(noisy), strict=True):
        assert np.array_equal(kept, whole)
    assert sum(np.count_nonzero(found) for found in alone) == 2 * N**2 + (T - 3) ** 2


def test_recall_tells_which_side_chooses():
    """An output that is loud for every input spoils W_O^2, a key that is loud for every query W_K^2."""
    spoiled = induction_head(1.0)
    spoiled.output_2[0] = 5
    assert three_steps.recalled(spoiled, "output_2") == 1 / N
    spoiled.key_2[:N, N + T] = 5
    assert three_steps.recalled(spoiled, "key_2") == 1 / N
    spoiled.key_1[N + 1 :, -1] = 5
    assert three_steps.recalled(spoiled, "key_1") == 0
    silent = induction_head(1.0)
    silent.output_2[:, 0] = 5
    assert three_steps.recalled(silent, "output_2") == 1


def stepped(n, length, n_samples, seed, key_2=0.1):
    """Take the three steps with orthonormal embeddings."""
    sample = three_steps.draw(n_samples, n, length, np.random.default_rng(seed))
    scores, overlaps = Tables.zero(n, length), GramMatrices.orthonormal(n, length)
    for matrix, logit in zip(MATRICES, (1.0, key_2, 10.0), strict=True):
        scores = three_steps.step(overlaps, scores, sample, matrix)
        scores = three_steps.scaled(scores, matrix, logit / three_steps.stored(scores, matrix))
    return scores


def test_first_step_stores_what_the_share_of_the_target_among_the_tokens_says():
    """In expectation, w_U(i)^T W w_E(k) is 1/N times what a target i adds to the share of k among the tokens."""
    n, length = 6, 8
    sample = three_steps.draw(20_000, n, length, np.random.default_rng(0))
    scores = three_steps.step(GramMatrices.orthonormal(n, length), Tables.zero(n, length), sample, "output_2")
    tokens = scores.output_2[:, :n]
    # Given y = i: i fills its own place and 1/(n - 1) of length - 3 others; the trigger, on two places, is another.
    same = (1 + (length - 3) / (n - 1)) / length
    other = (2 / (n - 1) + (length - 3) / (n - 1) * (n - 2) / (n - 1)) / length
    expected = (np.where(np.eye(n), same, other) - 1 / n) / n
    assert tokens == pytest.approx(expected, abs=4 * np.sqrt(1 / length / n / 20_000))


def test_two_steps_store_all_memories_and_the_third_most_of_them():
    scores = stepped(10, 10, 8192, 0)
    assert three_steps.recalled(scores, "output_2") == three_steps.recalled(scores, "key_2") == 1
    assert three_steps.recalled(scores, "key_1") >= 0.5


def test_gradients_do_not_depend_on_how_sequences_are_divided(monkeypatch):
    scores, sample = random_tables(6, 0.5), three_steps.draw(50, N, T, np.random.default_rng(1))
    whole = three_steps.gradients(scores, sample)
    monkeypatch.setattr(three_steps, "CHUNK", 7)
    for found, expected in zip(three_steps.gradients(scores, sample), whole, strict=True):
        assert np.allclose(found, expected, atol=1e-14)
    assert three_steps.behaviour(scores, sample) == three_steps.behaviour(
        scores, Sample(*(part[::-1] for part in sample))
    )
