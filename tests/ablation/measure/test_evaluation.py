import json

import numpy as np
import pandas as pd
import pytest
import torch
from causal_models import tiny_causal

from weightspectra.ablation.choose.cuts import PlannedCut
from weightspectra.ablation.edit.truncation import Removal, Stored
from weightspectra.ablation.measure.evaluation import EditableModel, evaluate
from weightspectra.ablation.measure.metrics import Measurement
from weightspectra.base.errors import UserError
from weightspectra.base.journal import Journal
from weightspectra.conclusions.cuts import costs
from weightspectra.conclusions.families import FAMILIES
from weightspectra.contracts import EVALUATIONS, MatrixKey
from weightspectra.models import live
from weightspectra.statistics.multiple import benjamini_hochberg
from weightspectra.statistics.paired import compare

WEIGHTS = np.array([10.0, 20.0, 5.0])


class Remembering:
    """A metric that notes when it was asked, and what the weights then were."""

    def __init__(self, matrices, spoilt=(), names=("perplexity",)):
        self.calls, self._matrices, self._spoilt, self._names = [], matrices, spoilt, names

    def measure(self, model, first_layer=0):
        self.calls.append(first_layer)
        total = sum(float(matrix.read().double().square().sum()) for matrix in self._matrices.values())
        values = WEIGHTS * (1 + total / 1e6) + [0, total / 1e5, 0]
        if len(self.calls) - 1 in self._spoilt:
            values[1] = np.nan
        return [
            Measurement(name, "exp_ratio", False, "document", ["a", "b", "c"], values, WEIGHTS) for name in self._names
        ]


@pytest.fixture
def subject():
    model = tiny_causal("Llama")
    matrices, vectors = live.matrices(model), {}
    for key, matrix in matrices.items():
        weight = matrix.read().double().numpy()
        left, _, right = np.linalg.svd(weight, full_matrices=False)
        vectors[key] = (left.T if weight.shape[0] <= weight.shape[1] else right).astype(np.float32)
    return EditableModel(model, matrices, Stored(vectors.__getitem__))


def cut(label, *keys, ranks=(0, 1), control_of=""):
    shapes = {"up": (48, 32), "down": (32, 48), "query": (32, 32)}
    edits = {MatrixKey(layer, role): Removal(np.array(ranks, dtype=int), *shapes[role]) for layer, role in keys}
    return PlannedCut(label, "role", "the first", 0, edits, control_of)


CUTS = [
    cut("late", (1, "up")),
    cut("empty", (0, "up"), ranks=()),
    cut("both", (0, "down"), (1, "down"), control_of="late"),
    cut("early", (0, "query")),
]


def run(subject, metric, path, cuts=CUTS):
    return evaluate(subject, cuts, [metric], Journal(path, "key"), "evaluate tiny", seed=3)


def test_cuts_run_by_their_first_layer_and_are_reported_in_their_order(subject, tmp_path):
    metric = Remembering(subject.matrices, names=["one", "two"])
    rows = run(subject, metric, tmp_path / "journal")
    assert metric.calls == [
        2,
        0,
        0,
        1,
    ]  # the untouched model, of which no block has changed, both, early, late; empty is not measured
    assert [row["cut"] for row in rows[::2]] == ["none", "late", "empty", "both", "early"]
    assert [row["metric"] for row in rows[:4]] == ["one", "two"] * 2
    assert [json.loads(line.partition(" ")[2])["cut"] for line in (tmp_path / "journal").read_text().splitlines()] == [
        "none",
        "empty",
        "both",
        "early",
        "late",
    ]


