import numpy as np
import pytest
from fake_ablation import comparison
from fake_run import BERT, LLAMA, FakeModel, measurements
from legible import assert_readable, spelled

from weightspectra.report.finetuning import differences
from weightspectra.report.finetuning.difference_figure import difference_figure


def data_of(rows):
    return measurements(FakeModel("trained", LLAMA), FakeModel("control", LLAMA), comparisons=rows)


def test_shares_are_multiples_of_chance_with_counts_of_matrices_outside_the_band():
    rows = comparison()
    rows["left_expected"] = [np.full(10, 0.2)] * len(rows)
    sizes, energy, leading = differences.difference(data_of(rows)).blocks
    assert sizes.heading == "tuned: Trained → Control"
    assert sizes.cells.loc["Up", "Change, %"] == "2.0"
    assert sizes.cells.loc["Up", "Cosine"] == "−0.25"
    assert energy.cells.loc["Up"].tolist() == ["0.30× (0 | 3)", "2.30× (3 | 0)", "1.00× (0 | 0)", "1.00× (0 | 0)"]
    assert leading.heading.endswith("its ten leading directions, each counted equally")
    assert list(energy.cells.index) == list(leading.cells.index)


def test_the_file_has_a_column_for_each_decile():
    rows = comparison(n_layers=1)
    table = differences.difference(data_of(rows))
    assert table.data["left_shares_10"].tolist() == [0.46] * 7
    assert table.data["right_leading_high_1"].tolist() == pytest.approx([0.13] * 7)
    assert not any(isinstance(value, np.ndarray) for value in table.data.iloc[0])


def test_matrices_that_did_not_change_are_left_out():
    rows = comparison(n_layers=2)
    still = rows["layer"] == 0
    for name in ("left_shares", "right_shares", "left_leading", "right_leading"):
        rows[name] = [
            np.full(10, np.nan) if is_still else share for is_still, share in zip(still, rows[name], strict=True)
        ]
    rows.loc[still, ["relative_change", "bound_upper", "n_above"]] = 0
    rows.loc[still, ["stable_rank", "alignment"]] = np.nan
    table = differences.difference(data_of(rows))
    assert table.blocks[1].cells.loc["Up", "Output side, decile 10"] == "4.60× (1 | 0)"
    assert_readable(difference_figure(rows))
    nothing = rows[still]
    assert differences.difference(data_of(nothing)).blocks[1].cells.loc["Up"].tolist() == ["–"] * 4
    assert "nan" not in differences.difference(data_of(nothing)).blocks[0].cells.to_string()
    assert spelled(difference_figure(nothing))[0][0] == "No matrix changed."


@pytest.mark.parametrize("shapes", [BERT, LLAMA, {"query": (48, 48)}])
@pytest.mark.parametrize("n_layers", [1, 5])
def test_each_role_has_its_shares_on_both_sides_and_its_spectrum(shapes, n_layers):
    rows = comparison(shapes, n_layers=n_layers)
    figure = difference_figure(rows)
    assert len(figure.axes) == 3 * len(shapes)
    left, right, spectrum = figure.axes[:3]
    drawn = [line.get_ydata() for line in left.lines]
    assert len(drawn) == n_layers + 2
    np.testing.assert_allclose(drawn[0], [0.6] * 9 + [4.6])
    np.testing.assert_allclose(right.lines[0].get_ydata(), np.ones(10))
    assert max(spectrum.lines[0].get_ydata()) == 4
    twice = difference_figure(rows.assign(bound_upper=2 * rows["bound_upper"])).axes[2]
    assert max(twice.lines[0].get_ydata()) == 2
    assert_readable(figure)


def test_models_that_are_not_in_the_report_are_called_by_their_names():
    rows = comparison(n_layers=1).assign(tuned="elsewhere")
    assert differences.pair(data_of(rows), rows) == "tuned: Trained → elsewhere"
