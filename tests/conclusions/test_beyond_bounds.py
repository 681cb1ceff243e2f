import pytest
from fake_run import LLAMA, FakeModel, frames

from weightspectra.conclusions import bounds
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS

TEST = "more_beyond_bound_than_control"


def concluded(trained, *controls, unchanged_layer=None):
    found = frames(trained, *controls)
    matrices = found["matrices"]
    if unchanged_layer is not None:
        first = matrices["layer"] == unchanged_layer
        matrices.loc[first, "sha256"] = matrices.loc[first, "role"]
    return bounds.conclude(
        found["bulk"], matrices, controls={model.name: trained.name for model in controls}, structured={}
    )


def one(rows, claim, **names):
    chosen = rows[rows["claim"] == claim]
    for column, value in names.items():
        chosen = chosen[chosen[column] == value]
    (row,) = chosen.to_dict("records")
    return row


@pytest.fixture(scope="module")
def rows():
    trained = FakeModel("trained", LLAMA, n_layers=6, n_above=4, n_below=2)
    return concluded(trained, FakeModel("control", LLAMA, n_layers=6, n_above=0, n_below=0))


def test_shares_are_the_planted_ones(rows):
    n_values = 6 * (2 * 48 + 2 * 16 + 3 * 48)
    above = one(rows, "beyond_bound", model="trained", region="above", role="")
    assert above["number"] * above["n"] == pytest.approx(6 * 7 * 3)
    assert above["n"] == n_values
    assert above["bound"] == "calibrated"
    below = one(rows, "beyond_bound", model="trained", region="below", role="")
    assert below["number"] * n_values == pytest.approx(6 * 5 * 1)
    assert one(rows, "beyond_bound", model="trained", region="above", role="key")["number"] == 3 / 16
    assert one(rows, "beyond_bound", model="control", region="below", role="")["number"] == 0
    assert one(rows, "beyond_bound_explained", model="trained", region="above")["number"] == pytest.approx(42 / 126)
    assert one(rows, "bulk_fits", model="trained", role="")["number"] == pytest.approx(35 / 42)
    assert one(rows, "matrices_beyond_bound", model="trained", region="above")["reference"] == 0.025


def test_a_matrix_of_which_the_profile_explains_nothing_takes_nothing_from_the_others():
    found = frames(FakeModel("trained", LLAMA, n_layers=6, n_above=4))
    found["bulk"].loc[0, "n_above_profile"] = found["bulk"].loc[0, "n_above_bound"] + 5
    rows = bounds.conclude(found["bulk"], found["matrices"], controls={}, structured={})
    assert one(rows, "beyond_bound_explained", region="above")["number"] == pytest.approx(41 / 126)


def test_the_sign_test_is_exact_and_leaves_ties_out(rows):
    above, below = (one(rows, TEST, region=region) for region in ("above", "below"))
    assert (above["p_value"], above["verdict"]) == (pytest.approx(0.5**42), HOLDS)
    assert (below["p_value"], below["number"]) == (pytest.approx(0.5**30), pytest.approx(30 / 42))
    assert above["beside"] == "control"


def test_a_model_like_its_control_does_not_hold():
    still = {"n_layers": 6, "n_above": 0, "n_below": 0}
    rows = concluded(FakeModel("trained", LLAMA, **still), FakeModel("control", LLAMA, **still))
    assert (rows.loc[rows["claim"] == TEST, "verdict"] == DOES_NOT).all()


def test_a_handful_of_matrices_cannot_tell():
    few = {"query": (48, 48), "value": (48, 48)}
    rows = concluded(FakeModel("trained", few, n_layers=3), FakeModel("control", few, n_layers=3, n_above=0))
    above = one(rows, TEST, region="above")
    assert (above["verdict"], above["number"]) == (CANNOT_BE_TOLD, 1)
    assert above["why"] == "6 are too few: the test has no p-value below 0.016"


def test_matrices_that_training_never_touched_say_nothing():
    trained = FakeModel("trained", LLAMA, n_layers=6, n_above=4)
    rows = concluded(trained, FakeModel("control", LLAMA, n_layers=6, n_above=0), unchanged_layer=0)
    assert one(rows, TEST, region="above")["n"] == 35
    same = one(rows, "same_as_control", region="above")
    assert (same["number"], same["n"]) == (pytest.approx(1 / 6), 42)


def test_without_a_control_there_are_counts_and_no_test():
    rows = concluded(FakeModel("alone"))
    assert TEST not in set(rows["claim"])
    assert (rows["verdict"] == "").all()
