"""Where a difference lies in its base: known by construction, against a naive twin, and against random orientations."""

import numpy as np
import pytest
from scipy.stats import beta

from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.finetuning.comparison import check_same_matrices, compare, null_shares
from weightspectra.models import number_formats
from weightspectra.spectra.deciles import decile_ranks
from weightspectra.spectra.law import edges

SHAPES = [(23, 41), (41, 23), (30, 30)]


def made(shape, seed=0):
    """A base with a spread spectrum, its singular vectors (one per row, both sides), and those of its short side."""
    rng = np.random.default_rng(seed)
    left, _, right = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    values = np.geomspace(5, 0.1, min(shape))
    short = left.T if shape[0] <= shape[1] else right
    return (left * values) @ right, left.T, right, short


def decile_of(rank, n_values):
    return next(decile for decile in range(1, 11) if rank in decile_ranks(n_values, decile))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [0, 11, 22])
def test_one_singular_direction_changed_is_found_in_its_decile_on_both_sides(shape, rank):
    base, left, right, short = made(shape)
    found = compare(base, base + 0.3 * np.outer(left[rank], right[rank]), short)
    expected = np.zeros(10)
    expected[decile_of(rank, min(shape)) - 1] = 1
    for side in ("left", "right"):
        np.testing.assert_allclose(found[f"{side}_shares"], expected, atol=1e-9)
    assert found["stable_rank"] == pytest.approx(1)
    assert found["singular_values"][0] == pytest.approx(0.3)
    assert found["relative_change"] == pytest.approx(0.3 / np.linalg.norm(base))


@pytest.mark.parametrize("shape", SHAPES)
def test_shares_are_those_of_a_naive_loop(shape):
    base, left, right, short = made(shape)
    rng = np.random.default_rng(1)
    change = rng.standard_normal((shape[0], 12)) @ rng.standard_normal((12, shape[1]))
    found = compare(base, base + change, short)
    of_change, sizes, of_change_right = np.linalg.svd(change)
    for side, vectors, product, leading in (
        ("left", left, left @ change, of_change.T[:10]),
        ("right", right, right @ change.T, of_change_right[:10]),
    ):
        for decile in range(1, 11):
            ranks = decile_ranks(min(shape), decile)
            share = sum(np.linalg.norm(product[rank]) ** 2 for rank in ranks) / np.linalg.norm(change) ** 2
            counted = sum((vectors[rank] @ one) ** 2 for rank in ranks for one in leading) / 10
            assert found[f"{side}_shares"][decile - 1] == pytest.approx(share)
            assert found[f"{side}_leading"][decile - 1] == pytest.approx(counted)
            assert found[f"{side}_expected"][decile - 1] == pytest.approx(len(ranks) / vectors.shape[1])
    np.testing.assert_allclose(found["singular_values"], sizes, atol=1e-12)
    assert found["stable_rank"] == pytest.approx(np.square(sizes).sum() / sizes[0] ** 2)


def test_a_change_outside_what_the_base_reads_has_no_share_on_that_side():
    base, _, right, short = made((20, 50))
    rng = np.random.default_rng(2)
    change = rng.standard_normal((20, 50))
    change -= change @ right.T @ right
    found = compare(base, base + change, short)
    assert found["right_shares"].max() < 1e-12
    assert found["left_shares"].sum() == pytest.approx(1)


def test_shrinking_all_weights_is_aligned_against_the_base():
    base, _, _, short = made((20, 35))
    found = compare(base, 0.98 * base, short)
    energies = np.square(np.geomspace(5, 0.1, 20))
    by_decile = [energies[decile_ranks(20, decile)].sum() for decile in range(1, 11)] / energies.sum()
    assert found["alignment"] == pytest.approx(-1)
    assert found["relative_change"] == pytest.approx(0.02)
    for side in ("left", "right"):
        np.testing.assert_allclose(found[f"{side}_shares"], by_decile, rtol=1e-6)


