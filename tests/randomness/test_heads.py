"""Head tests against exact laws, naive twins and planted structure."""

import numpy as np
import pytest
from scipy import stats

from weightspectra.randomness.directions import heads, vector_tests, vectors

N_HEADS, SIZE = 6, 16
DIMENSION = N_HEADS * SIZE


@pytest.fixture(scope="module")
def nulls():
    return {(SIZE, 1): vectors.null_draws(SIZE, 20000, np.random.default_rng(0))}


def orthonormal(rng):
    return np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0].T


def test_shares_of_random_directions_follow_the_law():
    parts = np.random.default_rng(1).standard_normal((3000, N_HEADS, SIZE))
    shares = (parts**2).sum(axis=2)
    shares /= shares.sum(axis=1, keepdims=True)
    found = heads.share_p_values(shares, SIZE, DIMENSION)
    np.testing.assert_allclose(found, stats.beta(SIZE / 2, (DIMENSION - SIZE) / 2).sf(shares), rtol=1e-9)
    for head in range(N_HEADS):
        assert stats.kstest(found[:, head], "uniform").pvalue > 0.01


def test_share_of_two_components_among_four_is_uniform():
    shares = np.linspace(0, 1, 11)
    np.testing.assert_allclose(heads.share_p_values(shares, 2, 4), np.maximum(1 - shares, 1e-307), atol=1e-12)


def test_a_single_head_holds_everything_and_prefers_nothing():
    nulls = {(12, 1): vectors.null_draws(12, 1000, np.random.default_rng(0))}
    found = heads.score(np.eye(12), 1, nulls, level=0.05)
    assert found[["n_components", "n_vectors", "n_concentrated", "largest_share"]].iloc[0].tolist() == [12, 12, 0, 1]
    assert found["smallest_p_value"].item() == 1
    assert found["n_nonrandom"].item() == 12


def test_rows_say_of_each_head_what_a_naive_loop_says(nulls):
    rng = np.random.default_rng(2)
    found = orthonormal(rng)[:50]
    found[3, : 2 * SIZE] *= 10
    found[7, SIZE : 2 * SIZE] = np.eye(SIZE)[4]
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    rows = heads.score(found.astype(np.float32), N_HEADS, nulls, level=0.05)
    shares, share_p, direction_p = (np.empty((50, N_HEADS)) for _ in range(3))
    for k, vector in enumerate(found):
        for h in range(N_HEADS):
            part = vector[h * SIZE : (h + 1) * SIZE]
            shares[k, h] = part @ part
            share_p[k, h] = stats.beta(SIZE / 2, (DIMENSION - SIZE) / 2).sf(shares[k, h])
            deviation = vectors.measure(part[None]).deviation
            direction_p[k, h] = vector_tests.deviation_p_values(deviation, nulls[SIZE, 1]["vector distance"])[0]
    assert rows["head"].tolist() == list(range(N_HEADS))
    assert set(rows["n_components"]) == {SIZE} and set(rows["n_vectors"]) == {50}
    np.testing.assert_allclose(rows["largest_share"], shares.max(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(rows["largest_index"], shares.argmax(axis=0))
    np.testing.assert_allclose(rows["smallest_p_value"], share_p.min(axis=0), rtol=1e-3)
    for name, p_values in (("n_concentrated", share_p), ("n_nonrandom", direction_p)):
        q_values = stats.false_discovery_control(p_values.ravel()).reshape(50, N_HEADS)
        np.testing.assert_array_equal(rows[name], (q_values <= 0.05).sum(axis=0))
    assert rows["n_concentrated"].sum() > 0 and rows["n_nonrandom"].sum() > 0


def test_vectors_planted_in_a_head_are_found_there_and_only_there(nulls):
    rng = np.random.default_rng(3)
    found = orthonormal(rng)
    inside = np.zeros((10, N_HEADS, SIZE))
    inside[:, 4] = rng.standard_normal((10, SIZE))
    found[:10] = (inside / np.linalg.norm(inside, axis=(1, 2), keepdims=True)).reshape(10, -1)
    rows = heads.score(found, N_HEADS, nulls, level=0.05)
    assert rows["n_concentrated"].tolist() == [0, 0, 0, 0, 10, 0]
    assert rows["largest_share"][4] == pytest.approx(1) and rows["largest_index"][4] < 10
    assert rows["n_nonrandom"].sum() <= 1  # within the head they are random, and elsewhere there is nothing
    assert 0 < rows["smallest_p_value"][4] < 1e-100


def test_structure_within_a_head_is_found_whatever_the_share(nulls):
    found = orthonormal(np.random.default_rng(4))
    found[20:40, 2 * SIZE : 3 * SIZE] = 0.2 / SIZE**0.5  # equal components, of a small norm
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    rows = heads.score(found, N_HEADS, nulls, level=0.05)
    assert rows["n_nonrandom"].tolist()[2] == 20
    assert rows["n_nonrandom"].sum() <= 22
    assert rows["n_concentrated"].sum() == 0


def test_noise_is_rarely_called_anything(nulls):
    """The share of matrices of noise with any discovery is the level, for each of both tests."""
    rng = np.random.default_rng(5)
    found = [heads.score(orthonormal(rng), N_HEADS, nulls, level=0.05) for _ in range(200)]
    for name in ("n_concentrated", "n_nonrandom"):
        share = np.mean([(rows[name] > 0).any() for rows in found])
        assert 0.01 <= share <= 0.09, name


def test_heads_that_do_not_divide_the_components_are_refused(nulls):
    with pytest.raises(ValueError, match="96 components do not divide into 7 heads"):
        heads.score(np.eye(96), 7, nulls, level=0.05)
