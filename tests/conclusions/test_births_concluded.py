import numpy as np
import pandas as pd
import pytest
from fake_birth import FakeBirth, frames

from weightspectra.conclusions.births import conclude, knockouts, locator
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS

SMALL = FakeBirth("small")


def concluded(*births, **rows):
    found = frames(*births) | rows
    return conclude.conclude(found["probes"], found["locations"], found["knockouts"], level=0.05)


def of(found, claim, **names):
    rows = found[found["claim"] == claim]
    for column, value in names.items():
        rows = rows[rows[column] == value]
    return rows


def one(found, claim, **names):
    (row,) = of(found, claim, **names).to_dict("records")
    return row


def test_what_comes_first_is_counted_run_by_run():
    found = concluded(SMALL)
    formed = one(found, "induction_head_forms")
    assert (formed["number"], formed["n"], formed["verdict"]) == (pytest.approx(np.mean([169, 169, 196])), 3, HOLDS)
    assert one(found, "located_from", matrix="key_2")["number"] == 16
    assert one(found, "located_before", matrix="key_2")["number"] == formed["number"] - 16
    assert set(of(found, "located_first")["verdict"]) == {HOLDS}
    late = concluded(FakeBirth("late", visible={"output_2": 4, "key_2": 250, "key_1": 500, "feed_forward": 1}))
    first, later = (of(late, claim).set_index("matrix") for claim in ("located_first", "located_later"))
    assert first["verdict"].to_dict() == {"output_2": HOLDS, "key_2": DOES_NOT, "key_1": DOES_NOT}
    assert later["number"].to_dict() == {"output_2": 0, "key_2": 1, "key_1": 1}
    assert one(late, "located_from", matrix="key_1")["n"] == 0


def test_the_initialisation_does_not_count():
    rows = frames(SMALL)["locations"]
    found = concluded(SMALL, locations=rows.assign(n_located=np.maximum(rows["n_located"], 9)))
    assert (of(found, "located_first")["number"] == 0).all()


def test_runs_without_a_head_and_runs_that_were_not_searched_are_counted():
    found = concluded(SMALL, FakeBirth("never", formed=None))
    assert (one(found, "runs_formed")["number"], one(found, "runs_formed")["n"]) == (0.5, 6)
    assert one(found, "induction_head_forms", birth="never")["verdict"] == DOES_NOT
    assert (of(found, "located_first")["n"] == 3).all()
    both = FakeBirth("half", seeds=(0, 1)), FakeBirth("other")
    half = concluded(*both, locations=frames(*both)["locations"].query("birth == 'half'"))
    assert one(half, "runs_searched")["number"] == pytest.approx(2 / 5)


def test_knock_outs_are_means_over_runs_of_births_that_learned():
    found = concluded(SMALL, FakeBirth("never", formed=None))
    change = one(found, "knockout_change", matrix="key_2", cut="remove_located")
    assert (change["birth"], change["number"]) == ("small", pytest.approx(-0.6))
    assert one(found, "births_left_out")["number"] == 1
    assert one(found, "accuracy_left", cut="keep_located")["number"] == pytest.approx(0.989, abs=1e-3)
    assert of(concluded(FakeBirth("never", formed=None)), "knockout_change").empty


def test_effects_are_those_of_the_last_checkpoint_and_of_as_many_smallest_as_located():
    rows = frames(SMALL)["knockouts"]
    earlier = rows.assign(iteration=1, in_context_accuracy=0.0, accuracy_change=-1.0)
    effects = knockouts.knockout_effects(pd.concat([rows, earlier])).set_index(["matrix", "cut"])
    assert effects.loc[("key_2", "keep_located"), "change"] == pytest.approx(-0.01)
    assert effects.loc[("key_2", "remove_smallest"), "n_values"] == 5
    assert effects.loc[("key_2", "remove_smallest"), "change"] == pytest.approx(0.001)
    assert effects.loc[("all", "remove_located"), "n_values"] == 8 + 5 + 8
    assert effects["n_runs"].eq(3).all()


def test_where_nothing_is_located_nothing_is_as_many():
    rows = frames(SMALL)["knockouts"]
    nothing = (rows["matrix"] == "key_2") & rows["cut"].isin(["keep_located", "remove_located"])
    half = rows["n_values"] == SMALL.settings.model.dimension // 2
    rows = rows[(rows["matrix"] != "key_2") | (rows["cut"] != "remove_smallest") | half]
    effects = knockouts.knockout_effects(rows.assign(n_values=rows["n_values"].where(~nothing, 0)))
    found = effects.set_index(["matrix", "cut"]).index
    assert ("key_2", "keep_located") in found
    assert ("key_2", "remove_smallest") not in found


def test_the_locator_is_scored_before_and_after_training():
    found = concluded(SMALL)
    alarms = of(found, "false_alarms").set_index("detail")
    assert alarms.loc["blind", ["number", "n", "reference", "verdict"]].tolist() == [1 / 9, 9, 0.025, DOES_NOT]
    assert alarms.loc["blind", "p_value"] == pytest.approx(1 - 0.975**9)
    assert np.isnan(alarms.loc["weightwatcher", "p_value"])  # it promises nothing
    # Of 8 + 6 + 8 located values one was not learned; of the 14 in W_O^2 and W_K^2 that one holds no memory.
    assert one(found, "learned_share", detail="blind")["number"] == pytest.approx(21 / 22)
    true = one(found, "true_share", detail="blind")
    assert (true["number"], true["why"]) == (pytest.approx(13 / 14), "told in 6 of 9 matrices")
    assert one(found, "located_recall", detail="informed", matrix="key_2")["number"] == 1
    assert one(found, "located_precision", detail="blind", matrix="key_1")["verdict"] == CANNOT_BE_TOLD


def test_many_false_alarms_are_more_than_the_level_allows():
    rows = frames(SMALL)["locations"]
    found = concluded(SMALL, locations=rows.assign(n_located=np.maximum(rows["n_located"], 1)))
    assert one(found, "false_alarms", detail="blind")["verdict"] == HOLDS


def test_births_that_begin_with_the_same_matrices_are_counted_once():
    twins = frames(FakeBirth("one"), FakeBirth("two"), FakeBirth("wide", model={"dimension": 32}))["locations"]
    assert len(locator.initial(twins[twins["locator"] == "blind"])) == 2 * 9


def test_no_births_are_no_conclusions():
    found = {name: rows.iloc[:0] for name, rows in frames(SMALL).items()}
    assert conclude.conclude(found["probes"], found["locations"], found["knockouts"], level=0.05).empty
