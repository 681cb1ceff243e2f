"""Scores where the truth is planted: strong and weak memories, other structure, and noise alone."""

import numpy as np
import planted
import pytest
from scipy import stats

from weightspectra.birth.locator import ground_truth, locators
from weightspectra.birth.locator.memories import KnownMemories
from weightspectra.randomness.noise import nulls
from weightspectra.spectra.law import edges, spikes

D, LEVEL = 96, 0.05
N_TOKENS = 12
FREQUENCIES = np.arange(N_TOKENS, 0, -1) / 78


@pytest.fixture(scope="module")
def tables():
    return {shape: nulls.draw(shape, 40, 1000, 0) for shape in nulls.shapes([(D, D)])}


def directions(k, rng):
    return np.linalg.qr(rng.standard_normal((D, k)))[0].T


def memories_of(outputs, inputs):
    return KnownMemories(outputs, inputs, np.eye(len(outputs)), np.arange(len(outputs)))


def score(weight, initial, memories, tables, kept=1.0):
    rows = ground_truth.score(
        weight,
        initial,
        kept,
        memories,
        frequencies=FREQUENCIES,
        level=LEVEL,
        tables=tables,
        rng=np.random.default_rng(5),
    )
    return {row["locator"]: row for row in rows}


def planted_matrix(rng, strengths, kept=1.0):
    """Noise with orthonormal pairs of these strengths, in units of the transition, after so much decay."""
    initial = planted.linear(D, D, rng)
    left, right = directions(len(strengths), rng), directions(len(strengths), rng)
    tau = kept * spikes.transition((3 * D) ** -0.5, D, D)
    return initial, kept * initial + (left.T * np.asarray(strengths) * tau) @ right, memories_of(left, right)


@pytest.mark.parametrize("kept", [1.0, 0.8])
def test_strong_memories_are_found_and_weak_ones_are_not(tables, kept):
    strengths = [6, 5, 4, 3.5, 3, 2.5, 0.6, 0.3]
    tau = kept * spikes.transition((3 * D) ** -0.5, D, D)
    n_matrices, rows = 20, []
    for seed in range(n_matrices):
        initial, weight, memories = planted_matrix(np.random.default_rng(seed), strengths, kept)
        found = score(weight, initial, memories, tables, kept)
        rows += [found["blind"], found["informed"]]
    for row in rows:
        assert (row["n_true"], row["n_learned"], row["n_aligned"]) == (6, 6, 6)
        assert (row["n_memories"], row["rank"], row["n_visible"], row["recall"]) == (8, 8, 6, 6 / 8)
        assert row["n_false"] == row["n_located"] - 6
        assert row["precision"] == 6 / row["n_located"]
        assert row["entry_std"] == pytest.approx(kept * (3 * D) ** -0.5, rel=0.04)
        assert row["coefficients"] == pytest.approx(tau * np.array(strengths))
        assert row["change_values"][:8] == pytest.approx(tau * np.array(strengths))
        assert row["coefficient_noise"] == pytest.approx(0, abs=1e-9)
        assert row["frequency_correlation"] == pytest.approx(1)
        assert row["left_chance"] == 8 / D
        assert row["initial_slope"] == pytest.approx(kept, abs=0.1)
    # A value of the noise passes in half of the level's matrices, at most; both locators see the same matrices.
    false_alarms = sum(row["n_false"] > 0 for row in rows[::2])
    assert stats.binomtest(false_alarms, n_matrices, LEVEL / 2, alternative="greater").pvalue > 0.01
    for name, expected, error in (("position_error", 0, 0.01), ("overlap", rows[0]["overlap_expected"], 0.02)):
        assert np.mean([row[name] for row in rows]) == pytest.approx(expected, abs=error)


def test_the_rule_of_another_tool_is_judged_by_the_same_truth(tables):
    initial, weight, memories = planted_matrix(np.random.default_rng(1), [9, 8, 0.5])
    row = score(weight, initial, memories, tables)["weightwatcher"]
    assert (row["n_located"], row["n_true"], row["n_learned"], row["recall"]) == (2, 2, 2, 2 / 3)
    assert np.isnan(row["bulk_p_value"])


