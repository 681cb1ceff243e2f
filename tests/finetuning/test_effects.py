"""The effect of a removal: its definition, its test's level and coverage, and its correction."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from weightspectra.finetuning.effects import finetuning_effects, paired_difference


def crossed(rng, n_seeds, n_units, per_unit, *, seed_sd, unit_sd, mean=0.0):
    """Draw changes of which seeds, units and single answers are all random."""
    unit = np.repeat(np.arange(n_units), per_unit)
    seeds, units = seed_sd * rng.standard_normal((n_seeds, 1)), unit_sd * rng.standard_normal(n_units)
    return mean + seeds + units[unit] + 0.4 * rng.standard_normal((n_seeds, len(unit))), unit.astype(str)


@pytest.mark.parametrize(
    ("n_seeds", "n_units", "per_unit", "seed_sd", "unit_sd"),
    [
        (3, 200, 1, 0.02, 0.3),
        (6, 200, 1, 0.0, 0.3),
        (3, 40, 5, 0.02, 0.3),
        (6, 40, 5, 0.1, 0.0),
        (3, 100, 1, 0.05, 0.1),
    ],
)
def test_false_alarms_and_coverage_are_as_promised(n_seeds, n_units, per_unit, seed_sd, unit_sd):
    rng = np.random.default_rng(n_seeds + n_units)
    found = [
        paired_difference(*crossed(rng, n_seeds, n_units, per_unit, seed_sd=seed_sd, unit_sd=unit_sd, mean=0.1))
        for _ in range(1500)
    ]
    covered = np.mean([low <= 0.1 <= high for _, _, low, high, _ in found])
    null = [
        paired_difference(*crossed(rng, n_seeds, n_units, per_unit, seed_sd=seed_sd, unit_sd=unit_sd)).p_value
        for _ in range(1500)
    ]
    assert 0.93 <= covered <= 0.985
    assert 0.015 <= np.mean(np.array(null) < 0.05) <= 0.07


def test_the_standard_error_is_that_of_the_mean():
    rng = np.random.default_rng(0)
    draws = [paired_difference(*crossed(rng, 6, 50, 3, seed_sd=0.05, unit_sd=0.2)) for _ in range(1500)]
    spread = np.std([draw.difference for draw in draws])
    assert np.sqrt(np.mean([draw.standard_error**2 for draw in draws])) == pytest.approx(spread, rel=0.05)


def test_it_is_the_analysis_of_readers_and_cases_where_every_unit_is_one_example():
    change, units = crossed(np.random.default_rng(1), 4, 30, 1, seed_sd=0.1, unit_sd=0.3)
    n_seeds, n = change.shape
    rest = change - change.mean(0) - change.mean(1, keepdims=True) + change.mean()
    of_seeds, of_cases = n * change.mean(1).var(ddof=1), n_seeds * change.mean(0).var(ddof=1)
    of_rest = np.square(rest).sum() / ((n_seeds - 1) * (n - 1))
    denominator = of_seeds + max(of_cases - of_rest, 0)
    freedom = denominator**2 / (of_seeds**2 / (n_seeds - 1))
    statistic = change.mean() / np.sqrt(denominator / (n_seeds * n))
    found = paired_difference(change, units)
    assert found.standard_error == pytest.approx(np.sqrt(denominator / (n_seeds * n)), rel=1e-12)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(statistic), freedom), rel=1e-9)


def test_examples_that_repeat_each_other_count_once():
    change, units = crossed(np.random.default_rng(2), 5, 30, 1, seed_sd=0.02, unit_sd=0.3)
    once = paired_difference(change, units)
    np.testing.assert_allclose(paired_difference(np.repeat(change, 4, axis=1), np.repeat(units, 4)), once, rtol=1e-9)


def test_what_cannot_be_known_is_no_number():
    change = np.random.default_rng(0).standard_normal((3, 10))
    for alone, units in ((change[:1], list("abcdefghij")), (change, ["a"] * 10)):
        found = paired_difference(alone, units)
        assert found.difference == alone.mean() and np.isnan(found[1:]).all()
    assert paired_difference(np.zeros((3, 10)), list("abcdefghij")) == (0, 0, 0, 0, 1)


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


def test_each_removal_is_compared_with_the_same_seeds_at_the_same_epoch():
    table = rows({("remove_first", 1): -0.05, ("remove_first", 10): -0.35, ("remove_last", 1): -0.1})
    found = finetuning_effects(table).set_index(["order", "epoch", "decile"])
    assert len(found) == 6 and found.index.is_monotonic_increasing
    row = found.loc["remove_first", 2, 1]
    here = table[table["epoch"] == 2]
    untouched = here[here["order"] == "none"].set_index("seed")["accuracy"]
    removed = here[(here["order"] == "remove_first") & (here["decile"] == 1)].set_index("seed")["accuracy"]
    assert (row["n_seeds"], row["n_untouched"], row["n_test"]) == (3, 6, 200)
    assert row["reference"] == pytest.approx(untouched[:3].mean())
    assert row["difference"] == pytest.approx((removed - untouched[:3]).mean())
    assert row["untouched"] == pytest.approx(untouched.mean())
    assert row["untouched_sd"] == pytest.approx(np.std(untouched, ddof=1))
    assert row["band_low"] == pytest.approx(untouched.mean() - 3 * np.std(untouched, ddof=1))
    assert row["removed_energy"] == pytest.approx(0.01)
    assert found.loc["remove_last", 2, 1]["n_seeds"] == 6


def test_p_values_are_corrected_over_the_deciles_of_one_order_and_epoch():
    table = rows({("remove_first", decile): -0.03 * decile for decile in range(1, 6)} | {("remove_last", 1): 0.0})
    found = finetuning_effects(table)
    for _, family in found.groupby(["order", "epoch"]):
        ordered = family.sort_values("p_value")
        steps = ordered["p_value"].to_numpy() * len(ordered) / np.arange(1, len(ordered) + 1)
        expected = np.minimum.accumulate(steps[::-1])[::-1].clip(max=1)
        np.testing.assert_allclose(ordered["q_value"], expected, rtol=1e-12)
    assert (found.loc[found["order"] == "remove_last", "p_value"] == 1).all()


def test_one_seed_gives_differences_without_p_values():
    found = finetuning_effects(rows({("remove_first", 1): -0.1, ("remove_first", 2): -0.2}, n_removed=1))
    assert found["difference"].notna().all() and found["p_value"].isna().all() and found["q_value"].isna().all()


def test_without_removals_there_are_no_effects():
    assert finetuning_effects(rows({})).empty
