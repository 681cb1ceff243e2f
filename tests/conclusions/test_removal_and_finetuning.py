"""The effect of a removal: with which runs it is compared, its test and its correction."""

import numpy as np
import pandas as pd
import pytest

from weightspectra.conclusions import finetuning
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS
from weightspectra.statistics.crossed import paired_difference


def rows(effects, n_seeds=6, n_removed=3, n_test=200, epochs=(1, 2)):
    """Fine-tunings whose accuracies differ from those untouched by what ``effects`` says, by (order, decile)."""
    rng, found = np.random.default_rng(5), []
    for epoch in epochs:
        for seed in range(n_seeds):
            hard = rng.random(n_test)
            wanted = {("none", 0): 0.0}
            wanted |= {key: size for key, size in effects.items() if key[0] == "remove_last" or seed < n_removed}
            for (order, decile), size in wanted.items():
                right = (hard < 0.85 + size).astype(np.int8)
                base = {"model": "m", "finetuning": "f", "order": order, "decile": decile, "seed": seed, "epoch": epoch}
                scores = {"removed_energy": decile / 100, "train_loss": 0.1, "loss": 0.5, "auc": 0.9 + size}
                sizes = {"n_train": 100, "n_test": n_test, "units": [f"text {i}" for i in range(n_test)]}
                found.append({**base, **scores, **sizes, "accuracy": right.mean(), "right": right})
    return pd.DataFrame(found)


def changes(table):
    found = finetuning.conclude(table)
    return found[found["claim"] == "accuracy_change"].set_index(["detail", "setting", "decile"])


def test_each_removal_is_compared_with_the_same_seeds_at_the_same_epoch():
    table = rows({("remove_first", 1): -0.05, ("remove_first", 10): -0.35, ("remove_last", 1): -0.1})
    found = changes(table)
    assert len(found) == 6
    assert found.index.is_monotonic_increasing
    row = found.loc["remove_first", 2, 1]
    here = table[table["epoch"] == 2].set_index("seed")
    free, removed = (here[here["order"] == order] for order in ("none", "remove_first"))
    change = np.stack(removed[removed["decile"] == 1]["right"]).astype(float) - np.stack(free["right"].iloc[:3])
    expected = paired_difference(change, free["units"].iloc[0])
    assert tuple(row[["number", "standard_error", "low", "high", "p_value"]]) == pytest.approx(tuple(expected))
    assert row["n"] == 3
    assert row["verdict"] == HOLDS
    untouched = finetuning.conclude(table).query("claim == 'untouched_accuracy' and setting == 2").iloc[0]
    assert untouched["number"] == pytest.approx(free["accuracy"].mean())
    assert untouched["sd"] == pytest.approx(np.std(free["accuracy"], ddof=1))


def test_runs_are_paired_by_seed_in_whatever_order_they_stand():
    table = rows({("remove_first", 1): -0.05, ("remove_last", 10): -0.35})
    names = ["number", "standard_error", "low", "high", "p_value"]
    turned = changes(table.sort_values("seed", ascending=False, kind="stable"))
    pd.testing.assert_frame_equal(turned[names].sort_index(), changes(table)[names].sort_index())


def test_p_values_are_corrected_over_the_deciles_of_one_order_and_epoch():
    found = changes(
        rows({("remove_first", decile): -0.03 * decile for decile in range(1, 6)} | {("remove_last", 1): 0.0})
    )
    for _, family in found.groupby(level=["detail", "setting"]):
        ordered = family.sort_values("p_value")
        steps = ordered["p_value"].to_numpy() * len(ordered) / np.arange(1, len(ordered) + 1)
        expected = np.minimum.accumulate(steps[::-1])[::-1].clip(max=1)
        np.testing.assert_allclose(ordered["p_corrected"], expected, rtol=1e-12)
    assert (found.loc["remove_last", "verdict"] == DOES_NOT).all()


def test_one_seed_cannot_tell():
    found = changes(rows({("remove_first", 1): -0.1, ("remove_first", 2): -0.2}, n_removed=1))
    assert found["number"].notna().all()
    assert found["p_corrected"].isna().all()
    assert set(found["verdict"]) == {CANNOT_BE_TOLD}
    assert found["why"].str.contains("no test is possible").all()


def test_without_removals_there_are_no_changes():
    assert changes(rows({})).empty
