"""Where in a window the damage lies, on losses that are known at each position: table, conclusion and sentence."""

import fake_ablation
import numpy as np
import pandas as pd
import pytest
from exhibited import drawing_of, table_of
from fake_run import FakeModel, measurements, told
from legible import assert_readable, spelled

from weightspectra.report.cuts.position_figure import position_figure
from weightspectra.report.cuts.position_table import MOST_SHOWN
from weightspectra.report.findings.cuts import costs
from weightspectra.report.kit import wording

BINS = {"window": 8, "stride": 4, "bos": True, "positions": [1, 2, 4], "position_tokens": [80, 160, 560]}
NO_ERRORS = {"position_errors": [np.nan] * 2, "position_change_errors": [np.nan] * 2}


@pytest.fixture(scope="module")
def data():
    """A cut whose damage lies at the first position of a window of 16, and one that costs the same everywhere."""
    bins = {**BINS, "window": 16, "positions": [1, 2, 4, 8], "position_tokens": [40, 80, 160, 520]}
    bins |= {"position_errors": [0.4, 0.2, 0.1, 0.05], "position_change_errors": [0.12, 0.06, 0.03, 0.0]}
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
    whole, *parts = block.cells.loc["untouched"]
    assert parts == ["4.00 ± 0.40", "3.50 ± 0.20", "3.00 ± 0.10", "3.000 ± 0.050"]
    evaluated = data.evaluations.set_index("cut")
    losses = np.divide(evaluated.loc["none", "unit_values"], evaluated.loc["none", "unit_weights"])
    assert whole == wording.measurement(3.1, losses.std(ddof=1) / len(losses) ** 0.5)  # documents of one length
    whole, *parts = block.cells.loc["first"]
    assert parts == ["+6.00 ± 0.12", "+0.000 ± 0.060", "+0.000 ± 0.030", "+0.000"]
    added = np.divide(evaluated.loc["first", "unit_values"], evaluated.loc["first", "unit_weights"]) - losses
    assert whole == wording.measurement(0.3, added.std(ddof=1) / len(added) ** 0.5, signed=True)
    assert [cell.split(" ")[0] for cell in block.cells.loc["everywhere"]] == [
        "+0.10000",
        *["+0.10", "+0.100"],
        *["+0.100"] * 2,
    ]
    changes = table.data.set_index(["cut", "position_from"])["change"]
    assert changes["none"].eq(0).all() and changes["first", 1] == 6
    assert list(table.data["n_tokens"][:4]) == [40, 80, 160, 520]
    assert list(table.data["change_se"][:4]) == [0.12, 0.06, 0.03, 0.0]


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
    bins = {**BINS, **NO_ERRORS, "positions": [1, 8], "position_tokens": [40, 760]}
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
    drawn = drawing_of(
        {"kind": "positions", "model": "trained", "experiment": "deciles"},
        measurements(FakeModel("trained"), evaluations=rows),
    )
    assert [text for text, _ in spelled(drawn.figure)] == ["No loss is known by position."]


def test_the_figure_shows_each_cut_where_it_was_measured_with_its_interval(data):
    drawn = drawing_of({"kind": "positions", "model": "trained", "experiment": "deciles"}, data)
    assert drawn.title == "Trained, deciles: where in a window the damage lies"
    left, right = drawn.figure.axes
    assert left.lines[0].get_ydata().tolist() == [4.0, 3.5, 3.0, 3.0]
    by_label = {container.get_label(): container for container in right.containers}
    line, _, (bars,) = by_label["first"]
    assert line.get_ydata() == pytest.approx([6.0, 0, 0, 0])
    reach = [ends[:, 1] for ends in bars.get_segments()]
    assert reach[0] == pytest.approx([6 - 1.96 * 0.12, 6 + 1.96 * 0.12])
    assert_readable(drawn.figure)


@pytest.mark.parametrize("n_octaves", [1, 2, 11])
@pytest.mark.parametrize("n_cuts", [0, 1, MOST_SHOWN + 3])
def test_the_figure_can_be_read(n_octaves, n_cuts):
    """With windows of any length, many cuts of long names, none, and one whose loss overflows."""
    bins = {"window": 2**n_octaves, "stride": 2**n_octaves, "bos": True, "positions": [2**k for k in range(n_octaves)]}
    bins |= {"position_tokens": [10] * n_octaves, "position_errors": [0.3] * n_octaves}
    bins |= {"position_change_errors": [0.01] * n_octaves}
    rows = [fake_ablation.untouched(**bins, position_losses=[4.0] * n_octaves)]
    for number in range(n_cuts):
        name = f"decile {number} of attention output and of much else in layers 0 to 31"
        losses = [np.inf if number == 2 else 4 + 10.0 ** (number - 6)] * n_octaves
        rows.append(fake_ablation.scored(name, 0.1, removed=f"decile {number}", **bins, position_losses=losses))
    figure = position_figure(pd.DataFrame(rows).assign(told=False))
    assert_readable(figure)
    assert len(figure.axes[1].containers) == min(n_cuts, MOST_SHOWN)
