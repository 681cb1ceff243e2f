import pytest
from fake_ablation import comparison
from scipy import stats

from weightspectra.conclusions import differences
from weightspectra.contracts.conclusions import DOES_NOT, HOLDS

PLACE = ["detail", "side", "decile", "region"]


def test_only_the_planted_side_and_decile_leave_the_band():
    found = differences.conclude(comparison(n_layers=6))
    band = found[found["claim"] == "change_outside_band"].set_index(PLACE)
    planted = band.loc[("shares", "left", 10, "above")]
    assert (planted["number"], planted["n"], planted["verdict"]) == (1, 42, HOLDS)
    assert planted["p_value"] == pytest.approx(stats.binom.sf(41, 42, 0.025))
    assert (band.xs("right", level="side")["verdict"] == DOES_NOT).all()
    assert (band["family_size"] == 8).all()


def test_shares_are_multiples_of_chance():
    found = differences.conclude(comparison(n_layers=2))
    ratio = found[found["claim"] == "change_in_decile"].set_index(PLACE[:3])["number"]
    assert ratio[("shares", "left", 10)] == pytest.approx(4.6)
    assert ratio[("shares", "left", 1)] == pytest.approx(0.6)
    assert ratio[("leading", "right", 1)] == pytest.approx(1)


def test_matrices_that_did_not_change_are_counted_and_left_out():
    rows = comparison(n_layers=2)
    rows.loc[rows["layer"] == 0, "relative_change"] = 0
    found = differences.conclude(rows).set_index("claim")
    assert found.loc["matrices_changed", ["number", "n", "model", "beside"]].tolist() == [0.5, 14, "trained", "control"]
    assert found.loc["relative_change", "number"] == pytest.approx(0.02)
    nothing = differences.conclude(rows[rows["layer"] == 0])
    assert list(nothing["claim"]) == ["matrices_changed"]
