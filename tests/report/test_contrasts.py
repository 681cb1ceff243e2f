import numpy as np
import pandas as pd
import pytest
from fake_ablation import controls_experiment
from fake_run import LLAMA, FakeModel, decile_experiment, measurements
from legible import assert_readable, spelled

from weightspectra.report.cuts import contrasts, cut_findings


@pytest.fixture(scope="module")
def rows():
    return controls_experiment({"down": 0.08, "query": 0.0101}, control=0.01)


def test_the_difference_of_differences_is_that_of_the_values(rows):
    found = contrasts.contrasts(rows).set_index(["cut", "kind"])
    value = rows.set_index("cut")["value"]
    cut = "decile 1 of down"
    assert found.loc[(cut, "same count"), "difference"] == pytest.approx(value[cut] - value[f"same count as {cut}"])
    windows = [value[f"random window {number} like {cut}"] for number in (1, 2)]
    expected = value[cut] - np.sqrt(windows[0] * windows[1])
    assert found.loc[(cut, "random window"), "difference"] == pytest.approx(expected)
    assert found.loc[(cut, "random window"), "n_controls"] == 2
    both = found["change"] - found["control_change"]
    np.testing.assert_allclose(both, found["difference"])


def test_only_the_planted_cut_differs_from_its_controls(rows):
    found = contrasts.contrasts(rows).set_index(["cut", "kind"])
    assert (found.loc["decile 1 of down", "q_value"] <= 0.05).all()
    assert (found.loc["decile 1 of query", "q_value"] > 0.05).any()
    finding = cut_findings.against_controls(measurements(FakeModel("trained", LLAMA), evaluations=rows))
    assert finding.headline == "1 of 2 cuts hurt more than every kind of matched control"
    assert finding.numbers["trained/deciles/n_worse_than_controls"] == 1


def test_a_cut_that_is_cheaper_than_its_controls_is_no_evidence_for_it():
    rows = controls_experiment({"down": 0.01}, control=0.08)
    finding = cut_findings.against_controls(measurements(FakeModel("trained", LLAMA), evaluations=rows))
    assert finding.headline == "No cut hurts more than every kind of its matched controls"
    assert "1 of 1 hurt less" in " ".join(finding.sentences)


def test_the_table_has_a_line_for_each_kind_of_control(rows):
    table = contrasts.contrast_table(measurements(FakeModel("trained", LLAMA), evaluations=rows))
    (block,) = table.blocks
    assert list(block.cells["Control"].iloc[:3]) == ["same count", "same energy", "random windows (2)"]
    assert len(table.data) == len(block.cells) == 6
    assert block.cells["Difference [95 % interval]"].iloc[0].endswith("] *")


def test_no_controls_make_no_contrasts():
    rows = decile_experiment(["up"])
    assert contrasts.contrasts(rows).empty
    data = measurements(FakeModel("trained", LLAMA), evaluations=rows)
    assert contrasts.contrast_table(data).blocks == []
    assert cut_findings.against_controls(data) is None
    assert "none could be built" in spelled(contrasts.contrast_figure(rows))[0][0]


def test_one_document_has_contrasts_without_a_test():
    rows = controls_experiment({"down": 0.08})
    alone = rows.assign(
        units=[["document 0"]] * len(rows),
        unit_values=rows["unit_values"].map(lambda values: values[:1]),
        unit_weights=rows["unit_weights"].map(lambda values: values[:1]),
    )
    data = measurements(FakeModel("trained", LLAMA), evaluations=alone)
    assert (contrasts.contrasts(alone)["q_value"] == 1).all()
    assert "nan" not in contrasts.contrast_table(data).blocks[0].cells.to_string()
    assert cut_findings.against_controls(data) is None


def test_each_cut_stands_beside_its_own_controls(rows):
    figure = contrasts.contrast_figure(rows)
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["decile 1 of query", "decile 1 of down"]
    value = rows.set_index("cut")["difference"]
    drawn = {
        (round(float(x), 9), round(float(y))) for line in axes.lines for x, y in zip(*line.get_data(), strict=True)
    }
    for place, cut in enumerate(labels):
        for name in (cut, f"same count as {cut}", f"same energy as {cut}", f"random window 2 like {cut}"):
            assert (round(value[name], 9), place) in drawn
    assert_readable(figure)


def test_very_many_cuts_and_an_overflow_can_be_drawn(rows, monkeypatch):
    monkeypatch.setattr(contrasts, "MAX_CUTS", 1)
    broken = rows.copy()
    broken.loc[broken["cut"] == "same energy as decile 1 of down", ["value", "difference"]] = np.inf
    figure = contrasts.contrast_figure(broken)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["decile 1 of down"]
    assert any("1 of 2 cuts" in text for text, _ in spelled(figure))
    assert_readable(figure)


def test_kinds_are_read_off_the_labels():
    assert contrasts.kind_of("random window 3 like only decile 1 of down") == "random window"
    assert contrasts.kind_of("same energy as below of down (calibrated bounds)") == "same energy"
    assert pd.Series(["same count as x"]).map(contrasts.kind_of).iloc[0] == "same count"
