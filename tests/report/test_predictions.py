import numpy as np
import pandas as pd
import pytest
from fake_ablation import directions, predictions
from fake_run import BERT, LLAMA, FakeModel, decile_experiment, measurements
from legible import assert_readable, spelled
from scipy import stats

from weightspectra.report.damage import damage_findings
from weightspectra.report.damage import predictions as predicted
from weightspectra.report.damage.predicted_figure import predicted_figure
from weightspectra.report.kit import style


@pytest.fixture(scope="module")
def evaluated():
    return decile_experiment(LLAMA, dear=["down"])


def data_of(**frames):
    return measurements(FakeModel("trained", LLAMA), **frames)


def test_a_prediction_is_summed_over_the_matrices_of_its_cut(evaluated):
    cells = predictions()
    cuts = predicted.measured(cells, evaluated).set_index("cut")
    chosen = cells[(cells["decile"] == 3) & (cells["role"] == "up")]
    assert len(chosen) == 2
    assert cuts.loc["decile 3 of up", "predicted"] == pytest.approx(chosen["predicted"].sum())
    row = evaluated.set_index("cut").loc["decile 3 of up"]
    tokens, nll = (np.sum(row[name]) for name in ("unit_weights", "unit_values"))
    baseline = np.sum(evaluated["unit_values"].iloc[0])
    assert cuts.loc["decile 3 of up", "measured"] == pytest.approx((nll - baseline) / tokens)
    assert len(cuts) == 70


def test_controls_heads_and_other_metrics_are_no_measured_deciles(evaluated):
    cells = predictions()
    others = pd.concat(
        [
            evaluated.assign(control_of="x"),
            evaluated.assign(scope="head"),
            evaluated.assign(metric="bits_per_byte"),
            evaluated.assign(model="another"),
        ]
    )
    assert predicted.measured(cells, others).empty
    assert predicted.measured(cells.iloc[:0], evaluated).empty


def test_agreement_is_spearmans_with_an_interval_around_it(evaluated):
    cells = predictions()
    cuts = predicted.measured(cells, evaluated)
    found = predicted.agreement(cuts).set_index("predictor")
    expected = stats.spearmanr(cuts["measured"], cuts["predicted"]).statistic
    assert found.loc["predicted", "correlation"] == pytest.approx(expected)
    assert found.loc["predicted", "low"] < expected < found.loc["predicted", "high"] <= 1
    assert "first_order" not in found.index
    assert found.loc["predicted", "n_cuts"] == 70


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(8)
    covered = []
    for _ in range(300):
        both = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 60)
        names = dict.fromkeys(["model", "corpus", "experiment", "scope"], "x")
        rows = pd.DataFrame({"measured": both[:, 0], "predicted": both[:, 1], **names})
        rows = rows.reindex(columns=[*rows.columns, *(set(predicted.PREDICTORS) - {"predicted"})])
        found = predicted.agreement(rows).iloc[0]
        true = 6 / np.pi * np.arcsin(0.7 / 2)
        covered.append(found["low"] <= true <= found["high"])
    assert 0.91 <= np.mean(covered) <= 0.985


def test_an_overflow_counts_as_the_largest_damage(evaluated):
    broken = evaluated.copy()
    broken.loc[broken["cut"] == "decile 10 of down", ["value", "difference"]] = np.inf
    cuts = predicted.measured(predictions(), broken).set_index("cut")
    assert np.isposinf(cuts.loc["decile 10 of down", "measured"])
    found = predicted.agreement(cuts.reset_index())
    assert np.isfinite(found["correlation"]).all()
    assert_readable(predicted_figure(predictions(), cuts.reset_index()))


def test_few_cuts_have_no_correlation(evaluated):
    few = evaluated[evaluated["cut"].isin(["none", "decile 1 of up", "decile 2 of up"])]
    cells = predictions()
    assert predicted.agreement(predicted.measured(cells, few)).empty
    table = predicted.prediction(data_of(predictions=cells, evaluations=few))
    assert table.blocks == []
    assert any("nothing is known" in note for note in table.notes)
    assert "2 cuts" in " ".join(text for text, _ in spelled(predicted_figure(cells, predicted.measured(cells, few))))


