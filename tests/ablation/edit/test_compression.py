"""Low-rank copies: as near as theory allows, of the size that was asked for, ranks divided as told."""

import numpy as np
import pandas as pd
import pytest
import torch

from weightspectra.ablation.edit.compression import (
    Compression,
    LowRank,
    informative_directions,
    shared_ranks,
    uniform_ranks,
)
from weightspectra.ablation.edit.truncation import Stored
from weightspectra.ablation.edit.whitening import InputMoments
from weightspectra.ablation.settings import Compress
from weightspectra.contracts import MatrixKey

KEY = MatrixKey(0, "up")
SHAPES = [(20, 30), (30, 20), (24, 24)]


def problem(shape, n_tokens=500, seed=0):
    """A weight, inputs with a large mean and uneven scales, and what an edit may read of them."""
    generator = np.random.default_rng(seed)
    n_out, n_in = shape
    mixed = np.linalg.qr(generator.normal(size=(n_in, n_in)))[0]
    inputs = (generator.normal(size=(n_tokens, n_in)) * np.logspace(0, -2, n_in)) @ mixed + generator.normal(size=n_in)
    weight = generator.normal(size=shape) * np.logspace(0, -1, n_in)
    eigenvalues, vectors = np.linalg.eigh(np.cov(inputs.T, bias=True))
    moments = InputMoments(inputs.mean(0), eigenvalues[::-1], vectors.T[::-1])
    left, _, right = np.linalg.svd(weight, full_matrices=False)
    short = (left.T if n_out <= n_in else right).astype(np.float32)
    return torch.from_numpy(weight), inputs, Stored(lambda key: short, lambda key: moments)


def output_error(weight, found, inputs):
    return float(np.square(inputs @ (weight - found).numpy().T).sum() / len(inputs))


@pytest.mark.parametrize("shape", SHAPES)
def test_plain_compression_is_the_truncated_decomposition(shape):
    weight, _, stored = problem(shape)
    found = LowRank(6, *shape)(KEY, weight, stored)
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    torch.testing.assert_close(found, left[:, :6] * values[:6] @ right[:6], rtol=0, atol=1e-5)
    assert torch.linalg.matrix_rank(found, atol=1e-9) == 6


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 6, 19])
def test_whitened_error_is_the_sum_of_the_squares_that_go(shape, rank):
    weight, inputs, stored = problem(shape)
    found = LowRank(rank, *shape, whitened=True)(KEY, weight, stored)
    root = np.linalg.cholesky(inputs.T @ inputs / len(inputs))
    values = np.linalg.svd(weight.numpy() @ root, compute_uv=False)
    assert output_error(weight, found, inputs) == pytest.approx(np.square(values[rank:]).sum(), rel=1e-4)
    assert torch.linalg.matrix_rank(found, atol=1e-9) == rank


@pytest.mark.parametrize("shape", SHAPES)
def test_whitened_is_what_an_inverse_of_the_root_gives(shape):
    """As SVD-LLM writes it: truncate W S with Cholesky's S, then multiply by the inverse of S."""
    weight, inputs, stored = problem(shape)
    root = np.linalg.cholesky(inputs.T @ inputs / len(inputs))
    left, values, right = np.linalg.svd(weight.numpy() @ root, full_matrices=False)
    expected = (left[:, :6] * values[:6]) @ right[:6] @ np.linalg.inv(root)
    found = LowRank(6, *shape, whitened=True)(KEY, weight, stored).numpy()
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_fit_of_this_rank_reproduces_the_outputs_better(shape):
    """Alternating least squares on the samples themselves, from the whitened matrix and from a random start."""
    weight, inputs, stored = problem(shape)
    found = LowRank(5, *shape, whitened=True)(KEY, weight, stored)
    least = output_error(weight, found, inputs)
    outputs = inputs @ weight.numpy().T
    for start in (np.linalg.svd(found.numpy())[0][:, :5], np.random.default_rng(3).normal(size=(shape[0], 5))):
        factor = start
        for _ in range(300):
            inner = np.linalg.lstsq(inputs, outputs @ np.linalg.pinv(factor).T, rcond=None)[0].T
            factor = np.linalg.lstsq(inputs @ inner.T, outputs, rcond=None)[0].T
        fitted = output_error(weight, torch.from_numpy(factor @ inner), inputs)
        assert fitted >= least * (1 - 1e-6)
    assert fitted == pytest.approx(least, rel=1e-2)
    plain = LowRank(5, *shape)(KEY, weight, stored)
    assert output_error(weight, plain, inputs) > 1.5 * least
    assert torch.linalg.norm(weight - plain) < torch.linalg.norm(weight - found)


