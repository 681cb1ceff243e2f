import numpy as np
import pandas as pd
import pytest
from fake_run import decile_experiment, evaluation
from scipy import stats

from weightspectra.report.cuts import costs


def test_paired_excess_is_a_paired_t_test_where_documents_are_equally_long():
    rng = np.random.default_rng(2)
    first, second = rng.normal(300, 30, (2, 9))
    mean, error = costs.paired_excess(first, second, np.full(9, 100))
    assert mean == pytest.approx((first - second).mean() / 100)
    assert mean / error == pytest.approx(stats.ttest_rel(first, second).statistic)


def test_paired_excess_weighs_documents_by_their_tokens():
    rng = np.random.default_rng(3)
    tokens = rng.integers(50, 500, 40)
    difference = tokens * rng.normal(0.1, 0.05, 40)
    mean, error = costs.paired_excess(difference, np.zeros(40), tokens)
    left_out = [np.delete(difference, d).sum() / np.delete(tokens, d).sum() for d in range(40)]
    jackknife = np.sqrt(39 / 40 * ((left_out - np.mean(left_out)) ** 2).sum())
    assert mean == pytest.approx(difference.sum() / tokens.sum())
    assert error == pytest.approx(jackknife, rel=0.05)


def test_one_document_has_no_error():
    mean, error = costs.paired_excess([3.0], [1.0], [4])
    assert mean == 0.5
    assert np.isnan(error)


def test_holm_agrees_with_the_definition_step_by_step():
    p = np.array([0.04, 0.001, 0.03, 0.2])
    naive, worst = {}, 0.0
    for step, index in enumerate(sorted(range(4), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (4 - step) * p[index]))
        naive[index] = worst
    np.testing.assert_allclose(costs.holm(p), [naive[i] for i in range(4)])
    assert costs.holm(np.array([])).size == 0


def test_smallest_decile_is_dearer_than_the_middle_only_where_planted():
    rows = decile_experiment(["query", "up", "down"], dear=["down"])
    found = costs.smallest_against_middle(rows).set_index("role")
    # Decile 1 of a dear role costs 0.05 nats a token; deciles 5 and 6 cost 0.032 and 0.064; decile 1 else 0.002.
    assert found.loc["down", "excess"] == pytest.approx(0.05 - 0.048, abs=0.003)
    assert found.loc["query", "excess"] == pytest.approx(0.002 - 0.048, abs=0.003)
    assert found.loc["query", "p_value"] < 1e-4
    assert list(found["n_documents"]) == [8, 8, 8]


def test_contrast_is_a_t_test_against_the_mean_of_deciles_5_and_6():
    rows = decile_experiment(["up"])
    nll = {row["decile"]: np.array(row["unit_values"]) for row in rows.to_dict("records")}
    expected = stats.ttest_rel(nll[1], (nll[5] + nll[6]) / 2)
    assert costs.smallest_against_middle(rows)["p_value"].iloc[0] == pytest.approx(expected.pvalue)


def test_no_contrast_without_the_middle_deciles_or_with_one_document():
    rows = decile_experiment(["up"])
    assert costs.smallest_against_middle(rows[rows["decile"] != 6]).empty
    assert costs.smallest_against_middle(decile_experiment(["up"], n_documents=1)).empty


def test_labels_name_layers_only_where_they_differ():
    rows = decile_experiment(["up", "query"])
    labels = costs.labelled(rows)
    assert list(labels["row"].unique()) == [f"decile {d}" for d in range(1, 11)]
    assert list(labels["column"].unique()) == ["Query", "Up"]
    apart = pd.concat([rows, decile_experiment(["up"], layers=[3]).query("decile > 0")])
    assert "decile 2, layer 3" in set(costs.labelled(apart)["row"])


def test_cuts_that_share_a_cell_are_listed_by_their_own_names():
    numbers = ([1.1, 1.2], [1.0, 1.0], [1, 1])
    rows = pd.DataFrame(
        [
            evaluation("none", "none", "none", 0, [], [], [1.0, 1.0], *numbers[1:]),
            evaluation("below of layer 0 up", "matrix", "below", 0, ["up"], [0], *numbers),
            evaluation("below of layer 0 up expert 1", "matrix", "below", 0, ["up"], [0], *numbers),
        ]
    )
    assert list(costs.labelled(rows)["row"]) == ["below of layer 0 up", "below of layer 0 up expert 1"]
