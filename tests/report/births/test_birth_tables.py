import numpy as np
import pandas as pd
import pytest
from exhibited import table_of
from fake_birth import FINAL, LOST, FakeBirth, frames, settings
from fake_run import FakeModel, measurements

from weightspectra.report.births import tables
from weightspectra.report.kit import writers

SMALL = FakeBirth("small", title="Small one")
SILENT = FakeBirth("silent", formed=None, model={"feed_forward": "linear"})
FULL = FakeBirth("full", model={"kind": "full"}, seeds=(7,))


@pytest.fixture(scope="module")
def data():
    return measurements(FakeModel("trained", n_layers=1), births=[SMALL, SILENT, FULL], concluded=False)


def test_a_birth_is_a_row_with_means_over_its_runs(data):
    table = table_of("births", data)
    cells, recalls = (block.cells for block in table.blocks)
    assert list(cells.index) == ["Small one", "silent", "full"]
    assert cells.loc["Small one", "Setting"] == "as above"
    assert cells.loc["Small one", "Accuracy in context"] == "0.950 ± 0.010"
    assert cells.loc["silent", "Formed at"] == "never"
    assert list(recalls.index) == ["Small one", "silent"]
    assert cells.loc["full", "Runs"] == "1"
    assert recalls.loc["silent", "W_O² through W_F"] == "0.727"
    assert recalls.loc["Small one", "W_O² through W_F"] == "–"
    row = table.data.set_index("birth").loc["small"]
    expected = [FINAL - 0.01 * seed for seed in range(3)]
    assert row["accuracy"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert row["accuracy_sd"] == pytest.approx(np.std(expected, ddof=1), abs=1e-3)
    assert row["accuracy_n"] == row["n_seeds"] == 3
    assert row["recall_key_2"] == 1


def test_a_run_without_probes_is_counted_and_not_hidden(data):
    probes = data.probes[(data.probes["birth"] == "small") & (data.probes["seed"] != 2)]
    block = tables.births(
        measurements(FakeModel("trained", n_layers=1), births=[SMALL], concluded=False, probes=probes)
    ).blocks[0]
    assert block.cells.loc["Small one", "Accuracy in context"].endswith(" (2 of 3)")


def test_births_that_are_called_alike_keep_a_row_each():
    twins = [FakeBirth(name, title="Twin", seeds=(0,)) for name in ("one", "two")]
    skills, recalls = tables.births(
        measurements(FakeModel("trained", n_layers=1), births=twins, concluded=False)
    ).blocks
    assert list(skills.cells.index) == list(recalls.cells.index) == ["Twin", "Twin"]


def test_columns_that_apply_to_no_birth_are_left_out():
    _, recalls = tables.births(measurements(FakeModel("trained", n_layers=1), births=[SMALL], concluded=False)).blocks
    assert list(recalls.cells.columns) == ["W_O²", "W_K²", "W_K¹", "W_K¹, first 64 positions"]
    assert (
        len(tables.births(measurements(FakeModel("trained", n_layers=1), births=[FULL], concluded=False)).blocks) == 1
    )


def test_knock_outs_stand_matrix_by_matrix_beside_the_untouched_model(data):
    table = table_of("knockouts", data)
    small = table.blocks[0]
    assert small.heading == "Small one (3 runs)"
    assert list(small.cells.index) == ["W_O²", "W_K²", "W_K¹", "all together"]
    assert small.cells.loc["W_K²", "Located"] == "5"
    assert small.cells.loc["W_K²", "Untouched"] == "0.950 ± 0.010"
    assert small.cells.loc["W_K²", "Located removed"] == f"{0.95 - LOST['key_2']:.3f} (−0.6000 ± 0.0040)"
    # Removing everything costs each run its own accuracy: here the runs' spread is larger than the error.
    assert small.cells.loc["all together", "Located removed"] == "0.003 (−0.9467 ± 0.0058)"


def test_where_nothing_was_located_there_is_nothing_to_remove(data):
    rows = frames(SMALL)["knockouts"]
    none = rows[~((rows["matrix"] == "key_1") & (rows["cut"].isin(["remove_smallest", "keep_largest"])))]
    table = tables.knockouts(
        measurements(FakeModel("trained", n_layers=1), births=[SMALL], concluded=False, knockouts=none)
    )
    assert table.blocks[0].cells.loc["W_K¹", "As many smallest removed"] == "–"


def test_simulations_stand_beside_theory(data):
    table = table_of("memories", data)
    sums, spectra, one, three = (block.cells for block in table.blocks)
    assert list(spectra.columns) == ["Largest", "Smallest"]
    assert one.loc["d = 16, N = 65, text", "Recall"] == "0.1100 ± 0.0098 (–)"
    assert three.loc["d = 64, N = 16, orthonormal", "Recall of W_O²"] == "1 (1.000)"
    assert three.loc["d = 64, N = 16, orthonormal", "Recall of W_K¹"] == "–"
    assert "Accuracy of memories" in three
    [spread] = table.data.query("quantity == 'off_diagonal_std' and dimension == 16 and n_tokens == 11").to_dict(
        "records"
    )
    assert spread["found"] == pytest.approx(spread["expected"])
    assert spread["n_draws"] == 5
    assert sums.loc["d = 16, N = 65", "Recall"].endswith("(–)")
    assert sums.loc["d = 16, N = 11", "Off diagonal std"] == "0.4098 ± 0.0080 (0.4098)"


@pytest.mark.parametrize("name", ["births", "knockouts", "memories", "locator"])
def test_every_table_can_be_written_and_hides_no_missing_number(data, name):
    table = table_of(name, data)
    assert len(pd.read_csv(pd.io.common.StringIO(writers.to_csv(table)))) == len(table.data)
    for text in (writers.to_markdown(table), writers.to_latex(table)):
        assert "nan" not in text.lower()
    assert "W\\_O²" in writers.to_latex(table_of("births", data))


def test_births_whose_locator_is_off_have_no_knock_outs():
    data = measurements(FakeModel("trained", n_layers=1))
    assert tables.births(data).blocks == []
    assert tables.knockouts(data).blocks == []
    assert tables.memories(data).blocks == []
    assert settings() == {}
