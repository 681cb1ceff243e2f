"""Recalls and divergences against loops over pairs, and on weights whose memories are known."""

import numpy as np
import pytest
from induction_head import gaussian_parameters, target_memories
from scipy.special import softmax
from scipy.stats import entropy

from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes import recalls

OUTPUT, KEY_2, KEY_1, FEED_FORWARD = WEIGHTS.values()
N_TOKENS, LENGTH = 7, 80


def probes_of(parameters, triggers=None, conditional=None, frequencies=None):
    n_tokens = len(parameters["embedding.weight"])
    conditional = np.full((n_tokens, n_tokens), 1 / n_tokens) if conditional is None else conditional
    frequencies = np.full(n_tokens, 1 / n_tokens) if frequencies is None else frequencies
    return {probe.probe: probe for probe in recalls.weight_probes(parameters, conditional, frequencies, triggers)}


def by_loops(weights, triggers):
    """The recalls as the paper writes them: for every memory, the best of all candidates."""
    n_tokens, positions = len(weights["embedding.weight"]), weights["positions.weight"]
    embedding, unembedding = weights["embedding.weight"], weights["unembedding.weight"]
    sought = range(n_tokens) if triggers is None else triggers

    def best(candidates, score):
        return max(candidates, key=score)

    def written(token):
        first = "layers.0.attention"
        return weights[f"{first}.output.weight"] @ (weights[f"{first}.value.weight"] @ embedding[token])

    def answer(token, candidate, through):
        value = weights["layers.1.attention.value.weight"] @ embedding[token]
        return unembedding[candidate] @ through @ weights[OUTPUT] @ value

    def one_back(position, candidate):
        return positions[position] @ weights[KEY_1] @ positions[candidate]

    identity = np.eye(embedding.shape[1])
    tokens = range(n_tokens)
    return {
        "recall_output": np.mean([best(tokens, lambda j, k=k: answer(k, j, identity)) == k for k in tokens]),
        "recall_output_corrected": np.mean(
            [best(tokens, lambda j, k=k: answer(k, j, identity + weights[FEED_FORWARD])) == k for k in tokens]
        ),
        "recall_key_2": np.mean(
            [best(sought, lambda j, k=k: embedding[k] @ weights[KEY_2] @ written(j)) == k for k in sought]
        ),
        "recall_key_1": np.mean(
            [best(range(LENGTH - 1), lambda s, t=t: one_back(t, s)) == t - 1 for t in range(1, LENGTH)]
        ),
        "recall_key_1_early": np.mean([best(range(63), lambda s, t=t: one_back(t, s)) == t - 1 for t in range(1, 64)]),
    }


@pytest.mark.parametrize("triggers", [None, np.array([4, 1, 6])])
def test_recalls_are_those_of_loops_over_all_pairs(triggers):
    rng = np.random.default_rng(1)
    weights = gaussian_parameters(rng, N_TOKENS, LENGTH, 12, feed_forward="linear")
    for name in ("embedding.weight", "unembedding.weight"):  # or rows and columns would have the same winners
        weights[name] *= rng.lognormal(0, 0.7, size=(N_TOKENS, 1))
    embedding, positions = weights["embedding.weight"], weights["positions.weight"]
    weights[KEY_1] += 0.1 * positions[1:].T @ positions[:-1]  # or nearly nothing would be recalled, and all would agree
    weights[OUTPUT] += 0.2 * weights["unembedding.weight"].T @ embedding @ weights["layers.1.attention.value.weight"].T
    found, expected = probes_of(weights, triggers), by_loops(weights, triggers)
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    assert 0 < found["recall_key_1"].value < found["recall_key_1_early"].value < 1
    sizes = {name: found[name].n for name in expected}
    n_keys = N_TOKENS if triggers is None else 3
    assert sizes == {
        "recall_output": N_TOKENS,
        "recall_output_corrected": N_TOKENS,
        "recall_key_2": n_keys,
        "recall_key_1": LENGTH - 1,
        "recall_key_1_early": 63,
    }


def test_target_memories_are_recalled():
    found = probes_of(target_memories(N_TOKENS, LENGTH, np.arange(N_TOKENS)))
    assert {name: probe.value for name, probe in found.items()} == {
        "recall_output": 1,
        "recall_key_2": 1,
        "recall_key_1": 1,
        "recall_key_1_early": 1,
    }


def test_triggers_alone_are_sought():
    triggers = np.array([5, 2, 0])
    parameters = target_memories(N_TOKENS, LENGTH, triggers)
    assert probes_of(parameters, triggers)["recall_key_2"].value == 1
    assert probes_of(parameters)["recall_key_2"].value == pytest.approx(
        3 / N_TOKENS
    )  # others seek nothing: token 0 wins