def test_the_table_and_the_finding_say_how_well_the_prediction_orders(evaluated):
    data = data_of(predictions=predictions(), evaluations=evaluated)
    (block,) = predicted.prediction(data).blocks
    assert list(block.cells.columns) == ["deciles: 70 cuts by role"]
    assert block.cells.index[0] == "predicted damage"
    finding = damage_findings.prediction(data)
    rho = finding.numbers["trained/deciles/role/predicted"]
    assert finding.headline == f"Predicted damage orders measured cuts with a rank correlation of {rho:.2f}"
    text = " ".join(finding.sentences)
    assert "This is a prediction, not a measurement." in text
    assert "decile 1 of layer 0 down" in text


def test_a_prediction_alone_claims_nothing():
    finding = damage_findings.prediction(data_of(predictions=predictions()))
    assert finding.headline == "Damage is predicted; no cuts were evaluated that say how well"
    assert damage_findings.prediction(data_of()) is None


@pytest.mark.parametrize(("shapes", "n_layers"), [(LLAMA, 30), (BERT, 2), ({"up": (96, 48)}, 1), (LLAMA, 80)])
def test_the_map_shows_every_layer_and_says_that_it_is_a_prediction(shapes, n_layers):
    cells = predictions(shapes, n_layers)
    figure = predicted_figure(cells, predicted.measured(cells, decile_experiment(shapes).iloc[:0]))
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert [image.shape for image in images[: len(shapes)]] == [(n_layers, 10)] * len(shapes)
    assert any(text.startswith("Prediction, not measurement") for text, _ in spelled(figure))
    assert_readable(figure)


def test_cells_hold_what_was_predicted_and_what_is_negative_is_palest():
    cells = predictions({"down": (48, 128)}, 2)
    cells.loc[(cells["layer"] == 1) & (cells["decile"] == 2), "predicted"] = -1.0
    figure = predicted_figure(cells, predicted.measured(cells, decile_experiment(["down"]).iloc[:0]))
    image = next(axes.images[0] for axes in figure.axes if axes.images)
    expected = cells.set_index(["layer", "decile"])["predicted"]
    assert image.get_array()[0, 9] == pytest.approx(expected[(0, 10)])
    assert image.norm(image.get_array()[1, 1]) == 0


def test_predicted_and_measured_meet_in_the_scatter(evaluated):
    cells = predictions()
    cuts = predicted.measured(cells, evaluated)
    figure = predicted_figure(cells, cuts)
    scatter = next(axes for axes in figure.axes if axes.get_xlabel().startswith("predicted"))
    points = [line for line in scatter.lines if line.get_linestyle() == "None"]
    drawn = sorted(float(y) for line in points for y in line.get_ydata())
    np.testing.assert_allclose(drawn, sorted(cuts["measured"]))
    hollow = sum(len(line.get_xdata()) for line in points if line.get_markerfacecolor() == "white")
    assert hollow == int((~cuts["told"]).sum())
    assert_readable(figure)


def test_the_same_prediction_gives_the_same_bytes(evaluated):
    cells = predictions(BERT)
    drawn = [style.to_bytes(predicted_figure(cells, predicted.measured(cells, evaluated)), "svg") for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_directions_are_named_by_what_they_read():
    data = data_of(directions=directions())
    (block,) = predicted.directions(data).blocks
    assert list(block.cells.index) == ["layer 0 down, rank 48 of 48", "layer 1 up, rank 47 of 48"]
    first = block.cells.iloc[0]
    assert first["Reads"] == "1 (0.98; 90.0 %)"
    assert first["Tokens"] == "<s> ⏎"
    finding = damage_findings.directions(data)
    assert "99.9 % at first tokens" in finding.sentences[0]
    assert damage_findings.directions(data_of()) is None


@pytest.mark.parametrize(
    ("token", "shown"),
    [(" of", "␣of"), ("Ġof", "␣of"), ("▁of", "␣of"), ("\n\n", "⏎⏎"), ("", "''"), ("\x07", "\N{REPLACEMENT CHARACTER}")],
)
def test_tokens_are_visible(token, shown):
    assert predicted.visible(token) == shown
