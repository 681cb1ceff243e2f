"""Distance of a bulk to its law, against scipy's statistic."""

import numpy as np
import pytest
from scipy import stats

from weightspectra.spectra.law import marchenko_pastur
from weightspectra.spectra.law.goodness import bulk_distance


@pytest.mark.parametrize(("long_side", "short_side"), [(80, 80), (320, 80)])
def test_distance_is_the_kolmogorov_smirnov_statistic(long_side, short_side):
    rng = np.random.default_rng(1)
    values = 0.3 * np.linalg.svd(rng.standard_normal((short_side, long_side)), compute_uv=False)
    law = lambda points: marchenko_pastur.cdf(points, long_side / short_side, 0.3 * long_side**0.5)  # noqa: E731
    assert bulk_distance(values, long_side, short_side, 0.3) == pytest.approx(stats.kstest(values, law).statistic)


def test_distance_of_noise_shrinks_faster_than_for_independent_values():
    rng = np.random.default_rng(2)
    found = [
        np.mean(
            [bulk_distance(np.linalg.svd(rng.standard_normal((n, n)), compute_uv=False), n, n, 1.0) for _ in range(10)]
        )
        for n in (40, 160)
    ]
    assert found[0] / found[1] > 3  # four for 1 / n, two for independent values


def test_a_wrong_scale_is_far_from_the_law():
    values = np.linalg.svd(np.random.default_rng(3).standard_normal((100, 200)), compute_uv=False)
    assert bulk_distance(values, 200, 100, 1.0) < 0.03 < 0.2 < bulk_distance(values, 200, 100, 1.3)
