import numpy as np
import pytest
from fake_ablation import controls_experiment
from fake_run import LLAMA, FakeModel, decile_experiment, judged, measurements
from legible import assert_readable, spelled

from weightspectra.report.cuts import contrasts


@pytest.fixture(scope="module")
def rows():
    return controls_experiment({"down": 0.08, "query": 0.0101}, control=0.01)


def test_the_table_has_a_line_for_each_kind_of_control(rows):
    table = contrasts.contrast_table(measurements(FakeModel("trained", LLAMA), evaluations=rows))
    (block,) = table.blocks
    assert list(block.cells["Control"].iloc[:3]) == ["same count", "same energy", "random windows (2)"]
    assert len(table.data) == len(block.cells) == 6
    change = rows.set_index("cut")["difference"]
    np.testing.assert_allclose(table.data["change"], change[table.data["cut"]])
    kept = rows.set_index("cut").loc["same count as decile 1 of down", "difference"]
    assert table.data.set_index(["cut", "kind"]).loc[("decile 1 of down", "same count"), "control_change"] == (
        pytest.approx(kept)
    )
    assert block.cells["Difference [95 % interval]"].iloc[0].endswith("] *")


def test_no_controls_make_no_contrasts():
    rows = decile_experiment(["up"])
    data = measurements(FakeModel("trained", LLAMA), evaluations=rows)
    assert contrasts.contrast_table(data).blocks == []
    assert "none could be built" in spelled(contrasts.contrast_figure(judged(rows)))[0][0]


def test_one_document_has_contrasts_without_a_test():
    rows = controls_experiment({"down": 0.08})
    alone = rows.assign(
        units=[["document 0"]] * len(rows),
        unit_values=rows["unit_values"].map(lambda values: values[:1]),
        unit_weights=rows["unit_weights"].map(lambda values: values[:1]),
    )
    data = measurements(FakeModel("trained", LLAMA), evaluations=alone)
    table = contrasts.contrast_table(data)
    assert (table.data["q_value"] == 1).all()
    assert "nan" not in table.blocks[0].cells.to_string()


def test_each_cut_stands_beside_its_own_controls(rows):
    figure = contrasts.contrast_figure(judged(rows))
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
    figure = contrasts.contrast_figure(judged(broken))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["decile 1 of down"]
    assert any("1 of 2 cuts" in text for text, _ in spelled(figure))
    assert_readable(figure)
