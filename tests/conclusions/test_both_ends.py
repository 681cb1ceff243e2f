import pytest
from fake_run import LLAMA, FakeModel, frames

from weightspectra.conclusions import ends
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS

TEST = "more_information_than_control"


def concluded(n_above=2, n_below=2, n_layers=6):
    trained = FakeModel("trained", LLAMA, n_layers=n_layers, n_above=n_above, n_below=n_below)
    found = frames(trained, FakeModel("control", LLAMA, n_layers=n_layers, n_above=0, n_below=0))
    names = ("information", "bulk", "matrices")
    return ends.conclude(*(found[name] for name in names), controls={"control": "trained"}, structured={})


def of(rows, claim, **names):
    chosen = rows[rows["claim"] == claim]
    for column, value in names.items():
        chosen = chosen[chosen[column] == value]
    return chosen.iloc[0]


def test_both_ends_have_the_planted_shares():
    rows = concluded()
    # Of a tenth of 48 values (4) and of 16 (1), two are planted; below, in no square matrix.
    largest, smallest = (of(rows, "information", model="trained", region=region, role="") for region in ends.REGIONS)
    assert largest["number"] == pytest.approx((5 * 0.5 + 2 * 1) / 7)
    assert smallest["number"] == pytest.approx((3 * 0.5 + 2 * 1) / 7)
    assert of(rows, "information", model="trained", region="largest tenth", role="key")["number"] == 1
    beyond = of(rows, "information_beyond_chance", model="trained", region="smallest tenth")
    assert beyond["number"] * beyond["n"] == pytest.approx(30)


def test_what_may_be_chance_is_not_beyond_it():
    found = frames(FakeModel("trained", LLAMA, n_layers=6))
    unsure = found["information"].assign(information_low=found["information"]["layer"] - 3.0)
    rows = ends.conclude(unsure, *(found[name] for name in ("bulk", "matrices")), controls={}, structured={})
    assert of(rows, "information_beyond_chance", region="largest tenth")["number"] == pytest.approx(2 / 6)


def test_the_sign_test_counts_matrices_with_more():
    rows = concluded()
    assert of(rows, TEST, region="largest tenth")["p_value"] == pytest.approx(0.5**42)
    assert of(rows, TEST, region="smallest tenth")["p_value"] == pytest.approx(0.5**30)


@pytest.mark.parametrize(
    ("choice", "verdicts"),
    [
        ({}, (HOLDS, HOLDS)),
        ({"n_above": 3, "n_below": 0}, (HOLDS, DOES_NOT)),
        ({"n_above": 0, "n_below": 0}, (DOES_NOT, DOES_NOT)),
    ],
)
def test_each_end_has_its_own_verdict(choice, verdicts):
    rows = concluded(**choice)
    assert tuple(rows.loc[rows["claim"] == TEST, "verdict"]) == verdicts


def test_few_matrices_cannot_tell():
    one_role = {"query": (48, 48)}
    found = frames(FakeModel("trained", one_role, n_layers=2), FakeModel("control", one_role, n_layers=2, n_above=0))
    names = ("information", "bulk", "matrices")
    rows = ends.conclude(*(found[name] for name in names), controls={"control": "trained"}, structured={})
    assert set(rows.loc[rows["claim"] == TEST, "verdict"]) == {CANNOT_BE_TOLD}
