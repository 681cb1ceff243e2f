"""The same cuts in windows of two lengths, on costs that are known for each document."""

import numpy as np
import pandas as pd
import pytest
from fake_run import evaluation

from weightspectra.conclusions.cuts import windows
from weightspectra.contracts.conclusions import CANNOT_BE_TOLD, DOES_NOT, HOLDS

PAIRS = [("trained", "short", "long", "prose")]


def experiment(name, window, costs, *, tokens, first=0, **names):
    """Score documents from ``first`` on; each cut adds so much per token, give or take 0.01."""
    tokens = np.asarray(tokens, dtype=float)
    documents = [f"document {first + place}" for place in range(len(tokens))]
    told = {"experiment": name, "window": window, "stride": window, "bos": True, "units": documents, **names}
    baseline = tokens * np.random.default_rng(window).normal(3.0, 0.2, len(tokens))
    rows = [evaluation("none", "none", "none", 0, [], [], baseline, baseline, tokens, **told)]
    for place, (label, cost) in enumerate(costs.items()):
        added = cost + np.random.default_rng([window, place]).normal(0, 0.01, len(tokens))
        nll = baseline + tokens * added
        rows.append(evaluation(label, "role", "decile 1", 1, ["value"], [0], nll, baseline, tokens, **told))
    return pd.DataFrame(rows)


def concluded(*experiments, pairs=PAIRS):
    rows = pd.concat(experiments, ignore_index=True)
    return windows.conclude(rows, seed=0, window_pairs=pairs).set_index("cut")


def test_a_cut_moves_with_the_window_or_does_not_or_cannot_be_told():
    costs = {"hangs": 2.0, "stays": 0.5}
    short = experiment("short", 128, costs, tokens=[120] * 8)
    found = concluded(short, experiment("long", 256, {"hangs": 1.5, "stays": 0.5}, tokens=[240] * 8))
    assert dict(found["verdict"]) == {"hangs": HOLDS, "stays": DOES_NOT}
    hangs = found.loc["hangs"]
    assert hangs["number"] == pytest.approx(0.5, abs=0.02) and hangs["reference"] == pytest.approx(1.5, abs=0.02)
    assert hangs["low"] < hangs["number"] < hangs["high"] and hangs["high"] - hangs["low"] < 0.05
    assert (hangs["experiment"], hangs["beside"], hangs["corpus"]) == ("short", "long", "prose")
    assert (hangs["setting"], hangs["detail"]) == (128, "windows of 128 tokens (with BOS)")
    assert hangs["reference_kind"] == "windows of 256 tokens (with BOS)"
    assert (hangs["n"], hangs["p_value"], hangs["family_size"]) == (8, 2 / 2**8, 2)
    few = concluded(short, experiment("long", 256, costs, tokens=[240] * 4))
    assert set(few["verdict"]) == {CANNOT_BE_TOLD} and set(few["n"]) == {4}
    assert few["why"].iloc[0].startswith("4 are too few")


def test_with_equal_parts_of_the_tokens_it_is_the_difference_of_two_changes_of_log_perplexity():
    tokens = np.array([40, 80, 120, 60, 20, 100, 50, 90])
    short = experiment("short", 128, {"one": 2.0}, tokens=tokens)
    long = experiment("long", 256, {"one": 1.0}, tokens=3 * tokens)
    changes = [np.diff(np.log(rows["value"])).item() for rows in (short, long)]
    found = concluded(short, long).loc["one"]
    assert found["number"] == pytest.approx(changes[0] - changes[1])
    assert found["reference"] == pytest.approx(changes[1])


def test_only_documents_that_both_scored_are_compared_with_one_weight_in_both():
    short = experiment("short", 128, {"one": 2.0}, tokens=[100] * 8)
    long = experiment("long", 256, {"one": 1.0}, tokens=[100, 900] + [100] * 6, first=2)
    found = concluded(short, long).loc["one"]
    added = [
        {unit: (after - before) / tokens for unit, after, before, tokens in zip(*columns, strict=True)}
        for rows in (short, long)
        for columns in [(rows["units"][1], rows["unit_values"][1], rows["unit_values"][0], rows["unit_weights"][1])]
    ]
    shared = [f"document {place}" for place in range(2, 8)]
    moved = [added[0][unit] - added[1][unit] for unit in shared]
    assert found["n"] == 6
    assert found["number"] == pytest.approx(np.average(moved, weights=[200, 1000, 200, 200, 200, 200]))


def test_without_a_shared_document_it_cannot_be_told_why():
    short = experiment("short", 128, {"one": 2.0}, tokens=[100] * 8)
    found = concluded(short, experiment("long", 256, {"one": 1.0}, tokens=[200] * 8, first=8)).loc["one"]
    assert (found["verdict"], found["why"]) == (CANNOT_BE_TOLD, "no document was scored in both windows")
    assert np.isnan(found["number"])


def test_controls_and_cuts_of_one_experiment_alone_are_left_out():
    short = experiment("short", 128, {"one": 2.0, "like it": 1.0, "alone": 1.0}, tokens=[100] * 8)
    short.loc[short["cut"] == "like it", "control_of"] = "one"
    long = experiment("long", 256, {"one": 1.0, "like it": 1.0}, tokens=[200] * 8)
    assert list(concluded(short, long).index) == ["one"]
    assert windows.conclude(pd.concat([short, long]), seed=0, window_pairs=[]).empty
