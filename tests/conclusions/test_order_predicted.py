import numpy as np
import pandas as pd
import pytest
from fake_ablation import directions, predictions
from fake_run import LLAMA, decile_experiment, evaluation
from scipy import stats

from weightspectra.conclusions import prediction


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


def test_the_error_of_a_change_large_or_small_is_that_of_resampled_documents(evaluated):
    """A naive bootstrap of the documents gives it, also where the perplexity grows four hundredfold."""
    cuts = prediction.measured(predictions(), evaluated).set_index("cut")
    rows, rng = evaluated.set_index("cut"), np.random.default_rng(0)
    before, tokens = (np.array(rows.loc["none", name], dtype=float) for name in ("unit_values", "unit_weights"))
    drawn = rng.integers(len(tokens), size=(20_000, len(tokens)))
    for label in (cuts["measured"].abs().idxmin(), cuts["measured"].idxmax()):
        after = np.array(rows.loc[label, "unit_values"])
        changes = (after[drawn].sum(axis=1) - before[drawn].sum(axis=1)) / tokens[drawn].sum(axis=1)
        # Resamples divide by n where the error divides by n - 1.
        expected = changes.std() * np.sqrt(len(tokens) / (len(tokens) - 1))
        assert cuts.loc[label, "measured_se"] == pytest.approx(expected, rel=0.03)


def test_documents_of_other_lengths_and_losses_that_vary_have_the_error_of_their_ratio(evaluated):
    rng = np.random.default_rng(1)
    tokens = rng.integers(20, 400, 60).astype(float)
    before = tokens * rng.normal(3.0, 0.3, 60)
    after = before + tokens * rng.normal(4.0, 0.1, 60)
    names = [("none", "none", "none", 0, [], []), ("decile 1 of up", "role", "decile 1", 1, ["up"], [0])]
    few = pd.DataFrame(
        [evaluation(*name, nll, before, tokens) for name, nll in zip(names, (before, after), strict=True)]
    )
    [found] = prediction.measured(predictions(), few)["measured_se"]
    drawn = rng.integers(60, size=(20_000, 60))
    changes = (after[drawn] - before[drawn]).sum(axis=1) / tokens[drawn].sum(axis=1)
    assert found == pytest.approx(changes.std() * np.sqrt(60 / 59), rel=0.05)
    # What documents have in common cancels, which it does not in the error of the perplexities' difference.
    assert few["difference_se"].iloc[1] / few["value"].iloc[1] > 2 * found


def test_what_was_measured_stands_beside_what_was_predicted(evaluated):
    cuts = prediction.measured(predictions(), evaluated)
    found = prediction.conclude(predictions(), directions(), evaluated)
    rows = found[found["claim"] == "damage_measured"]
    assert list(rows["cut"]) == list(cuts["cut"])
    assert list(rows["number"]) == list(cuts["measured"])
    assert list(rows["reference"]) == list(cuts["predicted"])
    assert list(rows["standard_error"]) == list(cuts["measured_se"])
    assert (rows["verdict"] == "").all()


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