def test_a_change_of_low_rank_in_noise_is_counted():
    base, _, _, short = made((60, 90))
    rng = np.random.default_rng(3)
    signal = sum(
        np.outer(*pair) for pair in zip(rng.standard_normal((4, 60)), rng.standard_normal((4, 90)), strict=True)
    )
    found = compare(base, base + signal + 0.01 * rng.standard_normal((60, 90)), short, level=0.001)
    assert found["n_above"] == 4
    assert found["singular_values"][4] < found["bound_upper"] < found["singular_values"][3]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stored", [np.float32, np.float64])
def test_a_change_of_low_rank_counts_above_the_rounding_floor_alone(shape, stored):
    """As a LoRA adapter merged into its base: three values, and rounding of either file beside them."""
    base, left, right, short = made(shape)
    base = base.astype(stored)
    tuned = (base + (left[:3].T * [0.3, 0.2, 0.1]) @ right[2:5]).astype(stored)
    rounding = number_formats.rounding_std(base.astype(np.float32), number_formats.FLOAT32)
    found = compare(base, tuned, short, rounding_stds=(np.nan, rounding))
    assert found["n_above"] == 3
    assert found["singular_values"][3] < found["bound_upper"] < 0.01 * found["singular_values"][2]
    assert found["bound_upper"] >= rounding * (shape[0] ** 0.5 + shape[1] ** 0.5)


def test_where_nothing_is_lost_the_bound_is_that_of_the_law():
    base, _, _, short = made((30, 45))
    change = 0.01 * np.random.default_rng(5).standard_normal((30, 45))
    found = compare(base, base + change, short, rounding_stds=(1e-8, 1e-8))
    law = edges.fit(found["singular_values"], 30, 45, level=0.05)
    assert (found["n_above"], found["bound_upper"]) == (law.n_above, law.bound_upper)


def test_where_nothing_changed_there_are_no_shares():
    base, _, _, short = made((12, 20))
    found = compare(base, base.copy(), short)
    assert (found["relative_change"], found["n_above"], found["bound_upper"]) == (0, 0, 0)
    assert np.isnan([found["stable_rank"], found["alignment"]]).all()
    assert np.isnan([*found["left_shares"], *found["right_shares"]]).all()


@pytest.mark.parametrize("energies", [np.ones(1), np.array([5.0, 2, 1, 0.5]), np.ones(12)])
def test_random_orientations_have_the_mean_the_spread_and_the_band_given(energies):
    dimension, n_directions, n_draws = 25, 3, 20000
    rng = np.random.default_rng(4)
    frames = np.linalg.qr(rng.standard_normal((n_draws, dimension, len(energies))))[0]
    shares = np.square(frames[:, :n_directions]).sum(axis=1) @ (energies / energies.sum())
    expected, low, high = null_shares(n_directions, dimension, energies)
    assert abs(shares.mean() - expected) < 4 * shares.std() / np.sqrt(n_draws)
    for quantile, probability in ((low, 0.025), (high, 0.975)):
        assert (shares < quantile).mean() == pytest.approx(probability, abs=0.003)


def test_the_band_of_one_direction_is_the_beta_law():
    _, low, high = null_shares(4, 50, np.ones(1))
    np.testing.assert_allclose([low, high], beta.ppf([0.025, 0.975], 2, 23), rtol=1e-9)


def test_a_rotation_has_no_spread_and_no_direction_no_share():
    assert null_shares(3, 12, np.ones(12)) == (0.25, 0.25, 0.25)
    assert null_shares(0, 12, np.ones(3)) == (0, 0, 0)


def test_models_that_are_not_of_one_shape_are_refused():
    with pytest.raises(UserError, match=r"a and b, layer 0 'up': found shapes \(3, 4\) and \(3, 5\); only models"):
        compare(np.ones((3, 4)), np.ones((3, 5)), np.eye(3), name="a and b, layer 0 'up'")
    base = {MatrixKey(layer, "query"): None for layer in range(3)}
    check_same_matrices(base, dict(base), "a and b")
    fewer = {MatrixKey(0, "query"): None}
    with pytest.raises(
        UserError, match="a and b: the second model lacks 2 of the other's 3 matrices, the first layer 1"
    ):
        check_same_matrices(base, fewer, "a and b")
    with pytest.raises(UserError, match="the first model lacks 2"):
        check_same_matrices(fewer, base, "a and b")
