import io
from dataclasses import replace

import pandas as pd
import pytest
from exhibited import table_of
from fake_run import BERT, LLAMA, FakeModel, measurements

from weightspectra.report.kit import wording, writers
from weightspectra.report.spectra import noise_summaries


@pytest.fixture
def data():
    trained = FakeModel("trained", LLAMA, n_layers=3, n_above=4, n_below=3)
    control = FakeModel("control", LLAMA, n_layers=3, n_above=0, n_below=0)
    return measurements(trained, control, FakeModel("mixture", n_experts=3), controls={"control": "trained"})


def cell(table, heading, row, column):
    (block,) = (block for block in table.blocks if block.heading == heading)
    return block.cells.loc[row, column]


def test_counts_beyond_each_kind_of_bound_stand_beside_the_controls(data):
    table = table_of("randomness", data)
    assert [block.heading for block in table.blocks] == ["Trained", "Mixture"]
    expected = {
        ("Above the asymptotic edge", "Query"): "12 (0)",
        ("Above the calibrated bound", "Query"): "9 (0)",
        ("Above the profile bound", "Query"): "6 (0)",
        ("Below the asymptotic edge", "Up"): "9 (0)",
        ("Below the calibrated bound", "Up"): "6 (0)",
        ("Below the profile bound", "Up"): "3 (0)",
        ("Below the calibrated bound", "Query"): "0 (0)",
        ("Values", "Key"): "48 (48)",
        # The first of three layers fits the law badly, and its spacings too.
        ("Bulk fits, % of matrices", "Up"): "66.7 (100.0)",
        ("Spacings differ, % of matrices", "Up"): "33.3 (0)",
        ("Brody exponent, mean", "Up"): "0.867 (1.00)",
        ("Non-random left vectors, %", "Up"): f"{wording.percent(4 / 48)} (0)",
        ("Non-random right vectors, %", "Up"): f"{wording.percent(7 / 48)} (0)",
        ("Non-random right vectors, %", "Query"): f"{wording.percent(4 / 48)} (0)",
        ("Localised left vectors, %", "Up"): f"{wording.percent(1 / 48)} (0)",
        ("Localised right vectors, %", "Up"): "0 (0)",
        # Two vectors concentrate in the first head: of four heads and 48 vectors, of a key's two and 16.
        ("Concentrated in a head, % of pairs", "Query"): f"{wording.percent(2 / (4 * 48))} (0)",
        ("Concentrated in a head, % of pairs", "Key"): f"{wording.percent(2 / (2 * 16))} (0)",
        ("Concentrated in a head, % of pairs", "Up"): f"{wording.NOTHING} ({wording.NOTHING})",
    }
    for (row, column), text in expected.items():
        assert cell(table, "Trained", row, column) == text, (row, column)


def test_without_a_control_there_is_a_dash_in_its_place(data):
    table = table_of("randomness", data)
    # Two layers of three experts each with three values planted, of which the bound counts two.
    assert cell(table, "Mixture", "Above the calibrated bound", "Up") == f"12 ({wording.NOTHING})"
    assert cell(table, "Mixture", "Above the calibrated bound", "Query") == f"4 ({wording.NOTHING})"


def test_the_map_has_intervals_means_and_the_controls_means(data):
    table = table_of("information", data)
    top = "Trained: largest tenth of the singular values"
    bottom = "Trained: smallest tenth of the singular values"
    assert list(table.blocks[0].cells.index) == [0, 1, 2, "all", "at random"]
    assert cell(table, top, 1, "Up") == "100.0 [90, 100]"
    assert cell(table, bottom, 1, "Up") == "75.0 [65, 85]"
    assert cell(table, bottom, 1, "Query") == "0 [0, 10]"
    assert cell(table, bottom, "all", "Up") == "75.0"
    assert cell(table, bottom, "at random", "Up") == "0"
    assert cell(table, "Mixture: largest tenth of the singular values", "at random", "Up") == wording.NOTHING
    assert any("means over all experts" in note for note in table.notes)


def test_the_maps_file_has_one_matrix_a_row(data):
    numbers = table_of("information", data).data
    assert len(numbers) == len(data.bulk)
    assert not numbers.duplicated(["model", "layer", "role", "expert"]).any()
    row = numbers.set_index(["model", "layer", "role", "expert"]).loc[("trained", 2, "down", 0)]
    assert row["information_smallest_tenth"] == 0.75
    assert row["n_directions_middle"] == 40
    assert row["n_outliers_largest_tenth"] == 3
    assert set(numbers.loc[numbers["model"] == "control", "control_of"]) == {"trained"}
    assert set(numbers.loc[numbers["model"] == "trained", "control_of"]) == {""}


