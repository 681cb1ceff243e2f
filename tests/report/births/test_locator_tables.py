import numpy as np
import pytest
from exhibited import table_of
from fake_birth import FakeBirth, frames
from fake_run import FakeModel, measurements

from weightspectra.report.births.locator_tables import locator, scores
from weightspectra.report.kit.table import N_OPEN

SMALL = FakeBirth("small")


def made(*births, **rows):
    return locator(measurements(FakeModel("trained", n_layers=1), births=births, concluded=False, **rows))


def test_first_last_halfway_and_the_first_find_are_shown_and_the_file_has_all():
    table = made(SMALL)
    blind, informed, theirs = table.blocks
    assert blind.heading == "small, blind locator (3 runs)"
    assert theirs.heading == "small, WeightWatcher's rule (3 runs)"
    assert list(blind.cells.index[:4]) == ["W_O², 0", "W_O², 4", "W_O², 196", "W_O², 400"]
    assert list(informed.cells.index[4:8]) == ["W_K², 0", "W_K², 16", "W_K², 196", "W_K², 400"]
    assert len(table.data) == len(SMALL.settings.training.checkpoints) * 3 * 3


def test_precision_and_recall_stand_with_what_is_true_and_false():
    blind, informed, _ = made(SMALL).blocks
    last = blind.cells.loc["W_K², 400"]
    assert last.to_list() == ["5", "6", "6", "5", "5", "1", "0.833", "1"]
    assert informed.cells.loc["W_K², 400"].to_list() == ["5", "5", "6", "5", "5", "0", "1", "1"]


def test_false_alarms_at_initialisation_are_shown_with_their_spread():
    first = made(SMALL).blocks[0].cells.loc["W_O², 0"]
    assert first["Memories"] == "0"
    assert first["False"] == "0.33 ± 0.58"
    assert first["Precision"] == "0 (1 of 3)"
    assert first["Recall"] == "–"


def test_where_memories_fill_the_space_nothing_is_called_true():
    last = made(SMALL).blocks[0].cells.loc["W_K¹, 400"]
    assert last[["True", "False", "Precision", "Recall"]].to_list() == ["–"] * 4
    assert last["Learned"] == "8"


def test_the_first_find_is_that_of_the_median_run():
    rows = frames(SMALL)["locations"].query("matrix == 'key_2' and locator == 'informed'").copy()
    late = {0: 16, 1: 49, 2: 100}
    rows["n_located"] = [int(row["iteration"] >= late[row["seed"]]) for row in rows.to_dict("records")]
    assert set(scores(rows)["located_from"]) == {49.0}
    rows["n_located"] = [
        int(row["iteration"] >= late[row["seed"]] and row["seed"] == 0) for row in rows.to_dict("records")
    ]
    assert scores(rows)["located_from"].isna().all()


def test_averages_are_those_over_seeds():
    rows = frames(SMALL)["locations"]
    chosen = rows.query("matrix == 'output_2' and locator == 'blind' and iteration == 0")
    [found] = scores(rows).query("matrix == 'output_2' and locator == 'blind' and iteration == 0").to_dict("records")
    assert found["n_located"] == pytest.approx(chosen["n_located"].mean())
    assert found["n_located_sd"] == pytest.approx(chosen["n_located"].std())
    assert (found["precision"], found["precision_n"], found["n_runs"]) == (0.0, 1, 3)
    assert np.isnan(found["recall"])


def test_many_births_begin_with_one_block_over_all_and_end_folded():
    births = [FakeBirth(f"b{n}", seeds=(0, 1)) for n in range(4)]
    table = made(*births)
    assert table.blocks[0].heading.startswith("All births")
    assert table.blocks[0].cells.loc["W_K², blind locator", "Precision"] == "0.833"
    assert [block.folded for block in table.blocks] == [False] * N_OPEN + [True] * (13 - N_OPEN)


def test_births_that_were_not_searched_have_no_block():
    assert table_of("locator", measurements(FakeModel("trained", n_layers=1))).blocks == []
