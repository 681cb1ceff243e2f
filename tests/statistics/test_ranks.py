import numpy as np
import pytest
from scipy import stats

from weightspectra.statistics.ranks import spearman, spearman_interval


def test_infinities_are_the_largest_and_constants_have_no_order():
    first = [1.0, 2.0, 3.0, np.inf]
    assert spearman(first, [10.0, 20.0, 30.0, 40.0]) == pytest.approx(1)
    assert np.isnan(spearman(first, [1.0] * 4))


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_the_interval_covers_as_often_as_promised(rho, n):
    rng = np.random.default_rng(4)
    truth = 6 / np.pi * np.arcsin(rho / 2)
    covered = []
    for _ in range(1000):
        first, noise = rng.standard_normal((2, n))
        found = stats.spearmanr(first, rho * first + np.sqrt(1 - rho**2) * noise).statistic
        low, high = spearman_interval(found, n)
        covered.append(low < truth < high)
    assert 0.93 <= np.mean(covered) <= 0.975