def test_the_map_of_experts_is_their_mean():
    rows = measurements(FakeModel("a", {"up": (96, 48)}, n_layers=1, n_experts=2)).information
    rows["information"] = rows["expert"].map({0: 0.2, 1: 0.6})
    rows["information_low"], rows["information_high"] = rows["information"] - 0.1, rows["information"] + 0.2
    layer = noise_summaries.information_by_layer(rows).iloc[0]
    assert layer[["information", "information_low", "information_high"]].tolist() == pytest.approx([0.4, 0.3, 0.6])


def test_tails_can_be_read_by_those_who_know_weightwatcher(data):
    table = table_of("tails", data)
    known = "layer_id name M N Q num_evals alpha alpha_weighted D sigma xmin xmax num_pl_spikes norm log_norm"
    known += " spectral_norm log_spectral_norm log_alpha_norm lambda_max stable_rank matrix_rank entropy sv_max"
    known += " num_spikes sigma_mp mp_softrank"
    assert set(known.split()) <= set(table.data.columns)
    assert len(table.data) == len(data.bulk)
    up = table.data[(table.data["model"] == "trained") & (table.data["role"] == "up")].iloc[0]
    assert (up["N"], up["M"], up["num_evals"]) == (128, 48, 48)
    assert up["Q"] == pytest.approx(128 / 48)
    assert up["sv_max"] ** 2 == pytest.approx(up["xmax"])
    trained = table.data[table.data["model"] == "trained"]
    assert trained["layer_id"].tolist() == list(range(21))
    # alpha is 2, 3 and 4 in the three layers; the control has none.
    assert cell(table, "Trained", "alpha", "Up") == f"3.00 ({wording.NOTHING})"
    assert cell(table, "Trained", "matrix_rank", "Key") == "16.0 (16.0)"


def test_a_matrix_without_a_power_law_is_left_out_of_the_mean(data):
    data.tails.loc[(data.tails["model"] == "trained") & (data.tails["layer"] == 0), "alpha"] = float("nan")
    assert cell(table_of("tails", data), "Trained", "alpha", "Up") == f"3.50 ({wording.NOTHING})"
    again = pd.read_csv(io.StringIO(writers.to_csv(table_of("tails", data))))
    assert again["alpha"].isna().sum() == data.tails["alpha"].isna().sum()


@pytest.mark.parametrize("name", ["randomness", "information", "tails"])
def test_one_layer_without_control_heads_or_some_roles(name):
    lonely = measurements(FakeModel("lonely", {"up": (144, 48), "down": (48, 144)}, n_layers=1), overlaps=False)
    table = table_of(name, lonely)
    assert list(table.blocks[0].cells.columns) == ["Up", "Down"]
    assert "nan" not in writers.to_markdown(table)


@pytest.mark.parametrize("name", ["randomness", "information", "tails"])
def test_a_random_model_alone_has_its_tables(name):
    alone = measurements(FakeModel("control", BERT), controls={"control": "elsewhere"})
    assert table_of(name, alone).blocks[0].heading.startswith("Control")


def test_layers_that_lack_a_role_have_a_dash_there():
    found = measurements(FakeModel("hybrid", BERT, n_layers=2))
    missing = (found.information["layer"] == 1) & (found.information["role"] == "query")
    block = table_of("information", replace(found, information=found.information[~missing])).blocks[2]
    assert block.cells.loc[1, "Query"] == wording.NOTHING
    assert block.cells.loc[0, "Query"] != wording.NOTHING


def test_regions_that_are_lost_in_rounding_have_a_dash_and_count_in_no_mean():
    found = measurements(FakeModel("coarse", BERT, n_layers=2))
    lost = (found.information["layer"] == 1) & (found.information["role"] == "query")
    shares = ["information", "information_low", "information_high"]
    left = replace(found, information=found.information.assign(**found.information[shares].mask(lost)))
    whole, block = (table_of("information", data).blocks[2] for data in (found, left))
    assert block.cells.loc[1, "Query"] == wording.NOTHING
    assert block.cells.loc[0, "Query"] == whole.cells.loc[0, "Query"]
    assert block.cells.loc["all", "Query"] == whole.cells.loc[0, "Query"].partition(" ")[0]


@pytest.mark.parametrize("name", ["randomness", "information", "tails", "share_outside", "overlap"])
def test_a_structure_keeping_control_stands_for_itself(name):
    trained, random, flipped = (FakeModel(model, LLAMA) for model in ("trained", "control", "flipped"))
    of_kinds = {"controls": {"control": "trained"}, "structured": {"flipped": "trained"}}
    table = table_of(name, measurements(trained, random, flipped, **of_kinds))
    headings = [block.heading.partition(":")[0].partition(" on ")[0] for block in table.blocks]
    assert {"Trained", "Flipped"} <= set(headings)
    assert ("held against the inputs of its original" in " ".join(table.notes)) == (name == "overlap")
    if name == "randomness":
        assert cell(table, "Flipped", "Values", "Key") == f"32 ({wording.NOTHING})"
