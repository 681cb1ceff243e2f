import numpy as np
import pandas as pd
import pytest
from fake_ablation import compression_experiment, scored
from fake_run import LLAMA, FakeModel, decile_experiment, measurements
from legible import assert_readable, spelled

from weightspectra.report.cuts import compressions


def data_of(rows):
    return measurements(FakeModel("trained", LLAMA), evaluations=rows)


def test_kept_shares_are_of_all_matrices_compressed():
    rows = compression_experiment()
    small = compressions.compressions(rows, data_of(rows).matrices).set_index("cut")
    assert small.loc["svd to 0.8 of all matrices", "kept_share"] == pytest.approx(0.8)
    whole = 2 * sum(n_out * n_in for n_out, n_in in LLAMA.values())
    n_out, n_in = LLAMA["down"]
    gone = n_out * n_in - 5 * (n_out + n_in)
    assert small.loc["only indices 0-4 of layer 1 down", "kept_share"] == pytest.approx(1 - gone / whole)
    assert small.loc["only indices 0-4 of layer 1 down", "method"] == ""


def test_methods_stand_over_sizes_with_their_value():
    rows = compression_experiment()
    table = compressions.compression(data_of(rows))
    block, single = table.blocks
    assert list(block.cells.index) == ["plain SVD", "whitened SVD"]
    assert list(block.cells.columns) == ["size 0.9", "size 0.8", "size 0.6"]
    value = rows.set_index("cut").loc["whitened to 0.6 of all matrices", "value"]
    assert block.cells.loc["whitened SVD", "size 0.6"] == f"{value:.2f} (60.0) *"
    assert list(single.cells.index) == ["only indices 0-4 of layer 1 down"]
    assert len(table.data) == 7


def test_groups_of_matrices_have_a_block_each():
    rows = [compression_experiment()]
    for role in ("up", "down"):
        extra = {"removed": "svd to 0.5", "roles": [role], "kept_parameters": 100.0}
        rows.append(pd.DataFrame([scored(f"svd to 0.5 of {role}", 0.3, **extra)]))
    data = data_of(pd.concat(rows, ignore_index=True))
    headings = [block.heading.rpartition("; ")[2] for block in compressions.compression(data).blocks]
    assert headings == ["all matrices", "up", "down", "one matrix only"]


def test_experiments_without_compression_are_left_out():
    data = data_of(decile_experiment(["up"]))
    assert compressions.of_measurements(data) == []
    table = compressions.compression(data)
    assert not table.blocks
    assert {"method", "kept_share"} <= set(table.data.columns)


def test_lines_go_through_what_was_measured():
    rows = compression_experiment()
    small = compressions.compressions(rows, data_of(rows).matrices)
    figure = compressions.compression_figure(rows, small)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    (drawn,) = (c for c in figure.axes[0].containers if c.get_label() == "whitened SVD")
    chosen = small[small["method"] == "whitened"].sort_values("kept_share")
    np.testing.assert_allclose(np.asarray(drawn.lines[0].get_ydata(), dtype=float), chosen["value"])
    np.testing.assert_allclose(np.asarray(drawn.lines[0].get_xdata(), dtype=float), 100 * chosen["kept_share"])
    reach = (chosen["difference_low"] - chosen["difference"], chosen["difference_high"] - chosen["difference"])
    ends = np.array(drawn.lines[2][0].get_segments())[:, :, 1]
    np.testing.assert_allclose(ends, np.stack([chosen["value"] + side for side in reach], axis=1))
    assert lines["untouched"].get_ydata()[0] == pytest.approx(rows["value"].iloc[0])
    assert_readable(figure)


@pytest.mark.parametrize("sizes", [(0.8,), (0.9, 0.5, 0.1)])
def test_one_size_an_overflow_and_one_document_can_be_drawn(sizes):
    rows = compression_experiment(sizes=sizes)
    last = rows["removed"] == f"svd to {sizes[-1]:g}"
    rows.loc[last, ["value", "difference", "difference_low", "difference_high", "q_value"]] = [
        np.inf,
        np.inf,
        *[np.nan] * 3,
    ]
    rows["difference_low"] = np.nan
    figure = compressions.compression_figure(rows, compressions.compressions(rows, data_of(rows).matrices))
    assert any("not drawn: 1 that overflow" in text for text, _ in spelled(figure))
    assert_readable(figure)
    assert "overflow" in compressions.compression(data_of(rows)).blocks[0].cells.to_string()


@pytest.mark.parametrize(("low", "high"), [(18.0, 90.0), (0.5, 1.9), (10.0, 3e9)])
def test_ticks_of_a_logarithmic_axis_are_few_and_round(low, high):
    ticks = compressions.round_values(low, high)
    assert 2 <= len(ticks) <= 9
    assert all(low <= tick <= high and f"{tick:.0e}"[0] in "125" for tick in ticks)
