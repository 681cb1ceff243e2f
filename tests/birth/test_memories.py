"""What each matrix should store: against the paper's sums, the probes' orientation, and random directions."""

import numpy as np
import planted
import pytest
from scipy import stats

from weightspectra.birth.locator import memories
from weightspectra.birth.locator.locators import shares
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes import recalls

N_TOKENS, LENGTH, DIMENSION = 10, 12, 48
TRIGGERS = np.array([3, 1, 7, 0, 9, 5])


@pytest.fixture(scope="module")
def drawn():
    return planted.parameters(N_TOKENS, LENGTH, DIMENSION, np.random.default_rng(0), feed_forward=True)


@pytest.fixture(scope="module")
def conditional():
    counts = np.random.default_rng(1).integers(0, 6, (N_TOKENS, N_TOKENS)) + np.eye(N_TOKENS, k=1, dtype=int)
    counts[0] += 1
    return counts / counts.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def plain(drawn, conditional):
    """Memories of a model without W_F."""
    without = {name: values for name, values in drawn.items() if name != WEIGHTS["feed_forward"]}
    return memories.of_matrices(without, conditional, TRIGGERS)


@pytest.mark.parametrize(("name", "n", "rank"), [("output_2", 10, 9), ("key_2", 6, 6), ("key_1", 11, 11)])
def test_the_paper_s_sums_are_recognised(drawn, plain, name, n, rank):
    matrix, found = 0.3 * planted.ideal(drawn, TRIGGERS)[name], plain[name]
    assert (found.n_memories, found.rank, found.separable) == (n, rank, True)
    strengths, noise, correlation = found.strengths(found.coefficients(matrix))
    assert strengths == pytest.approx(np.full(n, 0.3), rel=1e-6)
    assert noise == pytest.approx(0, abs=1e-9)
    assert correlation == pytest.approx(1)
    assert np.sum(matrix * found.operator) > 0.9 * np.linalg.norm(matrix)


@pytest.mark.parametrize("name", ["output_2", "key_2", "key_1"])
def test_a_transposed_matrix_holds_none_of_them(drawn, plain, name):
    found = plain[name]
    matrix = planted.ideal(drawn, TRIGGERS)[name].T
    strengths, _, correlation = found.strengths(found.coefficients(matrix))
    assert np.abs(strengths).mean() < 0.5
    assert abs(correlation) < 0.5
    if name != "key_1":  # whose outputs and inputs are nearly the same positions
        vector = np.linalg.svd(matrix)[0][:, :1].T
        assert shares(vector, found.output_basis)[0] < 0.6


def test_sides_are_those_of_the_probes(drawn, plain, conditional):
    """What the coefficients call stored is what the probes of recall find, in the same orientation."""
    trained = dict(drawn)
    del trained[WEIGHTS["feed_forward"]]
    for name in ("output_2", "key_2", "key_1"):
        found = plain[name]
        trained[WEIGHTS[name]] = found.outputs.T @ np.nan_to_num(found.target) @ found.inputs
    probed = {probe.probe: probe.value for probe in recalls.weight_probes(trained, conditional, np.ones(10), TRIGGERS)}
    assert (probed["recall_output"], probed["recall_key_2"], probed["recall_key_1"]) == (1, 1, 1)


def test_w_f_stores_what_follows_each_token(drawn, conditional):
    found = memories.of_matrices(drawn, conditional, None)["feed_forward"]
    matrix = np.zeros((DIMENSION, DIMENSION))
    for i, j in np.argwhere(conditional > 0):
        odds = np.log(conditional[i, j]) - np.log(conditional[i, conditional[i] > 0]).mean()
        matrix += 0.7 * odds * np.outer(drawn["unembedding.weight"][j], drawn["embedding.weight"][i])
    strengths, noise, correlation = found.strengths(found.coefficients(matrix))
    assert strengths == pytest.approx(np.full(N_TOKENS, 0.7), rel=1e-6)
    assert (noise, correlation) == pytest.approx((0, 1), abs=1e-6)
    wrong = found.strengths(found.coefficients(matrix.T))
    assert abs(wrong[2]) < 0.5


def test_a_token_that_one_other_always_follows_says_nothing_of_strengths(drawn):
    conditional = np.full((N_TOKENS, N_TOKENS), 1 / N_TOKENS) + np.eye(N_TOKENS) / 10
    conditional[4] = np.eye(N_TOKENS)[2]
    found = memories.of_matrices(drawn, conditional, None)["feed_forward"]
    strengths, noise, _ = found.strengths(found.coefficients(0.7 * found.operator))
    assert np.flatnonzero(np.isnan(strengths)).tolist() == [4]
    assert noise == pytest.approx(0, abs=1e-9)


def test_after_w_f_tokens_are_read_out_elsewhere(drawn, conditional):
    """The logit that a change x of W_O^2's output makes is w_U (1 + W_F) x."""
    found = memories.of_matrices(drawn, conditional, None)["output_2"]
    change = np.random.default_rng(2).standard_normal(DIMENSION)
    logits = drawn["unembedding.weight"] @ (change + drawn[WEIGHTS["feed_forward"]] @ change)
    assert found.outputs @ change == pytest.approx(logits)


def test_every_token_is_sought_if_triggers_are_random(drawn, conditional):
    assert memories.of_matrices(drawn, conditional, None)["key_2"].n_memories == N_TOKENS


def test_crosstalk_is_all_that_more_directions_than_dimensions_leave():
    rng = np.random.default_rng(3)
    crowded = planted.parameters(N_TOKENS, 60, DIMENSION, rng)
    found = memories.of_matrices(crowded, np.full((N_TOKENS, N_TOKENS), 0.1), None)["key_1"]
    assert not found.separable
    assert found.rank == DIMENSION
    strengths, noise, _ = found.strengths(found.coefficients(planted.ideal(crowded, [0])["key_1"]))
    assert strengths.mean() == pytest.approx(1, abs=0.15)
    # Others are heard with a variance of (2 d + n) / d**2 (spread of the norms among them) around it.
    assert noise == pytest.approx((2 / DIMENSION + 60 / DIMENSION**2) ** 0.5, rel=0.4)


@pytest.mark.parametrize("dimension", [3, 20, 45])
def test_shares_of_random_vectors_are_calibrated(dimension):
    rng = np.random.default_rng(dimension)
    vectors = rng.standard_normal((4000, 48))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    space = np.linalg.qr(rng.standard_normal((48, dimension)))[0].T
    p_values = memories.space_p_values(shares(vectors, space), dimension, 48)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


@pytest.mark.parametrize("rank", [1, 5, 48])
def test_alignments_of_random_pairs_are_calibrated(rank):
    rng = np.random.default_rng(rank)
    operator = rng.standard_normal((48, rank)) @ rng.standard_normal((rank, 30))
    operator /= np.linalg.norm(operator)
    left, right = rng.standard_normal((400, 48)), rng.standard_normal((400, 30))
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right))
    found = memories.alignments(left, right, operator)
    assert found.std() == pytest.approx((48 * 30) ** -0.5, rel=0.3)
    p_values = memories.alignment_p_values(found, operator, np.random.default_rng(9))
    assert stats.kstest(p_values, "uniform").pvalue > 0.001
    assert abs((p_values < 0.05).mean() - 0.05) < 4 * (0.05 / 400) ** 0.5


def test_the_whole_space_tells_nothing():
    assert np.isnan(memories.space_p_values(np.ones(2), 48, 48)).all()
