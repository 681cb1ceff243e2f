"""What is measured of a bulk fits together: parts that were planted, scales and laws asked one by one."""

import numpy as np
import pytest
from scipy import stats

from weightspectra.contracts import BULK
from weightspectra.randomness import bulk
from weightspectra.randomness.noise import noise_spectra, permutation
from weightspectra.spectra.law import edges, marchenko_pastur, variance_profile

N_OUT, N_IN = 60, 150
STD, N_ABOVE, N_BELOW = 0.1, 6, 2
NULLS = {"bulk distance": np.linspace(0.002, 0.08, 40)}


def matrix_of(values, rng):
    """Return a matrix of these singular values, with random directions."""
    left, right = (np.linalg.qr(rng.standard_normal((side, len(values))))[0] for side in (N_OUT, N_IN))
    return (left * values) @ right.T


def measured(matrix, *, level=0.05, floor=0.0, shuffled=None):
    """Measure a matrix; all that is said of its entries is said truly."""
    return bulk.measure(
        np.linalg.svd(matrix, compute_uv=False),
        *matrix.shape,
        level=level,
        rounding_floor=floor,
        row_mean_squares=(matrix**2).mean(axis=1),
        column_mean_squares=(matrix**2).mean(axis=0),
        excess_kurtosis=float(stats.kurtosis(matrix, axis=None)),
        null_draws=NULLS,
        shuffled=shuffled,
    )


@pytest.fixture(scope="module")
def values():
    """Noise of what is left of the shape when as many directions are taken, and these far outside."""
    inside = STD * noise_spectra.draw(N_IN - N_ABOVE, N_OUT - N_ABOVE - N_BELOW, np.random.default_rng(1))
    return np.concatenate([np.linspace(9, 4, N_ABOVE), inside, [0.02, 0.01]])


@pytest.fixture(scope="module")
def planted(values):
    return matrix_of(values, np.random.default_rng(2))


def test_it_says_what_the_contract_says_of_a_matrix(planted):
    named = {"model", "layer", "role", "expert", "n_out", "n_in"}
    assert set(measured(planted)) == {column.name for column in BULK.columns} - named


@pytest.mark.parametrize("transposed", [False, True])
def test_the_distance_is_that_of_the_noise_alone(values, planted, transposed):
    """A twin: the law of what is left of both sides, and the empirical distribution of what is left of the values."""
    found = measured(planted.T if transposed else planted, floor=0.015)
    assert (found["n_above_bound"], found["n_below_bound"], found["n_below_floor"]) == (N_ABOVE, N_BELOW - 1, 1)
    inside = values[N_ABOVE:-N_BELOW]
    long_side = N_IN - N_ABOVE
    q, scale = long_side / inside.size, found["noise_std"] * long_side**0.5
    distance = stats.kstest(inside, lambda x: marchenko_pastur.cdf(x, q, scale)).statistic
    assert found["bulk_distance"] == pytest.approx(distance)
    moved = (distance * inside.size + 0.41 * np.log(N_OUT / inside.size)) / N_OUT
    assert found["bulk_p_value"] == (1 + (NULLS["bulk distance"] >= moved).sum()) / 41
    assert found["noise_std"] == pytest.approx(STD, rel=0.03)
    assert found["noise_rank"] == inside.size


def test_the_profile_is_that_of_rows_and_of_columns():
    """Rows alone are uneven: only their p-value is small, and only bounds that know it count nothing as structure."""
    rng = np.random.default_rng(3)
    scales = np.where(np.arange(N_OUT) < 6, 3.0, 1.0)[:, None]
    found = measured(STD * scales * rng.standard_normal((N_OUT, N_IN)))
    assert found["row_p_value"] < 1e-10 and found["column_p_value"] > 1e-3
    assert found["row_spread"] > 5 * found["column_spread"]
    assert found["n_above_bound"] > 0 and found["n_above_profile"] == 0
    assert found["profile_bound_upper"] > found["bound_upper"]


def test_mean_squares_are_held_against_the_entries_behind_them(planted):
    found = measured(planted)
    for name, axis in (("row", 1), ("column", 0)):
        squares, n_entries = (planted**2).mean(axis=axis), planted.shape[axis]
        kurtosis = float(stats.kurtosis(planted, axis=None))
        expected = variance_profile.homogeneity(squares, n_entries, kurtosis)
        assert (found[f"{name}_p_value"], found[f"{name}_spread"]) == expected


def test_the_initial_scale_counts_by_its_own_edges(values, planted):
    """A layer of transformers begins with variance 1 / d; noise of that scale reaches from edge to edge."""
    found = measured(planted)
    std = N_OUT**-0.5
    assert found["initial_std"] == pytest.approx(std)
    assert found["n_above_initial"] == (values > std * (N_IN**0.5 + N_OUT**0.5)).sum()
    assert found["n_below_initial"] == (values < std * (N_IN**0.5 - N_OUT**0.5)).sum()
    assert 0 < found["n_below_initial"] < values.size


