import itertools

import numpy as np
import pytest
from scipy import stats

from weightspectra.statistics.counts import mean_of_uniforms, sign_test, so_many_or_more


def test_the_sign_test_counts_all_orders_of_signs():
    signs = np.array(list(itertools.product([0, 1], repeat=7)))
    assert sign_test(5, 2) == pytest.approx((signs.sum(axis=1) >= 5).mean())
    assert sign_test(0, 0) == 1


def test_so_many_or_more_is_one_for_none_and_the_power_for_all():
    np.testing.assert_allclose(so_many_or_more(np.array([0, 4]), 4, 0.1), [1, 1e-4])


def test_means_of_uniforms_lie_in_their_band_as_often_as_promised():
    low, high = mean_of_uniforms(5)
    means = np.random.default_rng(0).random((20_000, 5)).mean(axis=1)
    assert ((means > low) & (means < high)).mean() == pytest.approx(0.95, abs=0.005)
    assert low + high == pytest.approx(1)
    assert mean_of_uniforms(1) == pytest.approx(stats.uniform.ppf([0.025, 0.975]))
