import numpy as np
import pytest

from weightspectra.statistics.spread import spread

NAN = float("nan")


def test_a_spread_is_mean_and_standard_deviation_over_the_runs_that_have_the_number():
    found = spread([1.0, 2.0, NAN, 6.0])
    assert found == (3.0, pytest.approx(np.sqrt((4 + 1 + 9) / 2)), 3, 4)
    assert spread([NAN, NAN])[2:] == (0, 2)
    alone = spread([0.5])
    assert (alone.mean, alone.n) == (0.5, 1)
    assert np.isnan(alone.sd)
