"""The locator beside another tool's spikes, where the truth is planted."""

import comparison
import numpy as np
import pandas as pd


def row(iteration, matrix, tool, n_located, n_true, n_learned, n_wanted):
    names = {"birth": "b", "seed": 0, "iteration": iteration, "matrix": matrix, "tool": tool}
    reported = n_located if tool == comparison.THEIRS else np.nan
    numbers = {"n_located": n_located, "n_true": n_true, "n_learned": n_learned, "n_wanted": n_wanted}
    return {**names, **numbers, "reported": reported}


def scores():
    ours, theirs = comparison.OURS, comparison.THEIRS
    rows = [row(0, matrix, tool, 0, 0.0, 0, 0) for matrix in ("key_2", "key_1") for tool in (ours, theirs)]
    rows += [row(9, "key_2", ours, 6, 4.0, 6, 5), row(9, "key_2", theirs, 3, 3.0, 3, 5)]
    rows += [row(9, "key_1", ours, 8, np.nan, 7, 20), row(9, "key_1", theirs, 2, np.nan, 2, 20)]
    return pd.DataFrame(rows)


def test_both_tools_are_told_apart():
    rule, untrained, key_2, key_1 = comparison.checks(scores())
    assert (rule.ours, rule.verdict) == ("4 of 4", "holds")
    assert (untrained.ours, untrained.verdict) == ("0", "holds")
    assert "precision 0.67, recall 0.80" in key_2.ours
    assert "precision 1.00, recall 0.60" in key_2.expected
    assert key_2.verdict == "recall higher, precision lower"
    assert "not shown to be learned: 1 of 8" in key_1.ours
    assert key_1.verdict == "+5 that were learned"


def test_alarms_in_untrained_matrices_are_told():
    found = scores()
    found.loc[found["iteration"] == 0, "n_located"] = 9
    assert comparison.checks(found)[1].verdict == "too many"


def test_no_memory_is_found_twice():
    found = scores().query("matrix == 'key_2' and iteration == 9")
    leaning = found.assign(n_true=7.0)
    assert comparison.recall(found.query("tool == 'ours'")) == 0.8
    assert comparison.recall(leaning) == 1


def test_a_rule_that_counts_otherwise_is_found_out():
    found = scores()
    found.loc[found.index[found["tool"] == comparison.THEIRS][:1], "reported"] = 2
    rule = comparison.checks(found)[0]
    assert (rule.ours, rule.verdict) == ("3 of 4", "differs by up to 2")
