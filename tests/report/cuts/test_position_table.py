"""Where in a window the damage lies, on losses that are known at each position: table, conclusion and sentence."""

import fake_ablation
import numpy as np
import pandas as pd
import pytest
from exhibited import table_of
from fake_run import FakeModel, measurements, told

from weightspectra.report.findings.cuts import costs

BINS = {"window": 8, "stride": 4, "bos": True, "positions": [1, 2, 4], "position_tokens": [80, 160, 560]}


@pytest.fixture(scope="module")
def data():
    """A cut whose damage lies at the first position of a window of 16, and one that costs the same everywhere."""
    bins = {**BINS, "window": 16, "positions": [1, 2, 4, 8], "position_tokens": [40, 80, 160, 520]}
    rows = [
        fake_ablation.untouched(**bins, position_losses=[4.0, 3.5, 3.0, 3.0]),
        fake_ablation.scored("first", 0.3, removed="decile 1", **bins, position_losses=[10.0, 3.5, 3.0, 3.0]),
        fake_ablation.scored("everywhere", 0.1, removed="decile 2", **bins, position_losses=[4.1, 3.6, 3.1, 3.1]),
    ]
    return measurements(FakeModel("trained"), evaluations=pd.DataFrame(rows))


def test_changes_stand_where_they_were_measured(data):
    [block] = (table := table_of("positions", data)).blocks
    assert block.heading.endswith("in windows of 16 tokens (stride 4, with BOS)")
    assert list(block.cells.columns) == ["All", "1", "2-3", "4-7", "8-16"]
    assert block.cells.loc["untouched"].tolist() == ["3.100", "4.000", "3.500", "3.000", "3.000"]
    assert block.cells.loc["first"].tolist() == ["+0.300", "+6.000", "+0.000", "+0.000", "+0.000"]
    assert block.cells.loc["everywhere"].tolist() == ["+0.100"] * 5
    changes = table.data.set_index(["cut", "position_from"])["change"]
    assert changes["none"].eq(0).all() and changes["first", 1] == 6
    assert list(table.data["n_tokens"][:4]) == [40, 80, 160, 520]


def test_the_part_at_the_first_positions_stands_beside_their_part_of_the_tokens(data):
    rows = data.findings[data.findings["claim"] == "damage_at_first_positions"].set_index("cut")
    assert rows.loc["first", "number"] == pytest.approx(1)
    assert rows.loc["everywhere", "number"] == pytest.approx(rows.loc["everywhere", "reference"])
    assert rows["reference"].to_numpy() == pytest.approx(np.full(2, 280 / 800))


def test_the_finding_names_the_windows_and_says_what_hangs_on_them(data):
    first = costs.removal_cost(told(data)).sentences[0]
    assert "800 tokens in 8 documents in windows of 16 tokens (stride 4, with BOS)" in first
    assert (
        "100 % of its damage lies at the first 8 positions of windows, which have 35.0 % of the tokens: with windows "
        "of another length it costs something else per token: evaluate it in a second experiment with another "
        "`window`." in first
    )


def test_what_was_evaluated_in_two_windows_needs_no_advice():
    bins = {**BINS, "positions": [1, 8], "position_tokens": [40, 760]}
    rows = [
        row
        for name, window in (("short", 16), ("long", 32))
        for row in (
            fake_ablation.untouched(**bins | {"experiment": name, "window": window}, position_losses=[4.0, 3.0]),
            fake_ablation.scored(
                "first",
                0.3,
                removed="decile 1",
                **bins | {"experiment": name, "window": window},
                position_losses=[10, 3.0],
            ),
        )
    ]
    evaluations, model = pd.DataFrame(rows), FakeModel("trained")
    alone = costs.removal_cost(told(measurements(model, evaluations=evaluations)))
    both = measurements(model, evaluations=evaluations, window_pairs=[("trained", "short", "long", "prose")])
    compared = costs.removal_cost(told(both))
    for advised, plain in zip(alone.sentences, compared.sentences, strict=True):
        assert advised.endswith("something else per token: evaluate it in a second experiment with another `window`.")
        assert plain.endswith("with windows of another length it costs something else per token.")


def test_without_positions_there_is_nothing_to_show():
    rows = pd.DataFrame([fake_ablation.untouched(), fake_ablation.scored("one", 0.1, removed="decile 1")])
    table = table_of("positions", measurements(FakeModel("trained"), evaluations=rows))
    assert table.blocks == [] and table.data.empty