def test_all_is_found_where_all_that_memories_span_is():
    rng = np.random.default_rng(1)
    left, right = directions(3, rng), directions(3, rng)
    initial = planted.linear(D, D, rng)
    learned = 6 * spikes.transition((3 * D) ** -0.5, D, D) * left.T @ right
    memories = memories_of(np.concatenate([left, left]), np.concatenate([right, right]))
    found = locators.learned(initial + learned, initial, 1.0)
    whole = locators.Triplets.of(initial + learned)
    row = ground_truth.verdicts(whole, found, memories, 3, LEVEL, rng)
    assert (row["n_memories"], row["rank"], row["n_true"], row["recall"]) == (6, 3, 3, 1)


def test_decay_that_is_not_told_passes_for_learning(tables):
    initial, weight, memories = planted_matrix(np.random.default_rng(1), [6, 5, 4], 0.8)
    told, untold = (score(weight, initial, memories, tables, kept)["informed"] for kept in (0.8, 1.0))
    assert told["change_values"][3] < 1e-9 < 0.2 < untold["change_values"][3]
    assert untold["bound"] == pytest.approx(told["bound"] / 0.8, rel=0.01)


def test_the_transposed_memories_are_not_there(tables):
    initial, weight, memories = planted_matrix(np.random.default_rng(2), [6, 5, 4, 3])
    row = score(weight.T, initial.T, memories, tables)["blind"]
    assert (row["n_located"], row["n_true"], row["n_aligned"], row["n_learned"]) == (4, 0, 0, 4)


def test_structure_elsewhere_is_learned_but_no_memory(tables):
    rng = np.random.default_rng(3)
    initial, weight, _ = planted_matrix(rng, [6, 5, 4, 3, 2.5])
    row = score(weight, initial, memories_of(directions(5, rng), directions(5, rng)), tables)["blind"]
    assert (row["n_located"], row["n_learned"], row["n_true"]) == (5, 5, 0)
    assert (row["precision"], row["recall"], row["n_false"]) == (0, 0, 5)


def test_nothing_is_true_before_anything_is_learned(tables):
    rng = np.random.default_rng(4)
    initial = planted.linear(D, D, rng)
    initial[0] += 1  # something large that training has not put there
    row = score(initial, initial, memories_of(directions(5, rng), directions(5, rng)), tables)["blind"]
    assert row["n_located"] >= 1
    assert (row["n_true"], row["n_learned"], row["n_aligned"], row["n_memories"]) == (0, 0, 0, 0)
    assert row["n_false"] == row["n_located"]
    assert np.isnan(row["recall"])


def test_spaces_that_are_everything_tell_nothing(tables):
    rng = np.random.default_rng(5)
    outputs, inputs = rng.standard_normal((2 * D, D)), rng.standard_normal((2 * D, D))
    initial = planted.linear(D, D, rng)
    memories = KnownMemories(outputs, inputs, np.eye(2 * D), np.arange(0))
    row = score(initial + 0.01 * outputs.T @ inputs, initial, memories, tables)["blind"]
    assert np.isnan([row["n_true"], row["n_false"], row["precision"], row["recall"]]).all()
    assert row["rank"] == D
    assert row["n_aligned"] > 0.8 * row["n_located"] > 0


def test_false_alarms_in_noise_are_as_rare_as_promised():
    """Half of the level at the upper end, for either locator."""
    rng, n_matrices, size = np.random.default_rng(7), 400, 40
    alarms = {"blind": 0, "informed": 0}
    for _ in range(n_matrices):
        values = np.linalg.svd(planted.linear(size, size, rng), compute_uv=False)
        alarms["blind"] += edges.fit(values, size, size, level=0.2).n_above > 0
        alarms["informed"] += locators.located_above(values, (3 * size) ** -0.5, (size, size), 0.2).n_located > 0
    for found in alarms.values():
        # Entries of a uniform law have lighter tails than Gaussian ones, and so do the largest values at this size.
        assert stats.binomtest(found, n_matrices, 0.1, alternative="greater").pvalue > 0.001
        assert found > 0


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (40, 40)])
def test_triplets_make_up_their_matrix(shape):
    matrix = np.random.default_rng(2).standard_normal(shape)
    found = locators.Triplets.of(matrix)
    assert found.shape == shape
    np.testing.assert_allclose((found.left.T * found.values) @ found.right, matrix, atol=1e-10)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)])
