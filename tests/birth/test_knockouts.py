"""Cuts of a transformer whose memories were put in by hand: what they take is known in advance."""

import numpy as np
import pandas as pd
import planted
import pytest
import torch

from weightspectra.birth.locator import knockouts
from weightspectra.birth.model.bigram_transformer import BigramConfig, BigramTransformer
from weightspectra.birth.model.checkpoints import Run
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes import behaviour
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.task.characters import Bigrams
from weightspectra.birth.training.resuming import rows_of
from weightspectra.birth.training.steps import Snapshot

N_TOKENS, LENGTH, DIMENSION, K = 10, 24, 160, 2


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    followers = rng.integers(1, 9, (N_TOKENS, N_TOKENS)) + 20 * (np.arange(N_TOKENS) < K)
    counts = followers.sum(axis=1)
    counts[:K] = counts.max() + np.array([50, 20])
    counts[0] += 1
    return BigramTask(Bigrams(tuple("abcdefghij"), counts, followers), n_triggers=K, length=LENGTH, no_repeat=True)


@pytest.fixture(scope="module")
def sequences(task):
    return task.sample(48, np.random.default_rng(1))


@pytest.fixture
def model(task):
    """An induction head: the ideal memories, so strong that attention and prediction hardly hesitate."""
    drawn = planted.parameters(N_TOKENS, LENGTH, DIMENSION, np.random.default_rng(2))
    strengths = {"key_1": 0.05, "key_2": 0.3, "output_2": 4.0}
    for name, matrix in planted.ideal(drawn, task.fixed_triggers).items():
        drawn[WEIGHTS[name]] = strengths[name] * matrix
    config = BigramConfig(dimension=DIMENSION, vocab_size=N_TOKENS, max_position_embeddings=LENGTH)
    made = BigramTransformer(config).eval()
    made.load_state_dict({name: torch.as_tensor(values, dtype=torch.float32) for name, values in drawn.items()})
    return made


def matrices_of(model, n_located):
    parameters = dict(model.named_parameters())
    return {name: knockouts.Matrix.of(parameters[WEIGHTS[name]], n) for name, n in n_located.items()}


@pytest.fixture
def rows(model, sequences):
    before = {name: values.clone() for name, values in model.state_dict().items()}
    matrices = matrices_of(model, {"output_2": N_TOKENS, "key_2": K, "key_1": LENGTH - 1})
    found = list(knockouts.measure(model, matrices, sequences, K))
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())
    return {(row["matrix"], row["cut"], row["n_values"]): row for row in found}