def rotated_memories(rng):
    """Memories whose inputs are other tokens' outputs: a transposed or shifted weight answers every input wrongly."""
    basis = np.linalg.qr(rng.standard_normal((N_TOKENS + LENGTH, N_TOKENS + LENGTH)))[0]
    tokens, places = basis[:N_TOKENS], basis[N_TOKENS:]
    shift = np.roll(tokens, -1, axis=0).T @ tokens  # token k to k + 1
    parameters = {
        "embedding.weight": tokens,
        "positions.weight": places,
        "unembedding.weight": tokens,
        "layers.0.attention.value.weight": shift,
        "layers.0.attention.output.weight": np.eye(len(basis)),
        "layers.1.attention.value.weight": shift,
        KEY_1: places[1:].T @ places[:-1],
        KEY_2: tokens.T @ (tokens @ shift.T),
        OUTPUT: tokens.T @ (tokens @ shift.T),
    }
    return parameters, shift


@pytest.mark.parametrize(("probe", "weight"), [("output", OUTPUT), ("key_2", KEY_2), ("key_1", KEY_1)])
def test_transposed_and_shifted_weights_recall_nothing(probe, weight):
    parameters, shift = rotated_memories(np.random.default_rng(2))
    assert probes_of(parameters)[f"recall_{probe}"].value == 1
    assert probes_of({**parameters, weight: parameters[weight].T})[f"recall_{probe}"].value == 0
    places = parameters["positions.weight"]
    moved = places[2:].T @ places[:-2] if weight == KEY_1 else shift @ parameters[weight]
    assert probes_of({**parameters, weight: moved})[f"recall_{probe}"].value == 0


def test_correction_reads_through_the_feed_forward_map():
    parameters, shift = rotated_memories(np.random.default_rng(3))
    others = np.eye(len(shift)) - shift @ shift.T
    parameters[FEED_FORWARD] = shift + others - np.eye(len(shift))  # what is written moves on by one token
    parameters[OUTPUT] = shift.T @ parameters[OUTPUT]  # so it is written one before
    found = probes_of(parameters)
    assert (found["recall_output"].value, found["recall_output_corrected"].value) == (0, 1)
    parameters[FEED_FORWARD] = parameters[FEED_FORWARD].T
    assert probes_of(parameters)["recall_output_corrected"].value == 0


def test_random_weights_recall_by_chance():
    rng = np.random.default_rng(4)
    drawn = [probes_of(gaussian_parameters(rng, 5, 20, 8, feed_forward="linear")) for _ in range(600)]
    for name in ("recall_output", "recall_output_corrected", "recall_key_2", "recall_key_1"):
        values, chance = np.array([probes[name].value for probes in drawn]), drawn[0][name].chance
        assert abs(values.mean() - chance) < 4 * values.std() / np.sqrt(len(values)), name
        assert chance == 1 / drawn[0][name].n


@pytest.mark.parametrize("feed_forward", ["linear", "mlp"])
def test_divergence_is_that_of_scipy(feed_forward):
    rng = np.random.default_rng(5)
    weights = gaussian_parameters(rng, N_TOKENS, 20, 12, feed_forward=feed_forward)
    conditional, frequencies = rng.dirichlet(np.ones(N_TOKENS), N_TOKENS), rng.dirichlet(np.ones(N_TOKENS))
    conditional[2] = np.eye(N_TOKENS)[3]  # zeros, as in counts
    triggers = np.array([1, 6])
    expected = []
    for token in (0, 2, 3, 4, 5):
        hidden = weights["embedding.weight"][token]
        if feed_forward == "linear":
            hidden = weights[FEED_FORWARD] @ hidden
        else:
            inside = weights["layers.1.feed_forward.up.weight"] @ hidden
            hidden = weights["layers.1.feed_forward.down.weight"] @ (inside * (inside > 0))
        expected.append(entropy(conditional[token], softmax(weights["unembedding.weight"] @ hidden)))
    found = probes_of(weights, triggers, conditional, frequencies)
    weighted = np.average(expected, weights=frequencies[[0, 2, 3, 4, 5]])
    assert found["divergence_bigram"].value == pytest.approx(np.mean(expected))
    assert found["divergence_bigram_weighted"].value == pytest.approx(weighted)
    assert found["divergence_bigram"].n == 5
    assert ("recall_output_corrected" in found) == (feed_forward == "linear")


def test_target_feed_forward_is_the_bigram():
    rng = np.random.default_rng(6)
    conditional = rng.dirichlet(np.ones(N_TOKENS), N_TOKENS)
    parameters = target_memories(N_TOKENS, LENGTH, np.arange(N_TOKENS))
    tokens, read = parameters["embedding.weight"], parameters["unembedding.weight"]
    parameters[FEED_FORWARD] = read.T @ np.log(conditional).T @ tokens
    assert probes_of(parameters, None, conditional)["divergence_bigram"].value == pytest.approx(0, abs=1e-12)
    parameters[FEED_FORWARD] = read.T @ np.log(conditional) @ tokens
    assert probes_of(parameters, None, conditional)["divergence_bigram"].value > 0.3


def test_without_feed_forward_nothing_is_said_of_it():
    found = probes_of(gaussian_parameters(np.random.default_rng(7), N_TOKENS, 20, 12))
    assert list(found) == ["recall_output", "recall_key_2", "recall_key_1", "recall_key_1_early"]