def test_each_value_outside_takes_a_row_and_a_column_from_the_noise(shape):
    smaller = [side - 10 for side in shape]
    noise = np.linalg.svd(np.random.default_rng(3).standard_normal(smaller), compute_uv=False)
    found = locators.located_above(np.concatenate([np.full(10, 100.0), noise]), 1.0, shape, 0.01)
    assert found.n_located == 10
    assert found.bound == pytest.approx(edges.bounds(1.0, max(smaller), min(smaller), 0.01)[1])


def test_values_lost_in_rounding_are_never_located_and_take_their_part_of_the_noise_below_it():
    """Half of the directions are lost: the noise of the others is that of a matrix with half the short side."""
    noise = np.linalg.svd(np.random.default_rng(3).standard_normal((59, 19)), compute_uv=False)
    values = np.concatenate([[100.0], noise, np.full(20, 1e-9)])
    found = locators.located_above(values, 1.0, (60, 40), 0.01, floor=1e-6)
    assert (found.n_located, found.bound) == (1, pytest.approx(edges.bounds(1.0, 59, 19, 0.01)[1]))
    # Where hardly any noise is left, all that is above rounding is located, and nothing below.
    found = locators.located_above(values, 1e-12, (60, 40), 0.01, floor=1e-6)
    assert (found.n_located, found.bound) == (20, 1e-6)


def test_what_misses_its_own_vector_meets_the_others_by_chance():
    met, expected = [], []
    for seed in range(10):
        initial, weight, _ = planted_matrix(np.random.default_rng(seed), np.full(20, 2.5))
        whole, change = locators.Triplets.of(weight), locators.learned(weight, initial, 1.0)
        found = locators.located_above(whole.values, change.noise_std, (D, D), LEVEL)
        told = locators.predictions(whole, change, found)
        met.append(told["overlap"])
        expected.append(told["overlap_expected"])
    assert np.mean(met) == pytest.approx(np.mean(expected), abs=0.01)  # without what is by chance: 0.03 less


def test_directions_of_noise_pass_for_true_or_learned_as_rarely_as_promised(tables):
    rng, n_rounds, level = np.random.default_rng(8), 30, 0.2
    passed = {"n_true": 0, "n_learned": 0, "n_aligned": 0}
    n_noise = 4
    for _ in range(n_rounds):
        initial = planted.linear(D, D, rng)
        weight = initial + 0.001 * rng.standard_normal((D, D))
        memories = memories_of(directions(5, rng), directions(5, rng))
        whole, change = locators.Triplets.of(weight), locators.learned(weight, initial, 1.0)
        found = ground_truth.verdicts(whole, change, memories, n_noise, level, rng)
        for name in passed:
            passed[name] += int(found[name] > 0)
    for found in passed.values():
        assert stats.binomtest(found, n_rounds, level, alternative="greater").pvalue > 0.001


def test_the_bulk_of_noise_looks_random_and_a_localised_vector_does_not(tables):
    rng = np.random.default_rng(9)
    initial, weight, memories = planted_matrix(rng, [6, 5, 4])
    row = score(weight, initial, memories, tables)["blind"]
    assert row["bulk_p_value"] > 0.01
    assert row["n_structured_vectors"] <= 2
    pinned = initial.copy()
    pinned[7, 3] += 8
    row = score(pinned, initial, memories, tables)["blind"]
    assert row["n_located"] == 1
    assert row["n_structured_vectors"] >= 2


def test_a_matrix_of_low_rank_has_no_law_and_locates_what_is_above_rounding(tables):
    """Weight decay has taken the initialisation: what is left are three memories, and rounding."""
    rng = np.random.default_rng(11)
    left, right = directions(3, rng), directions(3, rng)
    weight = ((left.T * [3.0, 2.0, 1.0]) @ right).astype(np.float32)
    rows = score(weight, planted.linear(D, D, rng), memories_of(left, right), tables, kept=0.0)
    assert (rows["informed"]["n_located"], rows["informed"]["bound"]) == (3, rows["blind"]["bound"])
    assert rows["weightwatcher"]["n_located"] <= 3
    found = rows["blind"]
    assert (found["n_located"], found["entry_std"]) == (3, 0)
    assert found["singular_values"][3] < found["bound"] < 1e-4
    assert np.isnan([found["bulk_p_value"], found["gap_ratio_p_value"]]).all()
    assert 0 <= found["n_structured_vectors"] <= 6
