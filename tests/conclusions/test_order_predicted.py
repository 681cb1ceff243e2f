import numpy as np
import pandas as pd
import pytest
from fake_ablation import directions, predictions
from fake_run import LLAMA, decile_experiment
from scipy import stats

from weightspectra.conclusions import prediction
from weightspectra.statistics.paired import standard_error


@pytest.fixture(scope="module")
def evaluated():
    return decile_experiment(LLAMA, dear=["down"])


def order(found):
    return found[found["claim"] == "order_predicted"].set_index("detail")


def test_a_prediction_is_summed_over_the_matrices_of_its_cut(evaluated):
    cells = predictions()
    cuts = prediction.measured(cells, evaluated).set_index("cut")
    chosen = cells[(cells["decile"] == 3) & (cells["role"] == "up")]
    assert len(chosen) == 2
    assert cuts.loc["decile 3 of up", "predicted"] == pytest.approx(chosen["predicted"].sum())
    row = evaluated.set_index("cut").loc["decile 3 of up"]
    tokens, nll = (np.sum(row[name]) for name in ("unit_weights", "unit_values"))
    baseline = np.sum(evaluated["unit_values"].iloc[0])
    assert cuts.loc["decile 3 of up", "measured"] == pytest.approx((nll - baseline) / tokens)
    assert len(cuts) == 70


def test_the_error_of_a_small_change_is_that_of_the_log_perplexity(evaluated):
    cuts = prediction.measured(predictions(), evaluated).set_index("cut")
    smallest = cuts["measured"].abs().idxmin()
    row = evaluated.set_index("cut").loc[smallest]
    change = np.array(row["unit_values"]) - evaluated["unit_values"].iloc[0]
    expected = standard_error("mean", change, np.array(row["unit_weights"], dtype=float))
    assert cuts.loc[smallest, "measured_se"] == pytest.approx(expected, rel=0.1)


def test_controls_heads_and_other_metrics_are_no_measured_deciles(evaluated):
    others = pd.concat(
        [
            evaluated.assign(control_of="x"),
            evaluated.assign(scope="head"),
            evaluated.assign(metric="bits_per_byte"),
            evaluated.assign(model="another"),
        ]
    )
    assert prediction.measured(predictions(), others).empty
    assert prediction.measured(predictions().iloc[:0], evaluated).empty


def test_the_order_is_spearmans_and_constants_have_none(evaluated):
    cuts = prediction.measured(predictions(), evaluated)
    found = order(prediction.conclude(predictions(), directions(), evaluated))
    expected = stats.spearmanr(cuts["measured"], cuts["predicted"]).statistic
    assert found.loc["predicted", "number"] == pytest.approx(expected)
    assert found.loc["predicted", "low"] < expected < found.loc["predicted", "high"] <= 1
    assert found.loc["predicted", "n"] == 70
    assert "first_order" not in found.index


def test_fewer_than_five_cuts_have_no_order(evaluated):
    few = evaluated[evaluated["cut"].isin(["none", "decile 1 of up", "decile 2 of up"])]
    assert order(prediction.conclude(predictions(), directions(), few)).empty


def test_the_planted_cell_and_the_directions_are_named(evaluated):
    found = prediction.conclude(predictions(), directions(), evaluated)
    worst = found[found["claim"] == "damage_predicted"].iloc[0]
    assert worst[["layer", "role", "decile"]].tolist() == [0, "down", 1]
    rows = directions()
    damage = found[found["claim"] == "direction_damage"]
    assert list(damage["number"]) == list(rows["predicted"].head(prediction.N_NAMED))
    assert list(damage["names"].iloc[0]) == list(rows["tokens"].iloc[0])
    reads = found[found["claim"] == "direction_reads"].iloc[0]
    assert (reads["setting"], reads["number"]) == (rows["component"].iloc[0] + 1, rows["overlap"].iloc[0])