def test_shuffled_entries_bound_either_end(values, planted):
    """Each end is held against the shuffles' own: in units of the noise found here."""
    rng = np.random.default_rng(4)
    draws = np.array([noise_spectra.draw(N_IN, N_OUT, rng)[[0, -1]] for _ in range(39)])
    shuffled = {"largest": draws[:, 0], "smallest": draws[:, 1]}
    found = measured(planted, shuffled=shuffled)
    assert (found["permutation_p_lower"], found["permutation_p_upper"]) == (1 / 40, 1 / 40)
    expected = found["noise_std"] * draws[:, 1].min(), found["noise_std"] * draws[:, 0].max()
    assert (found["permutation_bound_lower"], found["permutation_bound_upper"]) == pytest.approx(expected)
    assert permutation.bounds(1.0, 0.05, **shuffled)[1] == draws[:, 0].max()


def test_without_shuffles_there_are_no_bounds_of_shuffles(planted):
    found = measured(planted)
    assert np.isnan([value for name, value in found.items() if name.startswith("permutation")]).all()


def test_the_level_moves_the_bounds_and_is_kept(planted):
    strict, loose = (measured(planted, level=level) for level in (0.001, 0.3))
    assert (strict["level"], loose["level"]) == (0.001, 0.3)
    for name in ("bound_upper", "profile_bound_upper"):
        assert strict[name] > loose[name]
    for name in ("bound_lower", "profile_bound_lower"):
        assert strict[name] < loose[name]


@pytest.mark.parametrize("rank", [0, 1, 8, 45])
def test_a_matrix_of_low_rank_has_no_law(values, rank):
    """What is left says nothing of what was lost: numbers are not known, and nothing counts as outside."""
    left = np.where(np.arange(N_OUT) < rank, values, 0)
    found = measured(matrix_of(left, np.random.default_rng(5)), floor=1e-9)
    assert found["why"] == f"{N_OUT - rank} of {N_OUT} singular values lie below the rounding floor"
    assert (found["n_below_floor"], found["n_values"], found["aspect_ratio"]) == (N_OUT - rank, N_OUT, N_IN / N_OUT)
    for name in ("entry_std", "edge_upper", "noise_std", "bound_upper", "bulk_p_value", "profile_bound_upper"):
        assert np.isnan(found[name]), name
    for kind in ("", "_bound", "_profile"):
        assert found[f"n_below{kind}"] == found[f"n_above{kind}"] == 0
    assert found["n_below_initial"] + found["n_above_initial"] <= rank
    assert set(found) == {column.name for column in BULK.columns} - {
        "model",
        "layer",
        "role",
        "expert",
        "n_out",
        "n_in",
    }


@pytest.mark.parametrize("n_in", [N_OUT, N_IN])
def test_a_tenth_that_is_lost_neither_counts_nor_moves_the_law(n_in):
    """Noise without its smallest six values is the same noise above them."""
    noise = 0.1 * np.random.default_rng(7).standard_normal((N_OUT, n_in))
    left, whole, right = np.linalg.svd(noise, full_matrices=False)
    cut = np.where(np.arange(N_OUT) < N_OUT - 6, whole, 1e-12)
    before, after = measured(noise), measured(left * cut @ right, floor=1e-9)
    assert after["why"] == "" and after["n_below_floor"] == 6
    assert after["n_below"] == after["n_below_bound"] == after["n_below_profile"] == 0
    assert after["entry_std"] == pytest.approx(before["entry_std"])
    assert after["noise_std"] == pytest.approx(0.1, rel=0.1)
    assert np.isnan(after["p_below"][-6:]).all() and (after["p_below"][:-6] > 0.025).all()


@pytest.mark.parametrize("shape", [(64, 64), (64, 160), (200, 200)])
def test_a_tenth_that_is_lost_makes_the_scale_a_little_too_large(shape):
    """By as much as docs/methods.md says."""
    n_lost, found = shape[0] // 10, []
    for seed in range(10):
        values = np.linalg.svd(0.1 * np.random.default_rng(seed).standard_normal(shape), compute_uv=False)
        values[-n_lost:] = 1e-12
        found.append(edges.fit(values, *shape, n_lost=n_lost).noise_std)
    assert 1.03 < np.mean(found) / 0.1 < 1.07


def test_a_square_matrix_of_few_bits_keeps_its_law(values):
    """Of its noise a tenth lies near zero by itself, below the floor: nothing was taken from it."""
    rng = np.random.default_rng(8)
    noise = np.round(rng.standard_normal((N_OUT, N_OUT)) / 0.8) * 0.8
    floor = 0.8 / 12**0.5 * 2 * N_OUT**0.5
    found = measured(noise, floor=floor)
    assert found["n_below_floor"] > N_OUT / 10 and found["why"] == ""
    assert found["n_below_bound"] == found["n_above_bound"] == 0
    assert found["noise_std"] == pytest.approx(noise.std(), rel=0.05)
    assert found["bulk_p_value"] > 0.02
