"""Locators over the checkpoints of a run: each against what was learned since the first, with a stream of its own."""

from types import SimpleNamespace

import numpy as np
import planted
import pytest

from weightspectra.base.seeds import generator
from weightspectra.birth.locator import ground_truth, memories
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.settings import Training
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.task.characters import Bigrams
from weightspectra.randomness.noise import nulls

N_TOKENS, LENGTH, D, DECAY = 10, 8, 64, 0.01
TRAINING = Training(optimiser="sgd", learning_rate=0.5, weight_decay=DECAY, momentum=0.0)


@pytest.fixture(scope="module")
def task():
    followers = np.random.default_rng(0).integers(1, 9, (N_TOKENS, N_TOKENS))
    counts = followers.sum(axis=1) + (np.arange(N_TOKENS) == 0)
    return BigramTask(Bigrams(tuple("abcdefghij"), counts, followers), n_triggers=2, length=LENGTH)


@pytest.fixture(scope="module")
def states(task):
    """Parameters at three checkpoints: strong memories in W_K^2, that grow beside what is left of the beginning."""
    drawn = planted.parameters(N_TOKENS, LENGTH, D, np.random.default_rng(1))
    key_2 = planted.ideal(drawn, task.fixed_triggers)["key_2"]
    found = {0: drawn}
    for iteration, strength in ((20, 0.1), (40, 0.2)):
        kept = (1 - 0.5 * DECAY) ** iteration
        learned = {WEIGHTS[name]: kept * drawn[WEIGHTS[name]] for name in ("key_1", "key_2", "output_2")}
        learned[WEIGHTS["key_2"]] = learned[WEIGHTS["key_2"]] + strength * key_2
        found[iteration] = drawn | learned
    return found


@pytest.fixture(scope="module")
def tables():
    return {shape: nulls.draw(shape, 30, 1000, 0) for shape in nulls.shapes([(D, D)])}


def scored(states, task, tables, iterations=(0, 20, 40), seed=7):
    run = SimpleNamespace(birth="tiny", seed=4, iterations=list(iterations), parameters=states.__getitem__)
    return ground_truth.score_run(run, task, TRAINING, tables, 0.05, seed)


@pytest.fixture(scope="module")
def rows(states, task, tables):
    return scored(states, task, tables)


def at(rows, iteration, matrix, locator):
    [row] = [row for row in rows if (row["iteration"], row["matrix"], row["locator"]) == (iteration, matrix, locator)]
    return row


def test_every_checkpoint_matrix_and_locator_has_its_row(rows):
    assert len(rows) == 3 * 3 * 3
    assert {(row["birth"], row["seed"]) for row in rows} == {("tiny", 4)}


@pytest.mark.parametrize("iteration", [20, 40])
def test_what_was_learned_is_what_decay_has_not_left(rows, states, iteration):
    row = at(rows, iteration, "key_2", "informed")
    assert row["kept"] == pytest.approx((1 - 0.5 * DECAY) ** iteration)
    change = states[iteration][WEIGHTS["key_2"]] - row["kept"] * states[0][WEIGHTS["key_2"]]
    assert row["change_values"][:3] == pytest.approx(np.linalg.svd(change, compute_uv=False)[:3], abs=1e-10)
    assert (row["n_located"], row["n_true"], row["n_memories"]) == (2, 2, 2)


def test_where_nothing_was_learned_there_are_no_memories(rows):
    for matrix in ("key_1", "key_2", "output_2"):
        assert at(rows, 0, matrix, "informed")["n_memories"] == 0


def test_a_row_is_that_of_its_matrix_alone_with_the_stream_of_its_name(rows, states, task, tables):
    parameters = states[40]
    stored = memories.of_matrices(parameters, task.bigrams.conditional, task.fixed_triggers)["key_2"]
    expected = ground_truth.score(
        parameters[WEIGHTS["key_2"]],
        states[0][WEIGHTS["key_2"]],
        (1 - 0.5 * DECAY) ** 40,
        stored,
        frequencies=task.bigrams.unigram,
        level=0.05,
        tables=tables,
        rng=generator(7, "birth", "seed 4", "locator", "key_2", "40"),
    )
    for row in expected:
        found = at(rows, 40, "key_2", row["locator"])
        assert found.keys() >= row.keys()
        for name in row.keys() - {"locator"}:
            np.testing.assert_allclose(found[name], row[name], rtol=1e-9, atol=1e-12)


def test_other_checkpoints_change_nothing(rows, states, task, tables):
    alone = scored(states, task, tables, iterations=(40,))
    for row in alone:
        other = at(rows, 40, row["matrix"], row["locator"])
        assert all(np.array_equal(row[name], other[name], equal_nan=True) for name in ("n_located", "n_aligned"))


def test_what_cuts_take_is_what_the_blind_locator_found_then(rows):
    found = ground_truth.n_located(rows, 40)
    assert found == {name: at(rows, 40, name, "blind")["n_located"] for name in ("output_2", "key_2", "key_1")}
    assert found["key_2"] == 2
