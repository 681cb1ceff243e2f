import numpy as np
import pandas as pd
import pytest
from fake_ablation import compression_experiment, controls_experiment
from fake_run import LLAMA, decile_experiment

from weightspectra.conclusions.cuts import costs
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS
from weightspectra.statistics.paired import contrast

MIDDLE = "smallest_costs_more_than_middle"


def middle(rows, seed=0):
    found = costs.conclude(rows, seed=seed)
    return found[found["claim"] == MIDDLE].set_index("role")


def test_smallest_decile_is_dearer_than_the_middle_only_where_planted():
    rows = decile_experiment(["query", "up", "down"], dear=["down"], n_documents=12)
    dear = rows["cut"] == "decile 1 of down"
    rows.loc[dear, "unit_values"] = rows.loc[dear, "unit_values"].map(lambda nll: [x + 2 for x in nll])
    found = middle(rows)
    # Decile 1 of a dear role costs 0.07 nats a token; deciles 5 and 6 cost 0.032 and 0.064; decile 1 else 0.002.
    assert found.loc["down", "number"] == pytest.approx(0.07 - 0.048, abs=0.003)
    assert found.loc["query", "number"] == pytest.approx(0.002 - 0.048, abs=0.003)
    assert list(found["verdict"]) == [DOES_NOT, DOES_NOT, HOLDS]
    assert (found["p_value"] == 2.0**-11).all()
    assert (found["family_size"] == 3).all()


def test_signs_of_the_documents_are_flipped_one_and_all():
    rows = decile_experiment(["up"])
    nll = {row["decile"]: np.array(row["unit_values"]) for row in rows.to_dict("records")}
    difference = nll[1] - (nll[5] + nll[6]) / 2
    signs = np.array(np.meshgrid(*[[1, -1]] * 8)).reshape(8, -1)
    sums = np.abs(signs.T @ difference)
    expected = np.mean(sums >= abs(difference.sum()) * (1 - 1e-9))
    found = middle(rows).loc["up"]
    assert found["p_value"] == pytest.approx(expected)
    assert found["low"] < found["number"] < found["high"]


def test_the_seed_is_that_of_the_configuration():
    rows = decile_experiment(["up"], n_documents=20)
    assert middle(rows, 1).loc["up", "low"] != middle(rows, 2).loc["up", "low"]


def test_few_documents_cannot_tell():
    found = middle(decile_experiment(["up"], n_documents=4))
    assert found.loc["up", "verdict"] == CANNOT_BE_TOLD
    assert found.loc["up", "why"] == "4 are too few: the test has no p-value below 0.12"


def test_no_contrast_without_the_middle_deciles_or_with_one_document():
    rows = decile_experiment(["up"])
    assert middle(rows[rows["decile"] != 6]).empty
    assert middle(decile_experiment(["up"], n_documents=1)).empty


def test_changes_keep_the_numbers_of_the_evaluation():
    rows = pd.concat([controls_experiment({"down": 0.08}), compression_experiment(LLAMA).iloc[1:]])
    found = costs.conclude(rows, seed=0).set_index("cut")
    assert set(found["claim"]) == {
        *("untouched_score", "scored", "change_after_cut", "change_after_control", "change_after_compression")
    }
    cut = rows.set_index("cut").loc["decile 1 of down"]
    told = found.loc["decile 1 of down"]
    assert (told["number"], told["low"], told["p_corrected"]) == (
        *(cut["difference"], cut["difference_low"], cut["q_value"]),
    )
    assert (told["verdict"], told["worse_if"]) == (HOLDS, "larger")
    assert told["family_size"] == len(rows) - 1
    assert found.loc["same count as decile 1 of down", "beside"] == "decile 1 of down"


def test_what_removes_nothing_changes_nothing_and_is_not_counted():
    rows = decile_experiment(["up"])
    rows.loc[rows["decile"] == 2, "n_removed"] = 0
    found = costs.conclude(rows, seed=0).set_index("cut")
    assert (found.loc["decile 2 of up", "verdict"], found.loc["decile 2 of up", "family_size"]) == (DOES_NOT, 0)
    assert found.loc["decile 3 of up", "family_size"] == 9


def test_tasks_are_left_out():
    assert costs.conclude(decile_experiment(["up"]).assign(metric="movies/acc"), seed=0).empty


def test_the_contrast_is_that_of_cuts_in_nats():
    rows = decile_experiment(["up"]).query("decile in (1, 5, 6)").assign(statistic="mean")
    first, *others = rows.to_dict("records")
    difference, error, *_ = contrast(first, others, seed=0)
    found = middle(rows.assign(statistic="exp_ratio")).loc["up"]
    assert (found["number"], found["standard_error"]) == (pytest.approx(difference[0]), pytest.approx(error[0]))
