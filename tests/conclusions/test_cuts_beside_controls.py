import numpy as np
import pandas as pd
import pytest
from fake_ablation import controls_experiment
from fake_run import decile_experiment

from weightspectra.conclusions.cuts import controls
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS


def concluded(costs, seed=0, **choice):
    return controls.conclude(controls_experiment(costs, **choice), seed=seed)


def beside(found):
    return found[found["claim"] == "change_beside_control"].set_index(["cut", "detail"])


def test_the_difference_of_differences_is_that_of_the_values():
    rows = controls_experiment({"down": 0.08, "query": 0.0101}, control=0.01)
    found = beside(controls.conclude(rows, seed=0))
    value = rows.set_index("cut")["value"]
    cut = "decile 1 of down"
    assert found.loc[(cut, "same count"), "number"] == pytest.approx(value[cut] - value[f"same count as {cut}"])
    windows = [value[f"random window {number} like {cut}"] for number in (1, 2)]
    assert found.loc[(cut, "random window"), "number"] == pytest.approx(value[cut] - np.sqrt(windows[0] * windows[1]))
    assert found.loc[(cut, "random window"), "n_reference"] == 2
    change = rows.set_index("cut")["difference"]
    both = found["reference"] + found["number"]
    np.testing.assert_allclose(both, change[both.index.get_level_values("cut")])


def test_only_the_planted_cut_is_worse_than_every_control():
    found = concluded({"down": 0.08, "query": 0.0101}, control=0.01)
    told = found[found["claim"] == "worse_than_every_control"].set_index("cut")
    assert told.loc["decile 1 of down", ["number", "verdict"]].tolist() == [1, HOLDS]
    assert told.loc["decile 1 of query", "verdict"] == DOES_NOT


def test_a_cut_that_is_cheaper_than_its_controls_is_no_evidence_for_it():
    found = concluded({"down": 0.01}, control=0.08)
    assert (beside(found)["verdict"] == HOLDS).all()
    (row,) = found[found["claim"] == "worse_than_every_control"].to_dict("records")
    assert (row["number"], row["verdict"]) == (0, DOES_NOT)


def test_where_more_is_better_less_than_every_control_is_worse():
    rows = controls_experiment({"down": 0.01}, control=0.08).assign(higher_is_better=True)
    found = controls.conclude(rows, seed=0)
    (row,) = found[found["claim"] == "worse_than_every_control"].to_dict("records")
    assert (row["number"], row["verdict"]) == (1, HOLDS)


def test_one_document_cannot_tell():
    rows = controls_experiment({"down": 0.08})
    alone = rows.assign(
        units=[["document 0"]] * len(rows),
        unit_values=rows["unit_values"].map(lambda values: values[:1]),
        unit_weights=rows["unit_weights"].map(lambda values: values[:1]),
    )
    assert set(controls.conclude(alone, seed=0)["verdict"]) == {CANNOT_BE_TOLD}


def test_intervals_follow_the_seed():
    one, other = (beside(concluded({"down": 0.08}, seed=seed)) for seed in (1, 2))
    assert (one["low"] != other["low"]).any()


def test_no_controls_make_no_contrasts():
    assert controls.conclude(decile_experiment(["up"]), seed=0).empty


def test_kinds_are_read_off_the_labels():
    assert controls.kind_of("random window 3 like only decile 1 of down") == "random window"
    assert controls.kind_of("same energy as below of down (calibrated bounds)") == "same energy"
    assert pd.Series(["same count as x"]).map(controls.kind_of).iloc[0] == "same count"
