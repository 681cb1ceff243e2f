"""How far the signs of a change reach, and where its axis bends."""

import numpy as np
import pandas as pd
import pytest

from weightspectra.report.kit import change_axis


def changes(*rows):
    return pd.DataFrame(rows, columns=["difference", "difference_low", "difference_high"])


def test_intervals_reach_down_to_their_lower_end_and_up_to_their_upper_one():
    cuts = changes((1.0, 0.9, 1.5), (-2.0, -5.0, -1.0), (3.0, np.nan, np.inf), (4.0, 4.5, 5.0))
    np.testing.assert_allclose(change_axis.reaches(cuts), [[0.1, 3, 0, 0], [0.5, 1, 0, 1]])


def test_the_axis_is_linear_up_to_a_power_of_ten_below_nearly_all_changes_and_near_their_errors():
    sizes = pd.Series(np.geomspace(0.02, 200, 41))
    assert change_axis.linear_threshold(sizes, 0 * sizes) == pytest.approx(0.01)  # a tenth of them are below 0.05
    assert change_axis.linear_threshold(-sizes, 0 * sizes + 3) == pytest.approx(1)
    nothing = pd.Series([0.0, np.inf])
    assert change_axis.linear_threshold(nothing, nothing) == 1


def test_decades_are_powers_of_ten_up_to_the_limit_at_most_six():
    assert change_axis.decades(0.01, 99) == pytest.approx([0.01, 0.1, 1, 10])
    assert change_axis.decades(0.001, 1e9) == pytest.approx([1e-3, 1, 1e3, 1e6, 1e9])
