"""Chi-square tests below pass if p > 1e-4: with another seed, one in 10,000 would fail a right sampler."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import per_token
import pytest
from scipy import stats

from weightspectra.base.errors import UserError
from weightspectra.birth.settings import TaskData
from weightspectra.birth.task import characters
from weightspectra.birth.task.alias_tables import AliasTables
from weightspectra.birth.task.bigram_task import BigramTask, batch_generator

LEVEL = 1e-4
T = 24
OPTIONS = [
    {"triggers": triggers, "outputs": outputs, "no_repeat": no_repeat}
    for triggers, outputs, no_repeat in product(("frequent", "random"), ("uniform", "bigram"), (False, True))
]


def text_of(transitions, n, seed):
    """Write a text whose characters a, b, c, ... follow each other with these probabilities."""
    rng = np.random.default_rng(seed)
    tokens = [0]
    for _ in range(n - 1):
        tokens.append(int(rng.choice(len(transitions), p=transitions[tokens[-1]])))
    return "".join(chr(ord("a") + token) for token in tokens)


@pytest.fixture(scope="module")
def bigrams():
    """Eight characters of very different frequencies; a third of the pairs never occur, some repeat."""
    rng = np.random.default_rng(3)
    weights = rng.gamma(1.0, size=(8, 8)) * np.array([8, 5, 4, 3, 2, 1.5, 1.2, 1])
    weights[rng.random((8, 8)) < 0.33] = 0
    weights[:, 0] += 0.5
    weights[0, 1:] += 0.3
    return characters.count(text_of(weights / weights.sum(axis=1, keepdims=True), 4000, 4))


def task(bigrams, **options):
    return BigramTask(bigrams, **{"n_triggers": 3, "length": T} | options)


def agree(counts, probabilities):
    """Test counts against a law; outcomes that are expected less than five times are one."""
    counts, expected = np.asarray(counts), np.asarray(probabilities) * np.sum(counts)
    assert not counts[expected == 0].any()
    order = np.argsort(expected)
    counts, expected = counts[order], expected[order]
    rare = np.searchsorted(np.cumsum(expected), 5) + 1
    counts, expected = (np.append(part[rare:], part[:rare].sum()) for part in (counts, expected))
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > LEVEL


def output_law(made, trigger):
    n = made.bigrams.n_characters
    law = made.bigrams.conditional[trigger].copy() if made.outputs == "bigram" else np.full(n, 1 / n)
    if made.no_repeat:
        law[trigger] = 0
    return law / law.sum()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_trigger_is_followed_by_its_output_and_occurrences_count_it(options, bigrams):
    made = task(bigrams, **options).sample(50, np.random.default_rng(1))
    assert made.tokens.shape == (50, T + 1)
    assert made.tokens.dtype == np.int64
    assert made.occurrences.dtype == np.int16
    assert made.occurrences.shape == made.inputs.shape == made.targets.shape == (50, T)
    assert made.triggers.shape == made.outputs.shape == (50, 3)
    for tokens, occurrences, triggers, outputs in zip(*made, strict=True):
        answer = dict(zip(triggers.tolist(), outputs.tolist(), strict=True))
        assert len(answer) == 3
        for position, token in enumerate(tokens[:-1].tolist()):
            if token in answer:
                assert tokens[position + 1] == answer[token]
                assert occurrences[position] == np.count_nonzero(tokens[: position + 1] == token)
            else:
                assert occurrences[position] == 0
                assert bigrams.followers[token, tokens[position + 1]] > 0
    assert np.array_equal(made.predictable, made.occurrences > 1)
    assert np.array_equal(made.global_, ~np.isin(made.occurrences, np.arange(1, T + 1)))
    if options["no_repeat"]:
        assert (made.triggers != made.outputs).all()
    else:
        assert (made.triggers == made.outputs).any()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_tokens_and_outputs_follow_their_laws(options, bigrams):
    wanted = task(bigrams, **options)
    made = wanted.sample(3000, np.random.default_rng(2))
    agree(np.bincount(made.tokens[:, 0], minlength=8), bigrams.unigram)
    free = made.global_
    for token in range(8):
        following = made.targets[free & (made.inputs == token)]
        if following.size:
            agree(np.bincount(following, minlength=8), bigrams.conditional[token])
        chosen = made.outputs[made.triggers == token]
        if chosen.size:
            agree(np.bincount(chosen, minlength=8), output_law(wanted, token))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_sampler_agrees_with_a_loop_over_tokens(options, bigrams):
    wanted = task(bigrams, **options)
    made, twin = wanted.sample(2000, np.random.default_rng(5)), per_token.draw(wanted, 400, np.random.default_rng(6))
    for statistic in (
        lambda found: found.tokens[:, 1],
        lambda found: found.tokens[:, -1],
        lambda found: found.predictable.sum(axis=1),
        lambda found: found.occurrences.max(axis=1),
        lambda found: found.triggers[:, -1],
        lambda found: (found.predictable & (found.inputs == found.targets)).sum(axis=1),
    ):
        table = np.array([np.bincount(statistic(found), minlength=T + 1) for found in (made, twin)])
        # Values that both together show less than 30 times are one.
        rare = table.sum(axis=0) < 30
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
        table = table[:, table.any(axis=0)]
        assert table.shape[1] == 1 or stats.chi2_contingency(table).pvalue > LEVEL


def test_random_triggers_are_drawn_one_after_another_without_replacement(bigrams):
    made = task(bigrams, triggers="random", n_triggers=6, length=4).sample(20000, np.random.default_rng(7))
    p = bigrams.unigram
    law = p[:, None] * p / (1 - p[:, None])
    np.fill_diagonal(law, 0)
    agree(np.bincount(made.triggers[:, 0] * 8 + made.triggers[:, 1], minlength=64), law.ravel())
    wide = characters.count("".join(chr(48 + i) * (1 + i) for i in range(60)))
    made = BigramTask(wide, n_triggers=20, triggers="random", length=40).sample(4000, np.random.default_rng(10))
    agree(np.bincount(made.triggers[:, 0], minlength=60), wide.unigram)
    everything = task(bigrams, triggers="random", n_triggers=8).sample(20, np.random.default_rng(8))
    assert (np.sort(everything.triggers, axis=1) == np.arange(8)).all()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_outputs_of_a_sequence_are_independent(options, bigrams):
    wanted = task(bigrams, **options, length=4)
    made = wanted.sample(20000, np.random.default_rng(9))
    one, other = wanted.fixed_triggers[:2] if wanted.fixed_triggers is not None else made.triggers[0, :2]
    both = (made.triggers[:, 0] == one) & (made.triggers[:, 1] == other)
    law = np.outer(output_law(wanted, one), output_law(wanted, other))
    agree(np.bincount(made.outputs[both, 0] * 8 + made.outputs[both, 1], minlength=64), law.ravel())


def test_frequent_triggers_fall_in_frequency_and_ties_go_by_code_point():
    bigrams = characters.count("ccccc aa bb dddb")  # c 5, blank 3, b 3, d 3, a 2
    assert [bigrams.characters[token] for token in BigramTask(bigrams, 5).fixed_triggers] == ["c", " ", "b", "d", "a"]
    shifted = BigramTask(bigrams, n_triggers=2, offset=2, length=8)
    assert [bigrams.characters[token] for token in shifted.fixed_triggers] == ["b", "d"]
    assert (shifted.sample(3, np.random.default_rng(0)).triggers == shifted.fixed_triggers).all()
    assert BigramTask(bigrams, n_triggers=2, triggers="random").fixed_triggers is None


def test_a_task_of_the_configuration_has_its_settings(bigrams):
    data = TaskData(text="my.txt", n_triggers=2, offset=1, outputs="bigram", no_repeat=True, length=9)
    made = BigramTask.of(data, bigrams)
    assert (made.n_triggers, made.offset, made.outputs, made.no_repeat, made.length) == (2, 1, "bigram", True, 9)
    other = made.with_outputs("uniform")
    assert (other.outputs, other.offset, other.no_repeat, other.bigrams) == ("uniform", 1, True, bigrams)
    draws = [one.sample(40, np.random.default_rng(0)) for one in (made, other)]
    assert np.array_equal(draws[0].triggers, draws[1].triggers)
    assert not np.array_equal(draws[0].outputs, draws[1].outputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_triggers": 9}, "9 triggers were asked for, but the text has only 8 distinct characters; make n_triggers"),
        ({"n_triggers": 9, "triggers": "random"}, "9 triggers were asked for"),
        (
            {"offset": 6},
            "3 triggers after the 6 most frequent characters .* only 8 .*; make n_triggers or offset smaller",
        ),
    ],
)
def test_more_triggers_than_characters_are_refused(options, message, bigrams):
    with pytest.raises(UserError, match=message):
        task(bigrams, **options)
    for largest in ({"n_triggers": 8}, {"offset": 5}):
        assert task(bigrams, **largest).sample(1, np.random.default_rng(0)).tokens.shape == (1, T + 1)


def test_a_trigger_that_could_only_repeat_itself_is_refused():
    bigrams = characters.count("abab" + "c" * 9)  # c, the most frequent, is followed by c alone
    impossible = {"n_triggers": 1, "no_repeat": True, "outputs": "bigram"}
    for options in ({}, {"triggers": "random"}):
        with pytest.raises(UserError, match="in the text 'c' is followed by nothing but itself"):
            BigramTask(bigrams, **impossible | options)
    for options in ({"offset": 1}, {"outputs": "uniform"}):
        made = BigramTask(bigrams, **impossible | options).sample(20, np.random.default_rng(0))
        assert (made.triggers != made.outputs).all()
    assert (BigramTask(bigrams, 1, outputs="bigram").sample(20, np.random.default_rng(0)).outputs == 2).all()


def test_batches_depend_on_their_seed_and_number_and_not_on_who_draws_them(bigrams):
    wanted = task(bigrams)

    def draw(iteration, config_seed=0, run_seed=1):
        return wanted.sample(16, batch_generator(config_seed, run_seed, iteration)).tokens

    in_order = [draw(iteration) for iteration in range(6)]
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as pool:
            backwards = list(pool.map(draw, range(5, -1, -1)))[::-1]
        assert np.array_equal(in_order, backwards)
    others = [*in_order, draw(0, run_seed=2), draw(0, config_seed=1)]
    assert len({tokens.tobytes() for tokens in others}) == len(others)


@pytest.mark.parametrize("seed", range(5))
def test_alias_tables_hold_the_weights_exactly(seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 10 ** rng.integers(1, 9, size=(6, 1)), size=(6, 9)) * (rng.random((6, 9)) < 0.6)
    weights[:, 4] += 1
    weights[0] = [0, 0, 0, 7, 0, 0, 0, 0, 0]
    tables = AliasTables.of(weights)
    found = np.zeros((6, 9))
    for row, (start, size) in enumerate(zip(tables.start, tables.size, strict=True)):
        for cell in range(start, start + int(size)):
            found[row, tables.outcome[cell]] += tables.share[cell] / size
            found[row, tables.alias[cell]] += (1 - tables.share[cell]) / size
    np.testing.assert_allclose(found, weights / weights.sum(axis=1, keepdims=True), rtol=1e-12, atol=1e-16)
    assert (found[weights == 0] == 0).all()


def test_a_uniform_number_chooses_its_outcome_from_the_row():
    weights = np.array([[3, 0, 1], [0, 5, 0], [1, 1, 2]])
    tables = AliasTables.of(weights)
    uniform = (np.arange(1200) + 0.5) / 1200
    for row, weight in enumerate(weights):
        drawn = tables.draw(np.full(1200, row), uniform)
        np.testing.assert_array_equal(np.bincount(drawn, minlength=3), 1200 * weight // weight.sum())
    ends = tables.draw(np.repeat(np.arange(3), 2), np.tile([0.0, np.nextafter(1, 0)], 3))
    assert (weights[np.repeat(np.arange(3), 2), ends] > 0).all()
    with pytest.raises(ValueError, match="row 1 has no outcome"):
        AliasTables.of(np.array([[1, 0], [0, 0]]))
