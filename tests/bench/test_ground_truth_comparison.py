"""The locator beside another tool's spikes, where the truth is planted."""

from types import SimpleNamespace

import comparison
import numpy as np
import pandas as pd
import pytest

D = 64


def row(iteration, matrix, tool, n_located, n_true, n_learned, n_wanted):
    names = {"birth": "b", "seed": 0, "iteration": iteration, "matrix": matrix, "tool": tool}
    return {**names, "n_located": n_located, "n_true": n_true, "n_learned": n_learned, "n_wanted": n_wanted}


def scores():
    ours, theirs = comparison.OURS, comparison.THEIRS
    rows = [row(0, matrix, tool, 0, 0.0, 0, 0) for matrix in ("key_2", "key_1") for tool in (ours, theirs)]
    rows += [row(9, "key_2", ours, 6, 4.0, 6, 5), row(9, "key_2", theirs, 3, 3.0, 3, 5)]
    rows += [row(9, "key_1", ours, 8, np.nan, 7, 20), row(9, "key_1", theirs, 2, np.nan, 2, 20)]
    return pd.DataFrame(rows)


def test_both_tools_are_told_apart():
    untrained, key_2, key_1 = comparison.checks(scores())
    assert (untrained.ours, untrained.verdict) == ("0", "holds")
    assert "precision 0.67, recall 0.80" in key_2.ours
    assert "precision 1.00, recall 0.60" in key_2.expected
    assert key_2.verdict == "recall higher, precision lower"
    assert "not shown to be learned: 1 of 8" in key_1.ours
    assert key_1.verdict == "+5 that were learned"


def test_alarms_in_untrained_matrices_are_told():
    found = scores()
    found.loc[found["iteration"] == 0, "n_located"] = 9
    assert comparison.checks(found)[0].verdict == "too many"


@pytest.mark.parametrize("n", [0, 2, 3])
def test_spikes_are_the_largest_values(n):
    """Two planted memories, the third value is noise: whoever calls it a spike is wrong once."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((D, 2)))[0].T for _ in range(2))
    initial = rng.uniform(-1, 1, (D, D)) / D**0.5
    weight = initial + 5 * left.T @ right
    u, _, v = np.linalg.svd(weight)
    shares = ((u.T @ left.T) ** 2).sum(axis=1), ((v @ right.T) ** 2).sum(axis=1)
    named = SimpleNamespace(birth="b", seed=0, iteration=9, matrix="key_2", kept=1.0, n_memories=2, rank=2)
    named.left_shares, named.right_shares, named.left_chance, named.right_chance = *shares, 2 / D, 2 / D
    found = comparison.judged(weight, initial, named, n)
    assert found == {"n_true": min(n, 2), "n_learned": min(n, 2), "n_wanted": 2}
