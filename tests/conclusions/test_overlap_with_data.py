import numpy as np
import pytest
from fake_run import LLAMA, FakeModel, frames
from scipy import stats

from weightspectra.conclusions import overlap
from weightspectra.contracts.conclusions import DOES_NOT, HOLDS


@pytest.fixture
def found():
    return frames(FakeModel("trained", LLAMA, n_layers=6, n_above=4), FakeModel("mixture", n_experts=2))


def test_counts_and_p_values_are_those_of_the_binomial_law(found):
    rows = overlap.conclude(found["overlaps"], found["bulk"])
    up = rows[(rows["model"] == "trained") & (rows["role"] == "up")].set_index("region")
    assert list(up.index) == ["below", "inside", "above"]
    assert up.loc["above", "n"] == 24
    assert up.loc["above", "number"] == 1
    assert up.loc["above", "p_value"] == pytest.approx(overlap.CHANCE**24)
    assert up.loc["below", "p_value"] == pytest.approx(stats.binom.sf(5, 12, overlap.CHANCE))
    assert up.loc["inside", "verdict"] == ""
    assert set(rows["bound"]) == {"asymptotic"}


def test_roles_and_ends_of_one_model_are_corrected_together(found):
    rows = overlap.conclude(found["overlaps"], found["bulk"])
    tested = rows[(rows["model"] == "trained") & (rows["family"] != "")]
    assert len(tested) == 7 + 5
    assert (tested["family_size"] == 12).all()
    assert tested["p_corrected"].max() == pytest.approx(tested["p_value"].max())


def test_a_role_without_overlap_does_not_hold(found):
    rows = found["overlaps"]
    rows.loc[rows["role"] == "attention_output", "overlap"] = rows["null_median"]
    above = overlap.conclude(rows, found["bulk"]).query("model == 'trained' and region == 'above' and role != ''")
    verdicts = above.set_index("role")["verdict"]
    assert verdicts["attention_output"] == DOES_NOT
    assert (verdicts.drop("attention_output") == HOLDS).all()


def test_regions_without_vectors_have_no_share(found):
    bulk = found["bulk"].assign(edge_lower=-np.inf)
    rows = overlap.conclude(found["overlaps"], bulk).query("region == 'below'")
    assert (rows["role"] == "").all()
    assert rows["number"].isna().all()


def test_a_value_on_an_edge_is_inside(found):
    edge = found["bulk"].set_index(overlap.KEY).loc[("trained", 0, "up", 0)]
    row = found["overlaps"].query("model == 'trained' and layer == 0 and role == 'up'").iloc[[0, 1]].copy()
    row["singular_value"] = [edge["edge_lower"], edge["edge_upper"]]
    assert overlap.positioned(row, found["bulk"])["region"].tolist() == ["inside", "inside"]


def test_overlaps_without_their_matrix_are_refused(found):
    with pytest.raises(ValueError, match="have no row in bulk"):
        overlap.positioned(found["overlaps"], found["bulk"][found["bulk"]["model"] != "mixture"])
