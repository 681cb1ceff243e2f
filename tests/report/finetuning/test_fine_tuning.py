import numpy as np
import pytest
from fake_ablation import finetunings
from fake_run import LLAMA, FakeModel, measurements
from legible import assert_readable, spelled

from weightspectra.conclusions.families import SIGNIFICANT
from weightspectra.report.finetuning import effects, finetuning_figure, finetuning_tables


def data_of(rows):
    return measurements(FakeModel("trained", LLAMA), finetunings=rows)


def of(rows):
    return effects.effects(rows, data_of(rows).findings)


@pytest.fixture(scope="module")
def rows():
    return finetunings(deciles=(1, 5, 10))


def test_each_order_is_a_block_of_deciles_over_epochs(rows):
    table = finetuning_tables.finetuning(data_of(rows))
    before, after = table.blocks
    assert "remove, then fine-tune" in before.heading
    assert "6 runs each, 6 untouched runs, 200 test examples" in before.heading
    assert list(after.cells.index) == ["untouched", "decile 1", "decile 5", "decile 10"]
    assert list(after.cells.columns) == ["Epoch 1", "Epoch 2"]
    chosen = rows.query("order == 'remove_last' and decile == 10 and epoch == 2")["accuracy"].mean()
    free = rows.query("order == 'none' and epoch == 2")["accuracy"]
    assert after.cells.loc["decile 10", "Epoch 2"] == f"{chosen:.3f} (−{free.mean() - chosen:.3f}) *†"
    assert after.cells.loc["decile 5", "Epoch 2"] == f"{free.mean():.3f} (+0.000)"
    assert after.cells.loc["untouched", "Epoch 2"].startswith(f"{free.mean():.3f} ± ")


def test_the_band_is_three_standard_deviations_of_the_untouched_runs(rows):
    found = of(rows)
    figure = finetuning_figure.finetuning_figure(found)
    assert [axes.get_title() for axes in figure.axes] == ["1 epoch", "2 epochs"]
    for epoch, axes in enumerate(figure.axes, start=1):
        free = rows[(rows["order"] == "none") & (rows["epoch"] == epoch)]["accuracy"]
        low, high = axes.patches[0].get_extents().transformed(axes.transData.inverted()).intervaly
        assert (low, high) == pytest.approx((free.mean() - 3 * free.std(ddof=1), free.mean() + 3 * free.std(ddof=1)))
    assert_readable(figure)


def test_the_reference_is_of_the_same_seeds_in_whatever_order_runs_stand():
    rows = finetunings(n_removed=3)
    turned = rows.sort_values("seed", ascending=False, kind="stable")
    found = of(turned).set_index(["order", "epoch", "decile"])["reference"]
    free = rows[(rows["order"] == "none") & (rows["seed"] < 3)].groupby("epoch")["accuracy"].mean()
    for (_, epoch, _), reference in found.items():
        assert reference == pytest.approx(free[epoch])


def test_a_filled_sign_is_a_significant_difference(rows):
    found = of(rows)
    figure = finetuning_figure.finetuning_figure(found)
    filled = [
        len(line.get_xdata())
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() in "os" and line.get_markerfacecolor() != "white" and line.get_linestyle() == "None"
    ]
    filled = sum(
        len(line.get_xdata())
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() not in (None, "None", "") and line.get_markerfacecolor() != "white"
    )
    assert filled == int((found["q_value"] <= SIGNIFICANT).sum())


@pytest.mark.parametrize(
    "choice",
    [
        {"n_epochs": 1, "deciles": (1,)},
        {"n_epochs": 3, "n_removed": 3},
        {"n_epochs": 6},
        {"n_epochs": 12, "deciles": (1, 10), "n_seeds": 2},
        {"n_seeds": 2, "n_removed": 1, "n_epochs": 2},
    ],
)
def test_any_number_of_epochs_deciles_and_seeds_can_be_shown(choice):
    rows = finetunings(**choice)
    figure = finetuning_figure.finetuning_figure(of(rows))
    assert len(figure.axes) == min(choice.get("n_epochs", 2), 8)
    assert_readable(figure)
    table = finetuning_tables.finetuning(data_of(rows))
    assert "nan" not in table.blocks[0].cells.to_string()


def test_one_run_each_is_no_test():
    figure = finetuning_figure.finetuning_figure(of(finetunings(n_seeds=2, n_removed=1, n_epochs=1)))
    assert any("no test possible" in text for text, _ in spelled(figure))


def test_effects_are_means_of_runs_beside_what_was_concluded(rows):
    found = of(rows).set_index(["order", "epoch", "decile"])
    assert found.index.is_monotonic_increasing
    row = found.loc["remove_last", 2, 10]
    here = rows[rows["epoch"] == 2]
    free, removed = here[here["order"] == "none"], here[(here["order"] == "remove_last") & (here["decile"] == 10)]
    assert row["accuracy"] == pytest.approx(removed["accuracy"].mean())
    assert row["reference"] == pytest.approx(free.set_index("seed").loc[removed["seed"], "accuracy"].mean())
    assert row["difference"] == pytest.approx(row["accuracy"] - row["reference"])
    assert (row["n_seeds"], row["n_untouched"], row["n_test"]) == (len(removed), len(free), 200)
    assert row["band_high"] - row["untouched"] == pytest.approx(3 * np.std(free["accuracy"], ddof=1))


def test_shown_epochs_are_the_first_and_last_and_some_between():
    assert finetuning_figure.shown_epochs([1, 2, 3]) == [1, 2, 3]
    chosen = finetuning_figure.shown_epochs(list(range(1, 31)))
    assert len(chosen) == 8
    assert (chosen[0], chosen[-1]) == (1, 30)


def test_no_fine_tuning_is_not_mentioned():
    data = measurements(FakeModel("trained", LLAMA))
    assert finetuning_tables.finetuning(data).blocks == []
