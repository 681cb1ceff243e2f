from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from fake_run import FakeModel, measurements, task_evaluation

from weightspectra.report.published import published, published_removals, published_table

PRINTED = {
    "outliers": {
        "source": "Table 3",
        "repo": "owner/model",
        "counts": {0: {"query": [0, 7], "up": [5, 9]}, 40: {"query": [1, 1]}},
    },
    "share_below": {"source": "Appendix H", "shares": {"owner/model": {"up": 3.8, "gate": 1.0}}},
}


@pytest.fixture
def data():
    return measurements(FakeModel("mine", n_above=3, n_below=2), FakeModel("other"), controls={})


def test_numbers_of_the_same_repository_stand_side_by_side(data):
    compared = published.compare(PRINTED, data.bulk, {"mine": "owner/model", "other": "owner/another"})
    rows = {(row.layer, row.role, row.quantity): (row.published, row.found) for row in compared.itertuples()}
    assert set(compared["model"]) == {"mine"}
    assert rows == {
        (0, "query", "n_below"): (0, 0),
        (0, "query", "n_above"): (7, 3),
        (0, "up", "n_below"): (5, 2),
        (0, "up", "n_above"): (9, 3),
        (-1, "up", "percent_below"): (3.8, pytest.approx(100 * 2 / 48)),
    }


def told(data, origins, printed=PRINTED):
    return published_table.beside_published(replace(data, published=printed, origins=origins))


def test_cells_say_found_and_published(data):
    table = told(data, {"mine": "owner/model"})
    cells = {block.heading.split(": ")[1]: block.cells for block in table.blocks}
    assert cells["values above the asymptotic edge"].loc[0, "Up"] == "3 (9)"
    assert cells["per cent below the asymptotic edge, mean over layers"].loc["all", "Up"] == "4.2 (3.8)"


def test_another_model_has_nothing_to_compare(data):
    table = told(data, {"other": "owner/another"})
    assert table.data.empty
    assert not table.blocks


REMOVALS = [
    {"source": "Table 1", "repo": "owner/model", "metric": "movies", "scope": "role", "untouched": 43.2}
    | {"deciles": [1, 2], "values": {"up": [30.0, 40.0], "down": [2.0, 30.2]}},
    {"source": "Table 2", "repo": "owner/model", "scope": "all", "deciles": [1], "values": {"movies": [61]}},
    {"source": "Table 4", "repo": "owner/model", "metric": "perplexity_per_token", "scope": "layer"}
    | {"untouched": 6.0, "deciles": [1], "values": {0: [6.3], 4: [6.04]}},
]


@pytest.fixture
def removed(data):
    right, some = np.ones(50), np.repeat([1.0, 0.0], [40, 10])
    names = {"model": "mine", "experiment": "asked"}
    rows = [task_evaluation("none", "none", "none", 0, [], [], right, right, **names)]
    for decile in (1, 2):
        label = f"decile {decile}"
        rows.append(task_evaluation(f"{label} of up", "role", label, decile, ["up"], [0, 1], some, right, **names))
    everything = ("decile 1 of all matrices", "all", "decile 1", 1, ["up", "down"], [0, 1])
    rows.append(task_evaluation(*everything, some, right, **names))
    return replace(data, evaluations=pd.DataFrame(rows))


def test_removals_of_the_same_shape_stand_beside_the_printed_ones(removed):
    table = told(removed, {"mine": "owner/model"}, {"removals": REMOVALS})
    first, second = table.blocks
    assert first.heading == "Mine, Table 1: movies: accuracy, asked; untouched 100.0 (43.20)"
    assert list(first.cells.index) == ["Up"]
    assert first.cells.loc["Up"].tolist() == ["80.00 (30.00)", "80.00 (40.00)"]
    assert second.cells.loc["movies", "decile 1"] == "80.00 (61.00)"
    assert any("shape of Table 4 was run" in note for note in table.notes)


def test_other_models_and_controls_are_no_counterpart_of_printed_removals(removed):
    controls = replace(removed, evaluations=removed.evaluations.assign(control_of="x"))
    for data, origin in ((removed, "owner/another"), (controls, "owner/model")):
        table = told(data, {"mine": origin}, {"removals": REMOVALS})
        assert not table.blocks
        assert any("Table 1, Table 2 and Table 4" in note for note in table.notes)


def test_the_papers_numbers_have_the_expected_form(data, pytestconfig):
    printed = yaml.safe_load((pytestconfig.rootpath / "config/published/small_singular_values.yaml").read_text())
    compared = published.compare(printed, data.bulk, {"mine": printed["outliers"]["repo"]})
    assert set(compared["quantity"]) == {"n_below", "n_above", "percent_below"}
    assert [table["source"] for table in printed["removals"]] == ["Table 1", "Table 2", "Table 4", "Table 5"]
    for table in printed["removals"]:
        assert all(len(values) == len(table["deciles"]) for values in table["values"].values())
        assert table["scope"] in published_removals.STUBS
        assert ("metric" in table) == (table["scope"] != "all")