def test_an_isotropic_input_without_mean_makes_both_the_same():
    weight, _, stored = problem((20, 30))
    unit = InputMoments(np.zeros(30), np.ones(30), np.linalg.qr(np.random.default_rng(4).normal(size=(30, 30)))[0])
    whitened = LowRank(8, 20, 30, whitened=True)(KEY, weight, stored._replace(moments=lambda key: unit))
    torch.testing.assert_close(whitened, LowRank(8, 20, 30)(KEY, weight, stored), rtol=0, atol=1e-5)


def test_the_mean_counts():
    """A constant input needs one direction, W times it, however small the fluctuations about other axes."""
    weight, _, stored = problem((20, 30))
    mean = np.random.default_rng(5).normal(size=30)
    moments = InputMoments(mean, np.full(30, 1e-9), np.eye(30))
    found = LowRank(1, 20, 30, whitened=True)(KEY, weight, stored._replace(moments=lambda key: moments))
    np.testing.assert_allclose(found.numpy() @ mean, weight.numpy() @ mean, atol=1e-5)


@pytest.mark.parametrize("whitened", [False, True])
def test_format_is_kept_and_the_weight_is_left_alone(whitened):
    weight, _, stored = problem((20, 30))
    single = weight.float()
    before = single.clone()
    found = LowRank(6, 20, 30, whitened)(KEY, single, stored)
    assert (found.dtype, found.shape) == (torch.float32, (20, 30))
    assert torch.equal(single, before)
    exact = LowRank(6, 20, 30, whitened)(KEY, before.double(), stored)
    torch.testing.assert_close(found, exact.float(), rtol=0, atol=1e-7)


def test_a_full_rank_returns_the_same_bits():
    weight, _, stored = problem((20, 30))
    edit = LowRank(20, 20, 30, whitened=True)
    assert edit(KEY, weight, stored) is weight
    assert (edit.n_removed, edit.n_parameters) == (0, None)


def test_whitening_without_moments_is_refused():
    weight, _, stored = problem((20, 30))
    with pytest.raises(ValueError, match="layer 0 'up': whitening needs the moments"):
        LowRank(6, 20, 30, whitened=True)(KEY, weight, stored._replace(moments=None))


@pytest.mark.parametrize(("rank", "expected"), [(1, 50), (11, 550), (12, None), (20, None)])
def test_parameters_are_those_of_two_factors_where_they_are_fewer(rank, expected):
    edit = LowRank(rank, 20, 30)  # 600 entries; one direction takes 50
    assert edit.n_parameters == expected
    assert edit.n_removed == 20 - rank


MODEL = {
    MatrixKey(layer, role): shape
    for layer in range(3)
    for role, shape in [("query", (64, 64)), ("key", (16, 64)), ("up", (192, 64)), ("down", (64, 192))]
}


def parameters(ranks):
    return sum(min(rank * sum(MODEL[key]), MODEL[key][0] * MODEL[key][1]) for key, rank in ranks.items())


WHOLE = parameters({key: min(shape) for key, shape in MODEL.items()})


@pytest.mark.parametrize("size", [0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9])
def test_uniform_ranks_are_the_largest_that_fit(size):
    for key, rank in uniform_ranks(MODEL, size).items():
        n_out, n_in = MODEL[key]
        assert rank * (n_out + n_in) <= size * n_out * n_in + 1e-9
        assert (rank + 1) * (n_out + n_in) > size * n_out * n_in + 1e-9


def test_a_size_that_divides_evenly_is_not_rounded_down_by_float_arithmetic():
    assert uniform_ranks({KEY: (20, 20)}, 0.7) == {KEY: 7}  # 0.7 * 20 * 20 / 40 = 7, but 6.999... in floats
    assert uniform_ranks({KEY: (300, 300)}, 0.58) == {KEY: 87}


def test_size_one_leaves_everything_whole():
    assert uniform_ranks(MODEL, 1) == {key: min(shape) for key, shape in MODEL.items()}