def test_rows_hold_what_was_measured_and_fit_the_contract(subject, tmp_path):
    before = sum(float(matrix.read().double().square().sum()) for matrix in subject.matrices.values())
    rows = run(subject, Remembering(subject.matrices), tmp_path / "journal")
    EVALUATIONS.write([{"model": "m", "experiment": "e", **row} for row in rows], tmp_path / "rows.parquet", {})
    found = EVALUATIONS.read(tmp_path / "rows.parquet").set_index("cut")
    untouched = WEIGHTS * (1 + before / 1e6) + [0, before / 1e5, 0]
    np.testing.assert_allclose(found.loc["none", "unit_values"], untouched, rtol=1e-12)
    assert found.loc["none", "value"] == pytest.approx(np.exp(untouched.sum() / 35), rel=1e-12)
    assert found.loc["late", "difference"] == found.loc["late", "value"] - found.loc["none", "value"] != 0
    assert found.loc["both", "control_of"] == "late" and found.loc["both", "n_removed"] == 4
    assert (found["n_scored"] == 35).all() and (found["unit"] == "document").all()
    total = float(subject.matrices[MatrixKey(1, "up")].read().double().square().sum())
    lost = (found.loc["none", "unit_values"] - found.loc["late", "unit_values"])[0] / 10 * 1e6
    assert found.loc["late", "removed_energy"] == pytest.approx(lost / total, rel=1e-4)


def test_a_cut_that_removes_nothing_is_the_untouched_model(subject, tmp_path):
    rows = {row["cut"]: row for row in run(subject, Remembering(subject.matrices), tmp_path / "journal")}
    nothing = rows["empty"]
    assert nothing["difference"] == nothing["difference_low"] == nothing["difference_high"] == 0
    assert nothing["difference_se"] == nothing["removed_energy"] == 0
    assert nothing["p_value"] == nothing["q_value"] == 1
    assert nothing["unit_values"] == rows["none"]["unit_values"]


def test_comparisons_and_their_correction_over_the_cuts_that_change_something(subject, tmp_path):
    rows = run(subject, Remembering(subject.matrices), tmp_path / "journal")
    values = np.array([row["unit_values"] for row in rows])
    expected = compare("exp_ratio", values, values[0], WEIGHTS, seed=3)
    for name in ("difference", "difference_low", "difference_high", "p_value"):
        column = getattr(expected, name.removeprefix("difference_"))
        np.testing.assert_array_equal([row[name] for row in rows], column)
    np.testing.assert_array_equal([row["difference_se"] for row in rows], expected.standard_error)
    changed = [row for row in rows if row["n_removed"]]
    q_values = benjamini_hochberg(np.array([row["p_value"] for row in changed]))
    np.testing.assert_array_equal([row["q_value"] for row in changed], q_values)


def test_what_is_corrected_where_it_is_measured_is_the_family_that_conclusions_name(subject, tmp_path):
    rows = run(subject, Remembering(subject.matrices, names=["one", "two"]), tmp_path / "journal")
    found = costs.conclude(pd.DataFrame(rows).assign(model="tiny", experiment="cuts"), seed=0)
    judged = found[found["claim"].isin(["change_after_cut", "change_after_control"]) & (found["family"] != "")]
    family = FAMILIES["change_after_cut"]
    assert FAMILIES["change_after_control"] == family
    for _, together in judged.groupby(list(family.over)):
        assert len(together) == 3
        np.testing.assert_array_equal(together["p_corrected"], family.corrected(together["p_value"].to_numpy()))


def test_resamples_and_signs_are_drawn_with_the_seed(subject, tmp_path):
    class Noisy(Remembering):
        def measure(self, model, first_layer=0):
            [found] = super().measure(model, first_layer)
            rng, weights = np.random.default_rng(len(self.calls)), np.full(40, 100.0)
            values = weights + rng.normal(size=40)
            return [found._replace(units=[str(n) for n in range(40)], values=values, weights=weights)]

    untouched, *rows = run(subject, Noisy(subject.matrices), tmp_path / "journal")
    for row in (row for row in rows if row["n_removed"]):
        both = np.array(row["unit_values"])[None], np.array(untouched["unit_values"]), np.array(row["unit_weights"])
        mine, other = (compare("exp_ratio", *both, seed=seed) for seed in (3, 0))
        assert (row["difference_low"], row["p_value"]) == pytest.approx((mine.low[0], mine.p_value[0]), rel=1e-9)
        assert row["difference_low"] != pytest.approx(other.low[0], rel=1e-9)
        assert row["p_value"] != other.p_value[0]


