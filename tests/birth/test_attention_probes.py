"""Attention probes against loops over positions, and on an induction head made by hand."""

import numpy as np
import pytest
from induction_head import simplified_model, small_task, target_memories, without_first_trigger

from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes import behaviour
from weightspectra.birth.probes.attention import AttentionProbes
from weightspectra.birth.probes.behaviour import Behaviour

EARLY = {"attends_previous", "attends_previous_start", "attends_previous_repeat", "attends_answer_repeats_first"}
LATE = {"attends_repeat", "predicts_attended", "attends_answer", "attends_answer_repeats"}


def random_behaviour(sequences, n_tokens, heads, rng):
    """Predictions and attention that know nothing: every position in view alike."""
    n, length = sequences.occurrences.shape
    attended = [(rng.random((n, n_heads, length)) * np.arange(1, length + 1)).astype(int) for n_heads in heads]
    return Behaviour(rng.integers(n_tokens, size=(n, length)), np.zeros((n, length)), attended)


def by_loops(sequences, predictions, first, second):
    """Hits and positions of each probe, one position at a time."""
    tally = {name: [] for name in EARLY | LATE}
    n, length = sequences.occurrences.shape
    for i in range(n):
        x, y, count = sequences.tokens[i, :-1], sequences.tokens[i, 1:], sequences.occurrences[i]
        for t in range(length):
            if t >= 1:
                tally["attends_previous"].append(first[i, t] == t - 1)
                if count[t - 1] == 1:
                    tally["attends_previous_start"].append(first[i, t] == t - 1)
            if count[t] < 2:
                continue
            s = second[i, t]
            tally["attends_repeat"].append(s >= 1 and x[s - 1] == x[t])
            if s >= 1:
                tally["attends_previous_repeat"].append(first[i, s] == s - 1)
            tally["predicts_attended"].append(predictions[i, t] == x[s])
            tally["attends_answer"].append(x[s] == y[t])
            if x[t] == y[t]:
                tally["attends_answer_repeats"].append(x[s] == y[t])
                tally["attends_answer_repeats_first"].append(x[first[i, t]] == y[t])
    return tally


@pytest.mark.parametrize("triggers", ["frequent", "random"])
def test_probes_are_those_of_loops_over_positions(triggers):
    rng = np.random.default_rng(1)
    task = small_task(rng, triggers=triggers)
    sequences = task.sample(40, rng)
    seen = random_behaviour(sequences, 8, (1, 1), rng)
    found = AttentionProbes(sequences).of(seen)
    expected = by_loops(sequences, seen.predictions, seen.attended[0][:, 0], seen.attended[1][:, 0])
    assert {probe.probe for probe in found} == EARLY | LATE
    for probe in found:
        assert probe.n == len(expected[probe.probe])
        assert probe.value == pytest.approx(np.mean(expected[probe.probe]))
        assert (probe.layer, probe.head) == (0 if probe.probe in EARLY else 1, 0)


def test_best_heads_are_probed():
    rng = np.random.default_rng(3)
    task = small_task(rng)
    sequences = without_first_trigger(task.sample(40, rng))
    seen = random_behaviour(sequences, 8, (3, 4, 2), rng)
    positions = np.arange(24)
    seen.attended[1][:, 2] = np.maximum(positions - 1, 0)
    seen.attended[2][:, 1] = behind_copies(sequences)
    seen.attended[1][:, 0] = behind_copies(sequences)  # not behind the head that looks one back
    found = {probe.probe: probe for probe in AttentionProbes(sequences).of(seen)}
    assert {(found[name].layer, found[name].head) for name in EARLY} == {(1, 2)}
    assert {(found[name].layer, found[name].head) for name in LATE} == {(2, 1)}
    assert {name for name, probe in found.items() if probe.value == 1} == (EARLY | LATE) - {"predicts_attended"}


def behind_copies(sequences):
    """The position after the last earlier copy of each token; the first position where there is none."""
    found = np.zeros_like(sequences.inputs)
    for i, tokens in enumerate(sequences.inputs):
        for t in range(len(tokens)):
            found[i, t] = max((s for s in range(1, t + 1) if tokens[s - 1] == tokens[t]), default=0)
    return found


def test_one_layer_has_no_probes_of_a_second():
    rng = np.random.default_rng(4)
    sequences = small_task(rng).sample(40, rng)
    found = AttentionProbes(sequences).of(random_behaviour(sequences, 8, (2,), rng))
    assert {probe.probe for probe in found} == EARLY - {"attends_previous_repeat"}
    assert {probe.layer for probe in found} == {0}


def test_what_no_position_tests_is_absent():
    rng = np.random.default_rng(5)
    sequences = small_task(rng, no_repeat=True).sample(40, rng)
    found = AttentionProbes(sequences).of(random_behaviour(sequences, 8, (1, 1), rng))
    assert {probe.probe for probe in found} == {
        name for name in EARLY | LATE if not name.startswith("attends_answer_repeats")
    }


@pytest.mark.parametrize("triggers", ["frequent", "random"])
def test_induction_head_from_the_target_memories(triggers):
    rng = np.random.default_rng(6)
    task = small_task(rng, n_tokens=16, n_triggers=2, triggers=triggers)
    sequences = without_first_trigger(task.sample(100, rng))
    sought = np.arange(16) if task.fixed_triggers is None else task.fixed_triggers
    parameters = target_memories(16, 24, sought)
    seen = behaviour.observe(simplified_model(parameters, scale=100), sequences)
    found = {probe.probe: probe for probe in AttentionProbes(sequences).of(seen)}
    assert {name: probe.value for name, probe in found.items()} == dict.fromkeys(EARLY | LATE, 1.0)

    transposed = {**parameters, WEIGHTS["key_1"]: parameters[WEIGHTS["key_1"]].T}
    seen = behaviour.observe(simplified_model(transposed, scale=100), sequences)
    found = {probe.probe: probe for probe in AttentionProbes(sequences).of(seen)}
    assert found["attends_previous"].value < 0.1
    assert found["attends_repeat"].value < 0.7
