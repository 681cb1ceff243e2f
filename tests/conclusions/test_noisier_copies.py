import pandas as pd
import pytest
from fake_run import decile_experiment

from weightspectra.conclusions.cuts import copies
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS


def concluded(before, after, kept=("copy", "trained")):
    return copies.conclude(pd.concat([before, after], ignore_index=True), copies=dict([kept]))


@pytest.fixture
def pair():
    before = decile_experiment(["query", "up"], dear=["up"])
    return before, before.assign(model="copy")


def test_equal_results_move_nothing(pair):
    found = concluded(*pair)
    assert (found.loc[found["claim"] == "verdict_moves", "verdict"] == DOES_NOT).sum() == 20
    assert found.loc[found["claim"] == "order_of_changes", "number"].item() == pytest.approx(1)


def test_a_verdict_moves_with_its_significance_and_with_its_sign(pair):
    before, after = pair
    after.loc[after["cut"] == "decile 3 of up", ["q_value", "difference"]] = [0.3, 0.011]
    after.loc[after["cut"] == "decile 4 of up", "difference"] *= -1
    found = concluded(before, after).set_index("cut")
    moved = found[found["verdict"] == HOLDS]
    assert list(moved.index) == ["decile 3 of up", "decile 4 of up"]
    assert moved.loc["decile 3 of up", "number"] == 0.011
    assert moved.loc["decile 3 of up", "reference"] == before.set_index("cut").loc["decile 3 of up", "difference"]


def test_other_experiments_and_models_are_not_compared_and_single_documents_cannot_tell(pair):
    before, after = pair
    assert concluded(before, after.assign(experiment="other")).empty
    assert concluded(before, after, kept=("another", "trained")).empty
    alone = decile_experiment(["up"], n_documents=1)
    told = concluded(alone, alone.assign(model="copy")).query("claim == 'verdict_moves'")
    assert set(told["verdict"]) == {CANNOT_BE_TOLD}
