"""The rounding floor against rounding itself: of a storage format, and of arithmetic in float32."""

import numpy as np
import pytest
import torch

from weightspectra.spectra import rounding


@pytest.mark.parametrize("shape", [(200, 200), (150, 600), (600, 150)])
def test_rounding_floor_is_the_norm_of_bfloat16_rounding(shape):
    weight = torch.tensor(np.random.default_rng(16).standard_normal(shape))
    error = (weight.to(torch.bfloat16).double() - weight).numpy()
    floor = rounding.rounding_floor(float(np.sqrt(np.mean(error**2))), *shape, largest=0.0)
    assert np.linalg.norm(error, 2) == pytest.approx(floor, rel=0.03)
    # And it is a small part of the spectrum: 0.17 % of the Marchenko-Pastur edge.
    assert floor / rounding.rounding_floor(1.0, *shape, largest=0.0) == pytest.approx(0.0017, rel=0.05)


@pytest.mark.parametrize("shape", [(32, 32), (128, 500), (500, 128)])
@pytest.mark.parametrize("spread", [1.0, 100.0])
def test_a_product_of_float32_factors_is_of_low_rank_above_the_floor(shape, spread):
    """As LASER, SVD-LLM and merges leave it: errors of the product, beside those of storing it."""
    rng = np.random.default_rng(3)
    rank = min(shape) // 4
    left, right = rng.standard_normal((shape[0], rank)), rng.standard_normal((rank, shape[1]))
    left *= np.geomspace(spread, 1, rank)
    product = left.astype(np.float32) @ right.astype(np.float32)
    values = np.linalg.svd(product.astype(float), compute_uv=False)
    floor = rounding.rounding_floor(0.0, *shape, largest=values[0])
    assert rounding.numerical_rank(values, floor) == rank
    assert floor < 1e-5 * values[0]


def test_zeros_have_no_rank_whatever_the_floor():
    assert rounding.numerical_rank([2.0, 1.0, 0.0], 0.0) == 2
    assert rounding.numerical_rank(np.zeros(5), 0.0) == 0


def test_values_are_one_if_rounding_alone_parts_them():
    assert rounding.one_valued([1.0, 1.0 - 1e-8], 1e-7)
    assert not rounding.one_valued([1.0, 0.9], 1e-7)
    assert not rounding.one_valued([1.0], 1e-7) and not rounding.one_valued([], 1e-7)


def test_where_the_rounding_is_unknown_the_floor_is_that_of_arithmetic():
    floor = rounding.rounding_floor
    assert floor(np.nan, 100, 400, largest=2.0) == floor(0.0, 100, 400, largest=2.0) > 0