@pytest.mark.parametrize("size", [0.1, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("seed", range(5))
def test_shared_ranks_take_the_same_parameters(size, seed):
    weights = dict(zip(MODEL, np.random.default_rng(seed).lognormal(sigma=1.5, size=len(MODEL)), strict=True))
    like = uniform_ranks(MODEL, size)
    ranks = shared_ranks(MODEL, weights, like)
    spare = parameters(like) - parameters(ranks)
    cheapest = min((sum(MODEL[key]) for key in MODEL if ranks[key] < min(MODEL[key])), default=WHOLE)
    assert 0 <= spare < cheapest
    for key, rank in ranks.items():
        n_out, n_in = MODEL[key]
        assert rank == min(n_out, n_in) or rank * (n_out + n_in) < n_out * n_in


def test_shared_ranks_are_proportional_to_the_weights_until_a_matrix_is_whole():
    weights = {key: {"query": 4.0, "key": 40.0, "up": 1.0, "down": 2.0}[key.role] for key in MODEL}
    ranks = shared_ranks(MODEL, weights, uniform_ranks(MODEL, 0.5))
    by_role = {role: np.mean([rank for key, rank in ranks.items() if key.role == role]) for role in weights_roles()}
    assert by_role["key"] == 16  # would be far beyond what its factors may take
    assert by_role["down"] / by_role["up"] == pytest.approx(2, rel=0.1)
    assert by_role["query"] == 64 or by_role["query"] / by_role["up"] == pytest.approx(4, rel=0.1)


def weights_roles():
    return ["query", "key", "up", "down"]


def test_equal_weights_of_equal_shapes_are_uniform():
    shapes = {MatrixKey(layer, "up"): (192, 64) for layer in range(5)}
    like = uniform_ranks(shapes, 0.5)
    assert shared_ranks(shapes, dict.fromkeys(shapes, 3.0), like) == like


def test_what_rounding_leaves_goes_to_the_largest_remainders():
    shapes = {MatrixKey(layer, "query"): (40, 40) for layer in range(4)}
    like = dict.fromkeys(shapes, 5)  # 20 directions of equal price
    weights = dict(zip(shapes, [1.0, 2.0, 3.0, 4.5], strict=True))
    # 20 w / 10.5 = 1.90, 3.81, 5.71, 8.57: one too few, three times over, and the last one is rounded down.
    assert list(shared_ranks(shapes, weights, like).values()) == [2, 4, 6, 8]


def information(**counts):
    return pd.DataFrame(
        [
            {"layer": 0, "role": role, "expert": 0, "region": region, "n_directions": n, "information": share}
            for role, shares in counts.items()
            for region, n, share in zip(
                ["smallest tenth", "middle", "largest tenth"], [10, 80, 10], shares, strict=True
            )
        ]
    )


def test_informative_directions_add_up_over_regions_and_are_at_least_one():
    found = informative_directions(information(up=(0.2, 0.5, 1.0), down=(-0.2, 0.0, 0.1)))
    assert found == {MatrixKey(0, "up"): pytest.approx(52), MatrixKey(0, "down"): 1}


def test_methods_and_sizes_are_named_and_equal_in_parameters():
    n_informative = dict(zip(MODEL, np.linspace(1, 60, len(MODEL)), strict=True))
    wanted = Compress(methods=["svd", "whitened", "boundary", "whitened_boundary"], sizes=[0.8, 0.5])
    found = dict(Compression(MODEL, n_informative)(wanted, list(MODEL)))
    assert list(found)[:2] == ["svd to 0.8", "whitened to 0.8"]
    assert len(found) == 8
    for name, edits in found.items():
        assert all(edit.whitened == name.startswith("whitened") for edit in edits.values())
        size = float(name.rpartition(" ")[2])
        assert parameters({key: edit.rank for key, edit in edits.items()}) == pytest.approx(size * WHOLE, rel=0.02)
    ranks = {name: [edit.rank for edit in edits.values()] for name, edits in found.items()}
    assert ranks["svd to 0.5"] == ranks["whitened to 0.5"] == list(uniform_ranks(MODEL, 0.5).values())
    assert ranks["boundary to 0.5"] == ranks["whitened_boundary to 0.5"] != ranks["svd to 0.5"]


def test_a_group_shares_its_own_parameters_only():
    group = [key for key in MODEL if key.layer == 1]
    compression = Compression(MODEL, dict.fromkeys(MODEL, 1.0))
    [(_, edits)] = compression(Compress(methods=["boundary"], sizes=[0.5]), group)
    assert list(edits) == group