def test_finished_cuts_are_not_measured_again_and_nothing_depends_on_it(subject, tmp_path):
    fresh = run(subject, Remembering(subject.matrices), tmp_path / "fresh")
    run(subject, Remembering(subject.matrices), tmp_path / "journal", CUTS[2:3])
    metric = Remembering(subject.matrices)
    assert run(subject, metric, tmp_path / "journal") == fresh
    assert metric.calls == [0, 1]


def test_an_untouched_model_that_overflows_is_refused(subject, tmp_path):
    with pytest.raises(
        UserError, match=r"after cut 'none' perplexity is no finite number for 1 of 3 documents.*float32"
    ):
        run(subject, Remembering(subject.matrices, spoilt=[0]), tmp_path / "journal")


def test_a_cut_that_overflows_keeps_its_row_and_the_others_their_numbers(subject, tmp_path, capsys):
    rows = {row["cut"]: row for row in run(subject, Remembering(subject.matrices, spoilt=[1]), tmp_path / "journal")}
    assert "after cut 'both' perplexity is no finite number" in capsys.readouterr().err
    for name in ("value", "difference", "difference_se", "difference_low", "difference_high", "p_value", "q_value"):
        assert np.isnan(rows["both"][name])
        assert np.isfinite(rows["early"][name])
    expected = benjamini_hochberg(np.array([rows["late"]["p_value"], rows["early"]["p_value"]]))
    assert [rows["late"]["q_value"], rows["early"]["q_value"]] == expected.tolist()


def test_one_unit_alone_has_no_standard_error_and_a_line_says_so(subject, tmp_path, capsys):
    class OfOne(Remembering):
        def measure(self, model, first_layer=0):
            (found,) = super().measure(model, first_layer)
            return [found._replace(units=["a"], values=found.values[:1], weights=found.weights[:1])]

    rows = run(subject, OfOne(subject.matrices), tmp_path / "journal")
    assert all(np.isnan([row["standard_error"], row["difference_se"], row["difference_low"]]).all() for row in rows)
    assert capsys.readouterr().err.count("perplexity comes from one document") == 1


def test_other_units_than_before_have_a_difference_without_error(subject, tmp_path, capsys):
    class Changing(Remembering):
        def measure(self, model, first_layer=0):
            (found,) = super().measure(model, first_layer)
            if len(self.calls) == 2:
                return [found._replace(metric="another")]
            if len(self.calls) == 3:
                return [found._replace(units=["a", "b"], values=found.values[:2], weights=found.weights[:2])]
            return [found]

    rows = {row["cut"]: row for row in run(subject, Changing(subject.matrices), tmp_path / "journal")}
    assert list(rows) == ["none", "late", "empty", "both", "early"]
    assert rows["both"]["metric"] == "another" and np.isnan(rows["both"]["difference"])
    assert rows["early"]["difference"] == rows["early"]["value"] - rows["none"]["value"]
    assert np.isnan([rows["early"][name] for name in ("difference_se", "difference_low", "p_value", "q_value")]).all()
    assert rows["late"]["q_value"] == rows["late"]["p_value"] == 0.25  # the only one of its family
    assert "after 1 of 3 cuts, perplexity is known for other documents" in capsys.readouterr().err


def test_the_edited_model_may_be_in_half_precision(subject, tmp_path):
    subject.model.to(torch.bfloat16)
    rows = run(subject, Remembering(subject.matrices), tmp_path / "journal")
    assert rows[1]["difference"] != 0