def test_each_cut_does_what_it_must(rows):
    whole = rows["", "none", 0]
    assert whole["in_context_accuracy"] > 0.9
    assert (whole["accuracy_change"], whole["accuracy_change_error"], whole["removed_energy"]) == (0, 0, 0)
    for name, n in (("output_2", N_TOKENS), ("key_2", K), ("key_1", LENGTH - 1)):
        kept, removed = rows[name, "keep_located", n], rows[name, "remove_located", n]
        assert kept["accuracy_change"] == pytest.approx(0, abs=0.01)
        assert kept["removed_energy"] == pytest.approx(0, abs=1e-9)
        assert removed["removed_energy"] == pytest.approx(1)
        assert removed["accuracy_change"] < -0.4
        assert abs(removed["accuracy_change"]) > 5 * removed["accuracy_change_error"] > 0
        assert rows[name, "remove_smallest", DIMENSION // 2]["accuracy_change"] == pytest.approx(0, abs=0.01)
    n_all = N_TOKENS + K + LENGTH - 1
    assert rows["all", "keep_located", n_all]["accuracy_change"] == pytest.approx(0, abs=0.01)
    assert rows["all", "remove_located", n_all]["in_context_accuracy"] < 0.3


def test_each_memory_of_the_triggers_is_worth_one_value(rows):
    by_rank = [rows["key_2", "keep_largest", k]["in_context_accuracy"] for k in range(1, K + 3)]
    assert by_rank[0] < by_rank[1] - 0.1
    assert by_rank[1:] == pytest.approx([by_rank[1]] * 3, abs=0.01)


def test_differences_are_to_the_uncut_model(rows):
    whole = rows["", "none", 0]
    for row in rows.values():
        assert row["accuracy_change"] == pytest.approx(row["in_context_accuracy"] - whole["in_context_accuracy"])
        assert row["loss_change"] == pytest.approx(row["global_loss"] - whole["global_loss"])
        assert row["n_sequences"] == 48


def test_errors_are_those_of_paired_sequences(model, sequences):
    """Against the jackknife over sequences."""
    matrices = matrices_of(model, {"key_2": 1})
    found = {row["cut"]: row for row in knockouts.measure(model, matrices, sequences, None)}["keep_located"]

    def hits():
        seen = behaviour.observe(model, sequences, attention=False)
        return ((seen.predictions == sequences.targets) & sequences.predictable).sum(axis=1)

    with knockouts.knocked_out(matrices, knockouts.Knockout("key_2", "", 1, {"key_2": slice(0, 1)})):
        cut = hits()
    gained, counts = cut - hits(), sequences.predictable.sum(axis=1)
    left_out = (gained.sum() - gained) / (counts.sum() - counts)
    jackknife = (47 / 48 * ((left_out - left_out.mean()) ** 2).sum()) ** 0.5
    assert found["accuracy_change"] == pytest.approx(gained.sum() / counts.sum())
    assert found["accuracy_change_error"] == pytest.approx(jackknife, rel=0.1)


@pytest.mark.parametrize("kept", [slice(0, 3), slice(3, 160), slice(0, 150), slice(0, 0), slice(0, 160)])
def test_a_cut_is_a_truncated_decomposition(model, kept):
    weight = model.state_dict()[WEIGHTS["key_1"]].double().numpy()
    weight = weight + 0.1 * np.random.default_rng(3).standard_normal(weight.shape)
    parameter = torch.nn.Parameter(torch.as_tensor(weight, dtype=torch.float32))
    left, values, right = np.linalg.svd(parameter.detach().double().numpy())
    wanted = (left[:, kept] * values[kept]) @ right[kept]
    matrices = {"key_1": knockouts.Matrix.of(parameter, 3)}
    with knockouts.knocked_out(matrices, knockouts.Knockout("key_1", "", 0, {"key_1": kept})) as removed_energy:
        assert parameter.detach().numpy() == pytest.approx(wanted, abs=1e-5)
    gone = 1 - (values[kept] ** 2).sum() / (values**2).sum()
    assert removed_energy == pytest.approx(gone, abs=1e-9)
    assert torch.equal(parameter.detach(), torch.as_tensor(weight, dtype=torch.float32))


def test_nothing_located_leaves_nothing_to_keep(model):
    listed = knockouts.cuts(matrices_of(model, {"key_2": 0}), K)
    assert [(cut.cut, cut.n_values) for cut in listed if cut.matrix == "key_2"] == [
        ("keep_located", 0),
        ("remove_located", 0),
        ("remove_smallest", DIMENSION // 2),
        *(("keep_largest", k) for k in range(1, K + 3)),
    ]


def test_a_checkpoint_of_a_run_is_cut_as_its_model_is(model, sequences):
    parameters = {name: values.detach().numpy() for name, values in model.named_parameters()}
    found = {name: parameters[WEIGHTS[name]] for name in ("output_2", "key_2", "key_1")}
    rows = []
    for iteration, strength in ((0, 1e-3), (10, 1)):
        trained = {WEIGHTS[name]: strength * values for name, values in found.items()}
        rows += rows_of(Snapshot(iteration, trained, {}, {}), model, {"birth": "toy", "seed": 4})
    run, n_located = Run.of(pd.DataFrame(rows)), {"key_2": 1, "output_2": N_TOKENS}
    last = knockouts.knock_out(run, 10, n_located, sequences, K, torch.device("cpu"))
    named = {"birth": "toy", "seed": 4, "iteration": 10}
    assert last == [named | row for row in knockouts.measure(model, matrices_of(model, n_located), sequences, K)]
    first, *_ = knockouts.knock_out(run, 0, {}, sequences, K, torch.device("cpu"))
    assert (first["iteration"], first["cut"]) == (0, "none")
    assert first["in_context_accuracy"] < 0.5 < last[0]["in_context_accuracy"]


def test_the_middle_and_the_last_checkpoint_are_cut():
    assert knockouts.chosen([0, 5, 10, 20, 40]) == [10, 40]
    assert knockouts.chosen([0]) == [0]
