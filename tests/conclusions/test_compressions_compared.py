import pytest
from fake_ablation import compression_experiment
from fake_run import decile_experiment

from weightspectra.conclusions.cuts import compression
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, HOLDS


def test_every_method_stands_beside_plain_truncation_of_its_size():
    rows = compression_experiment()
    found = compression.conclude(rows, seed=0)
    scores = found[found["claim"] == "compressed_score"].set_index(["detail", "setting"])
    value = rows.set_index("cut")["value"]
    assert scores.loc[("whitened", 0.8), "number"] == value["whitened to 0.8 of all matrices"]
    assert set(scores["scope"]) == {"all matrices"}
    beside = found[found["claim"] == "change_beside_plain"].set_index("setting")
    assert set(beside["detail"]) == {"whitened"}
    expected = value["whitened to 0.6 of all matrices"] - value["svd to 0.6 of all matrices"]
    assert beside.loc[0.6, "number"] == pytest.approx(expected)
    assert (beside["verdict"] == HOLDS).all()
    assert (beside["family_size"] == 3).all()


def test_one_document_cannot_tell_and_cuts_are_no_compressions():
    rows = compression_experiment()
    alone = rows.assign(
        units=[["document 0"]] * len(rows),
        unit_values=rows["unit_values"].map(lambda values: values[:1]),
        unit_weights=rows["unit_weights"].map(lambda values: values[:1]),
    )
    found = compression.conclude(alone, seed=0)
    assert set(found.loc[found["claim"] == "change_beside_plain", "verdict"]) == {CANNOT_BE_TOLD}
    assert compression.conclude(decile_experiment(["up"]), seed=0).empty
