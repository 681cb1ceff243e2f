import pytest
import yaml
from fake_run import FakeModel, measurements

from weightspectra.report import published, tables

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


def test_cells_say_found_and_published(data):
    compared = published.compare(PRINTED, data.bulk, {"mine": "owner/model"})
    table = tables.beside_published(compared, data.titles)
    cells = {block.heading.split(": ")[1]: block.cells for block in table.blocks}
    assert cells["values above the bulk"].loc[0, "Up"] == "3 (9)"
    assert cells["per cent below the bulk, mean over layers"].loc["all", "Up"] == "4.2 (3.8)"


def test_another_model_has_nothing_to_compare(data):
    table = tables.beside_published(published.compare(PRINTED, data.bulk, {"other": "owner/another"}), data.titles)
    assert table.data.empty
    assert not table.blocks


def test_the_papers_numbers_have_the_expected_form(data, pytestconfig):
    printed = yaml.safe_load((pytestconfig.rootpath / "config/published/small_singular_values.yaml").read_text())
    compared = published.compare(printed, data.bulk, {"mine": printed["outliers"]["repo"]})
    assert set(compared["quantity"]) == {"n_below", "n_above", "percent_below"}
