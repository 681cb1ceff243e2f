"""Whole runs: every checkpoint on the same sequences, names as they are promised, an example that shows something."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from induction_head import gaussian_parameters, simplified_model, small_task, target_memories

from weightspectra import contracts
from weightspectra.base.seeds import derived_seed
from weightspectra.birth.model.bigram_transformer import BigramConfig, BigramTransformer, initialised
from weightspectra.birth.model.checkpoints import Run
from weightspectra.birth.probes import behaviour, suite
from weightspectra.birth.probes.names import probes_of
from weightspectra.birth.settings import Birth
from weightspectra.birth.task.bigram_task import Sequences, batch_generator

CPU = torch.device("cpu")


def checkpoints_of(models, *, seed=0):
    """A run that keeps these models, at iterations 0, 10, 20, ..."""
    config = json.dumps(next(iter(models)).config.to_dict())
    rows = [
        {
            **{"birth": "small", "seed": seed, "config": config, "iteration": 10 * number, "parameter": name},
            **{"trained": True, "shape": list(values.shape), "values": values.numpy().ravel()},
            **{"momentum": [], "second_moment": []},
        }
        for number, model in enumerate(models)
        for name, values in model.state_dict().items()
    ]
    return Run.of(pd.DataFrame(rows))


def full_model(**options):
    """A small random full model."""
    settings = {"kind": "full", "dimension": 16, "n_heads": 2, "positions": "learned", "feed_forward": "mlp", **options}
    config = BigramConfig(vocab_size=8, max_position_embeddings=24, **settings)
    return initialised(config, lambda name: len(name)).eval()


def probed(run, task, n=30):
    """Rows of all probes, as they come back from a file."""
    rows = suite.probe_run(run, task, n, 7, CPU)
    frame = pd.DataFrame(rows, columns=contracts.PROBES.schema.names)
    return contracts.PROBES.arrow_table({name: frame[name] for name in frame}).to_pandas()


def test_a_run_that_becomes_an_induction_head():
    rng = np.random.default_rng(1)
    task = small_task(rng, n_tokens=16, n_triggers=2, no_repeat=True)
    final = target_memories(16, 24, task.fixed_triggers)
    start = gaussian_parameters(rng, 16, 24, final["embedding.weight"].shape[1])
    run = checkpoints_of([simplified_model(start), simplified_model(final, scale=100)], seed=3)
    found = probed(run, task, 200).set_index(["iteration", "probe", "outputs"])
    assert found.index.is_unique
    assert (found["seed"] == 3).all()
    for probe in ("recall_output", "recall_key_2", "recall_key_1", "attends_previous"):
        assert found.loc[(10, probe, ""), "value"] == 1, probe
        assert found.loc[(0, probe, ""), "value"] < 0.6, probe
    accuracy = found.xs("in_context_accuracy", level="probe")["value"]
    assert accuracy[(10, "")] > 0.85  # some sequences begin with a trigger
    assert accuracy[(10, "bigram")] > 0.8
    assert accuracy[(0, "")] < 0.4
    for iteration in (0, 10):
        assert accuracy[(iteration, "")] == accuracy[(iteration, "uniform")]


def test_test_outputs_have_their_own_sequences(monkeypatch):
    rng = np.random.default_rng(2)
    task = small_task(rng, outputs="bigram")
    monkeypatch.setattr(suite, "N_RANDOM", 0)
    seen, observe = [], behaviour.observe
    monkeypatch.setattr(
        behaviour,
        "observe",
        lambda model, sequences, **rest: seen.append(sequences) or observe(model, sequences, **rest),
    )
    run = checkpoints_of([simplified_model(gaussian_parameters(rng, 8, 24, 16)) for _ in range(2)])
    probed(run, task)
    assert len(seen) == 4  # two checkpoints, two distributions of outputs
    for one, other in zip(seen[:2], seen[2:], strict=True):
        np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_array_equal(seen[0].triggers, seen[1].triggers)
    assert (seen[0].outputs != seen[1].outputs).any()
    other_run = suite.sequences_of(task, 30, 7, run.seed + 1)
    assert (other_run.tokens != seen[0].tokens).any()


def test_no_step_of_training_sees_what_is_probed():
    task = small_task(np.random.default_rng(0))
    probed = {row.tobytes() for row in suite.sequences_of(task, 30, 7, 3).tokens}
    for iteration in range(20):
        trained = task.sample(30, batch_generator(7, 3, iteration)).tokens
        # Now and then one sequence repeats a single letter, and so does another.
        assert len(probed & {row.tobytes() for row in trained}) <= 3


def test_outputs_that_a_trigger_cannot_have_are_left_out():
    rng = np.random.default_rng(3)
    task = small_task(rng, n_triggers=1)
    followers = task.bigrams.followers.copy()
    followers[task.fixed_triggers] = 50 * np.eye(8, dtype=int)[task.fixed_triggers]
    bigrams = type(task.bigrams)(task.bigrams.characters, task.bigrams.counts, followers)
    alone = type(task)(bigrams, n_triggers=1, length=24, no_repeat=True)
    found = probed(checkpoints_of([simplified_model(gaussian_parameters(rng, 8, 24, 16))]), alone)
    assert set(found["outputs"]) == {"", "uniform"}


MODELS = {
    "simplified": {"kind": "simplified", "feed_forward": "none"},
    "with a linear map": {"kind": "simplified", "feed_forward": "linear"},
    "with a perceptron": {"kind": "simplified", "feed_forward": "mlp"},
    "full": {"kind": "full", "n_layers": 2, "feed_forward": "mlp"},
    "one layer": {"kind": "full", "n_layers": 1, "feed_forward": "none"},
}


@pytest.mark.parametrize("no_repeat", [False, True])
@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
def test_probes_have_the_names_that_settings_know(settings, no_repeat):
    rng = np.random.default_rng(4)
    task = small_task(rng, no_repeat=no_repeat)
    if settings["kind"] == "full":
        model = full_model(**settings)
    else:
        model = simplified_model(gaussian_parameters(rng, 8, 24, 16, feed_forward=settings["feed_forward"]))
    found = probed(checkpoints_of([model]), task)
    assert set(found["probe"]) == set(probes_of(Birth(model=settings, data={"no_repeat": no_repeat})))
    assert (found["n"] > 0).all()
    assert found[["value", "chance"]].notna().all(axis=None)
    of_weights = found["probe"].str.startswith(("recall", "divergence"))
    assert (found["standard_error"].isna() == of_weights).all()
    assert ((found["layer"] >= 0) == found["probe"].str.contains("attend")).all()


def test_attention_of_the_last_checkpoint():
    rng = np.random.default_rng(5)
    task = small_task(rng)
    models = [full_model(), full_model()]
    for parameter in models[1].parameters():
        parameter.data *= 2
    run = checkpoints_of(models)
    rows = list(suite.map_attention(run, task, 30, 7, CPU))
    frame = pd.DataFrame(rows, columns=contracts.ATTENTION_MAPS.schema.names)
    found = contracts.ATTENTION_MAPS.arrow_table({name: frame[name] for name in frame}).to_pandas()
    assert len(found) == 2 * 2 * 24
    assert set(found["iteration"]) == {10}
    example = suite.example_of(suite.sequences_of(task, 30, 7, run.seed))
    maps = BigramTransformer.forward(models[1], torch.tensor(example.inputs), output_attentions=True).attentions
    for row in found.itertuples():
        expected = maps[row.layer][0, row.head, row.position].detach().numpy()
        np.testing.assert_allclose(row.weights, expected[: row.position + 1], rtol=1e-5)
        assert row.weights.sum() == pytest.approx(1, abs=1e-5)
        assert row.character == task.bigrams.characters[example.inputs[0, row.position]]
        assert row.occurrence == example.occurrences[0, row.position]


def test_example_shows_triggers_that_repeat():
    tokens = np.array(
        [
            [0, 0, 0, 0, 0, 0, 0, 0],  # repeats itself
            [0, 5, 0, 5, 6, 7, 6, 1],  # one trigger twice
            [0, 5, 1, 6, 0, 5, 1, 6],  # two triggers twice
            [0, 5, 1, 6, 0, 5, 1, 6],  # the same again
            [6, 7, 6, 7, 0, 5, 0, 5],
        ]
    )
    triggers = np.tile([0, 1], (5, 1))
    occurrences = np.zeros((5, 7), np.int16)
    for i in range(5):
        for t in range(7):
            if tokens[i, t] in triggers[i]:
                occurrences[i, t] = (tokens[i, : t + 1] == tokens[i, t]).sum()
    sequences = Sequences(tokens, occurrences, triggers, np.arange(10).reshape(5, 2))
    example = suite.example_of(sequences, length=7)
    np.testing.assert_array_equal(example.tokens, tokens[2:3])
    np.testing.assert_array_equal(example.outputs, [[4, 5]])
    short = suite.example_of(sequences, length=3)
    np.testing.assert_array_equal(short.tokens, tokens[1:2, :4])
    np.testing.assert_array_equal(short.occurrences, occurrences[1:2, :3])


@pytest.mark.parametrize(
    "settings", [{"kind": "simplified", "feed_forward": "linear"}, {"n_heads": 4}, {"tie_embeddings": True}]
)
def test_chance_is_what_random_models_reach(settings, monkeypatch):
    monkeypatch.setattr(suite, "N_RANDOM", 40)
    rng = np.random.default_rng(8)
    task = small_task(rng, no_repeat=True)
    config = full_model(**settings).config
    models = [initialised(config, lambda name, draw=draw: derived_seed(draw, name)).eval() for draw in range(40)]
    found = probed(checkpoints_of(models), task).groupby(["probe", "outputs"])
    values, errors = found["value"].mean(), found["value"].sem()
    chance = found["chance"].first()
    exact = chance.index.get_level_values("probe").str.startswith("recall")
    assert (np.abs(values - chance) < 4 * errors * np.where(exact, 1, np.sqrt(2))).all()
    # Or the comparison says nothing. Tied embeddings repeat the token that they see, and are almost never right.
    assert (errors < np.maximum(0.2 * chance, 0.005)).all()


def test_best_of_several_random_heads_does_better_than_one():
    rng = np.random.default_rng(9)
    task = small_task(rng)
    chance = {}
    for n_heads in (1, 8):
        found = probed(checkpoints_of([full_model(n_heads=n_heads)]), task).set_index("probe")["chance"]
        chance[n_heads] = found["attends_previous"]
    uniform = np.mean([1 / (t + 1) for t in range(1, 24)])
    assert chance[1] == pytest.approx(uniform, rel=0.25)
    assert chance[8] > 1.3 * chance[1]


def test_same_run_same_rows():
    rng = np.random.default_rng(6)
    task = small_task(rng, triggers="random")
    run = checkpoints_of([simplified_model(gaussian_parameters(rng, 8, 24, 16))])
    pd.testing.assert_frame_equal(probed(run, task), probed(run, task), check_exact=True)
