import numpy as np
import pandas as pd
import pytest
from fake_run import task_evaluation

from weightspectra.conclusions.cuts import tasks
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS

RIGHT = np.ones(40)
SOME = np.repeat([1.0, 0.0], [30, 10])


def asked(cut=SOME, n=40, **names):
    rows = [
        task_evaluation("none", "none", "none", 0, [], [], RIGHT[:n], RIGHT[:n], **names),
        task_evaluation("decile 1 of up", "role", "decile 1", 1, ["up"], [0], cut[:n], RIGHT[:n], **names),
    ]
    return pd.DataFrame(rows)


def test_a_smaller_accuracy_is_to_the_worse():
    found = tasks.conclude(asked()).set_index("claim")
    assert found.loc["untouched_score", ["number", "n", "resampled"]].tolist() == [1, 40, "item"]
    change = found.loc["change_after_cut"]
    assert (change["number"], change["worse_if"], change["verdict"]) == (-0.25, "smaller", HOLDS)


def test_no_difference_does_not_hold_and_few_items_cannot_tell():
    even = np.tile([1.0, 0.0], 20)
    same = asked(even).assign(p_value=1.0, q_value=1.0)
    assert tasks.conclude(same).set_index("claim").loc["change_after_cut", "verdict"] == DOES_NOT
    few = tasks.conclude(asked(SOME[::-1], n=4)).set_index("claim")
    assert few.loc["change_after_cut", "verdict"] == CANNOT_BE_TOLD


@pytest.mark.parametrize(("value", "verdict"), [(0.62, HOLDS), (0.59, DOES_NOT)])
def test_an_auc_within_two_standard_errors_of_one_half_is_chance(value, verdict):
    rows = asked(metric="movies/auc", statistic="auc", standard_error=0.05, value=value)
    found = tasks.conclude(rows).set_index("claim").loc["untouched_above_chance"]
    assert (found["verdict"], found["reference"]) == (verdict, 0.5)
