"""What models predict: one sequence at a time, in parts of any size, and with an induction head made by hand."""

import numpy as np
import pytest
import torch
from induction_head import (
    gaussian_parameters,
    simplified_model,
    small_task,
    target_memories,
    without_first_trigger,
)
from scipy.special import log_softmax

from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes import behaviour


def forward(parameters, tokens):
    """The simplified model in float64, one position at a time; logits and the attention of both layers."""
    hidden = parameters["embedding.weight"][tokens] + parameters["positions.weight"][: len(tokens)]
    maps = []
    for layer in range(2):
        key, value, output = (
            parameters[f"layers.{layer}.attention.{part}.weight"] for part in ("key", "value", "output")
        )
        weights, added = np.zeros((len(tokens), len(tokens))), np.zeros_like(hidden)
        for t in range(len(tokens)):
            scores = np.array([hidden[t] @ key @ hidden[s] for s in range(t + 1)])
            weights[t, : t + 1] = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
            added[t] = output @ value @ (weights[t] @ hidden)
        hidden = hidden + added
        maps.append(weights)
    if WEIGHTS["feed_forward"] in parameters:
        hidden = hidden + hidden @ parameters[WEIGHTS["feed_forward"]].T
    return hidden @ parameters["unembedding.weight"].T, maps


@pytest.mark.parametrize("feed_forward", ["none", "linear"])
def test_behaviour_is_that_of_a_loop_over_positions(feed_forward, monkeypatch):
    rng = np.random.default_rng(1)
    sequences = small_task(rng).sample(7, rng)
    parameters = gaussian_parameters(rng, 8, 24, 16, feed_forward=feed_forward)
    monkeypatch.setattr(behaviour, "ATTENTION_NUMBERS", 3 * 24**2)  # parts of 3, 3 and 1
    seen = behaviour.observe(simplified_model(parameters), sequences)
    assert [layer.shape for layer in seen.attended] == [(7, 1, 24)] * 2
    for i, tokens in enumerate(sequences.inputs):
        logits, maps = forward(parameters, tokens)
        losses = -log_softmax(logits, axis=1)[np.arange(24), sequences.targets[i]]
        np.testing.assert_allclose(seen.losses[i], losses, atol=1e-4)
        np.testing.assert_array_equal(seen.predictions[i], logits.argmax(axis=1))
        for layer in range(2):
            np.testing.assert_array_equal(seen.attended[layer][i, 0], maps[layer].argmax(axis=1))


def test_attention_need_not_be_looked_at():
    rng = np.random.default_rng(2)
    sequences = small_task(rng).sample(5, rng)
    model = simplified_model(gaussian_parameters(rng, 8, 24, 16))
    whole, part = (behaviour.observe(model, sequences, attention=wanted) for wanted in (True, False))
    assert part.attended == []
    np.testing.assert_array_equal(whole.predictions, part.predictions)
    np.testing.assert_allclose(whole.losses, part.losses, atol=1e-5)


def test_probes_count_the_right_positions():
    rng = np.random.default_rng(3)
    sequences = small_task(rng).sample(20, rng)
    seen = behaviour.observe(simplified_model(gaussian_parameters(rng, 8, 24, 16)), sequences, attention=False)
    hits, induced, losses = [], [], {"in_context_loss": [], "global_loss": []}
    for i in range(20):
        for t in range(24):
            count = sequences.occurrences[i, t]
            if count >= 2:
                hits.append(seen.predictions[i, t] == sequences.tokens[i, t + 1])
                if sequences.tokens[i, t] != sequences.tokens[i, t + 1]:
                    induced.append(hits[-1])
            if count != 1:
                losses["in_context_loss" if count else "global_loss"].append(seen.losses[i, t])
    (accuracy,) = behaviour.accuracy_probe(seen, sequences, 1 / 8, "bigram")
    assert (accuracy.value, accuracy.n, accuracy.chance) == (pytest.approx(np.mean(hits)), len(hits), 1 / 8)
    assert (accuracy.probe, accuracy.outputs) == ("in_context_accuracy", "bigram")
    (induction,) = behaviour.induction_probe(seen, sequences, 1 / 8)
    assert (induction.value, induction.n, induction.chance) == (pytest.approx(np.mean(induced)), len(induced), 1 / 8)
    assert 0 < len(induced) < len(hits)
    for probe in behaviour.loss_probes(seen, sequences):
        assert probe.value == pytest.approx(np.mean(losses[probe.probe]))
        assert probe.n == len(losses[probe.probe])


@pytest.mark.parametrize("triggers", ["frequent", "random"])
def test_induction_head_from_the_target_memories(triggers):
    rng = np.random.default_rng(4)
    task = small_task(rng, n_tokens=16, n_triggers=2, triggers=triggers, no_repeat=True)
    sequences = without_first_trigger(task.sample(100, rng))
    sought = np.arange(16) if task.fixed_triggers is None else task.fixed_triggers
    parameters = target_memories(16, 24, sought)

    def accuracy(weights):
        seen = behaviour.observe(simplified_model(weights, scale=100), sequences, attention=False)
        return behaviour.accuracy_probe(seen, sequences, 1 / 16)[0].value

    assert accuracy(parameters) == 1
    for matrix in ("output_2", "key_2", "key_1"):
        name = WEIGHTS[matrix]
        shifted = np.roll(parameters[name], 1, axis=0)
        assert accuracy({**parameters, name: shifted}) < 0.5, matrix
        transposed = parameters[name].T  # that of W_O^2 is the same
        assert matrix == "output_2" or accuracy({**parameters, name: transposed}) < 0.5, matrix


def test_random_predictions_hit_by_chance():
    rng = np.random.default_rng(5)
    sequences = small_task(rng).sample(30, rng)
    values = []
    for _ in range(150):
        model = simplified_model(gaussian_parameters(rng, 8, 24, 16))
        with torch.no_grad():
            seen = behaviour.observe(model, sequences, attention=False)
        values.append(behaviour.accuracy_probe(seen, sequences, 1 / 8)[0].value)
    assert abs(np.mean(values) - 1 / 8) < 4 * np.std(values) / np.sqrt(len(values))
