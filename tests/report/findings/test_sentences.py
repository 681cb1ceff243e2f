"""What each finding says, word for word, and each of its headlines."""

from functools import cache

import fake_ablation
import numpy as np
import pandas as pd
import pytest
from fake_birth import FakeBirth, frames
from fake_run import LLAMA, FakeModel, decile_experiment, measurements, task_evaluation, told

from weightspectra.report.findings import bounds, differences, ends, finetuning, overlap, prediction, storage, telling
from weightspectra.report.findings.births import formation, knockouts, locator
from weightspectra.report.findings.cuts import compression, controls, copies, costs, tasks, windows
from weightspectra.report.findings.finding import Conclusions, named_changes
from weightspectra.report.kit.storage import coarse_models

SMALL = FakeBirth("small", title="Small one")


@cache
def full(**changes):
    """A model and its control; an experiment of deciles in which those of down cost much."""
    trained = FakeModel("trained", LLAMA, **{"n_layers": 6, "n_above": 4, "n_below": 2, **changes})
    control = FakeModel("control", LLAMA, n_layers=6, n_above=0, n_below=0)
    evaluations = decile_experiment(LLAMA, dear=["down"], layers=range(6))
    return told(measurements(trained, control, controls={"control": "trained"}, evaluations=evaluations))


def cut(*experiments, **more):
    rows = pd.concat(experiments, ignore_index=True) if experiments else None
    models = FakeModel("trained", LLAMA), FakeModel("copy", LLAMA), FakeModel("control", LLAMA)
    return told(measurements(*models, **({"evaluations": rows} if experiments else {}), **more))


def born(*births, **rows):
    return told(measurements(FakeModel("trained", n_layers=1), births=births, **rows))


def test_values_above_the_bound_beside_the_control():
    found = bounds.above(full())
    assert (
        found.headline == "More singular values lie above the calibrated bound in trained matrices than in random ones"
    )
    assert list(found.sentences) == [
        "Trained: 7.7 % (126 of 1,632) in 42 matrices, most in key (18.8 %); its random control: 0 % (0 of 1,632). "
        "More than the control in 42 of 42 matrices (sign test, p < 1e-12). Unequal variances of rows and columns "
        "explain 42 of the 126.",
        "Trained: the values within the calibrated bounds follow the law of noise in 35 of 42 matrices (random "
        "control: 42 of 42); where they do not, a value beyond the bounds is a departure from noise, not one separate "
        "signal.",
        "By chance 2.5 % of matrices have any value above the calibrated bound, 1.1 of these 42; of 42 random ones 0 "
        "do.",
    ]


@pytest.mark.parametrize(
    ("choice", "headline"),
    [
        ({}, "More singular values lie below the calibrated bound in trained matrices than in random ones"),
        ({"n_below": 0}, "Trained matrices have no more singular values below the calibrated bound than random ones"),
    ],
)
def test_values_below_the_bound(choice, headline):
    assert bounds.below(full(**choice)).headline == headline


def test_both_ends_in_words():
    found = ends.informative_ends(full(n_above=2, n_below=2))
    assert found.headline == "At both ends of the spectra, trained matrices have directions that noise does not explain"
    assert found.sentences[1] == (
        "Trained: in the smallest tenth noise does not explain 50.0 % of the directions (most: value 100.0 %; least: "
        "attention output 0 %), the 95 % interval is beyond 0 in 30 of 42 matrices; random control 0 %, beyond 0 in 0 "
        "of 42 matrices. More than the control in 30 of 42 matrices (sign test, p = 9e-10)."
    )
    assert found.sentences[2].startswith(
        "Trained: singular vectors that are no random directions (false discovery rate 5 %): 7.0 % (228 of 3,264), "
    )


@pytest.mark.parametrize(
    ("choice", "start"),
    [
        ({"n_above": 3, "n_below": 0}, "The largest singular values hold directions"),
        ({"n_above": 0, "n_below": 3}, "The smallest singular values hold directions"),
        ({"n_above": 0, "n_below": 0}, "Noise explains the ends of trained spectra as well as"),
    ],
)
def test_the_headline_names_the_end_that_differs(choice, start):
    assert ends.informative_ends(full(**choice)).headline.startswith(start)


def test_what_cannot_be_tested_is_said_to_be_untested():
    few = {"query": (48, 48), "value": (48, 48)}
    trained, control = FakeModel("trained", few, n_layers=3), FakeModel("control", few, n_layers=3, n_above=0)
    found = told(measurements(trained, control, controls={"control": "trained"}))
    too_few = "(too few matrices to test against random ones)"
    above = bounds.above(found)
    assert above.headline == f"Some singular values lie above the calibrated bound {too_few}"
    assert "in 6 of 6 matrices (sign test, too few to be significant, p = 0.016)" in above.sentences[0]
    assert ends.informative_ends(found).headline.endswith(too_few)
    alone = telling.tell(told(measurements(FakeModel("alone", few, n_above=1), overlaps=False)))
    assert [finding.headline.split(" ")[0] for finding in alone] == ["No", "No", "What", "Rounding"]
    assert all(finding.headline.endswith("(no random control to compare with)") for finding in alone[:3])


def test_overlaps_in_words():
    found = overlap.data_overlap(full())
    assert found.headline == (
        "Singular vectors beyond the asymptotic edges, at both ends, overlap with the data more often than those inside"
    )
    trained, control = found.sentences
    assert trained == (
        "Trained on prose: beyond the null band are 100.0 % (168 of 168) of the vectors above the asymptotic upper "
        "edge, 0 % (0 of 1,404) of the vectors inside the asymptotic edges and 50.0 % (30 of 60) of the vectors below "
        "the asymptotic lower edge, by chance 0.135 %. More than chance above the asymptotic upper edge in query, key, "
        "value, attention output, up, gate and down; below the asymptotic lower edge in key, value, up, gate and down "
        "(Holm-corrected p at most 0.01)."
    )
    assert control == "Control: 0 % (0 of 1,632) of all vectors."


@pytest.mark.parametrize(
    ("aligned", "headline"),
    [
        ([], "No singular vectors overlap with the data more often than chance"),
        (["above"], "Singular vectors above the asymptotic upper edge overlap with the data more often"),
        (["below"], "Singular vectors below the asymptotic lower edge overlap with the data more often"),
        (["above", "inside"], "Overlap with the data is not confined"),
    ],
)
def test_overlap_headlines(aligned, headline):
    rows = full().rows.copy()
    chosen = (rows["claim"] == "overlap_with_data") & (rows["role"] == "") & (rows["model"] == "trained")
    rows.loc[chosen, "number"] = rows.loc[chosen, "region"].isin(aligned).astype(float)
    found = Conclusions(rows, {"trained": "Trained"}, {"control": "trained"})
    assert overlap.data_overlap(found).headline.startswith(headline)


def test_a_difference_of_logarithms_is_told_as_a_change_in_per_cent():
    rows = decile_experiment(["up"])
    dear = rows["cut"] == "decile 1 of up"
    rows.loc[dear, "unit_values"] = rows.loc[dear, "unit_values"].map(lambda nll: [x + 20 for x in nll])
    concluded = cut(rows).rows.copy()
    chosen = concluded["claim"] == "smallest_costs_more_than_middle"
    concluded.loc[chosen, ["number", "standard_error"]] = [np.log(1.5), 0.02]
    *_, middle = costs.removal_cost(Conclusions(concluded, {"trained": "Trained"})).sentences
    assert "higher in up (+50.0 ± 3.0 %, q" in middle


def test_the_cuts_that_are_named_are_those_that_change_most():
    rows = pd.DataFrame({"cut": list("abcdefgh"), "number": [1, -8, 2, 7, -3, 6, 4, -5]})
    assert named_changes(rows) == "b −8.00, d +7.00, f +6.00, h −5.00, g +4.00, e −3.00 and 2 others"


def test_costs_in_words():
    rows = decile_experiment(["query", "up"])
    dear = rows["cut"] == "decile 1 of up"
    rows.loc[dear, "unit_values"] = rows.loc[dear, "unit_values"].map(lambda nll: [x + 20 for x in nll])
    found = costs.removal_cost(cut(rows))
    assert found.headline == "Removing the smallest tenth costs significantly more than a middle one in up matrices"
    cost, hurt, middle = found.sentences
    assert cost == (
        "Trained, deciles (untouched perplexity 19.1 ± 1.1, 800 tokens in 8 documents): the dearest of 20 cuts is "
        "decile 10 of up, +21,400 ± 1,200 in perplexity; 20 hurt significantly."
    )
    assert hurt == ("Without decile 1 (smallest) of one role it is significantly worse in 2 of 2: query and up.")
    assert middle.startswith(
        "Perplexity without decile 1 (smallest) against without decile 5 or 6 (mean), paired over 8 documents, q "
        "corrected over roles: higher in up (+"
    )
    assert middle.endswith(" %, q = 0.0078); lower in query (each q at most 0.05).")


@pytest.mark.parametrize(
    ("rows", "headline"),
    [
        (
            decile_experiment(["up"]),
            "Removing the smallest tenth costs significantly more than a middle one in no role",
        ),
        (
            decile_experiment(["up"], n_documents=4),
            "Too little was scored to tell whether removing the smallest tenth costs more than a middle one",
        ),
        (decile_experiment(["up"], n_documents=1), "What removing singular values costs"),
        (decile_experiment(["up"]).assign(decile=0), "What removing singular values costs"),
    ],
)
def test_cost_headlines(rows, headline):
    found = costs.removal_cost(cut(rows))
    assert found.headline == headline
    assert "nan" not in " ".join(found.sentences)
    assert ("cannot show that a change is significant" in found.sentences[0]) == (len(rows["units"].iloc[0]) < 6)


def test_controls_in_words():
    found = controls.against_controls(cut(fake_ablation.controls_experiment({"down": 0.08, "query": 0.0101})))
    assert found.headline == "1 of 2 cuts hurt more than every kind of matched control"
    assert found.sentences[0].startswith("Trained, deciles: against same count, 1 of 2 hurt more (decile 1 of down +1.")
    cheap = controls.against_controls(cut(fake_ablation.controls_experiment({"down": 0.01}, control=0.08)))
    assert cheap.headline == "No cut hurts more than every kind of its matched controls"
    assert "1 of 1 hurt less" in cheap.sentences[0]


def test_tasks_in_words():
    right, some = np.ones(40), np.repeat([1.0, 0.0], [30, 10])
    rows = [
        task_evaluation("none", "none", "none", 0, [], [], right, right),
        task_evaluation("decile 1 of up", "role", "decile 1", 1, ["up"], [0], some, right),
    ]
    found = tasks.tasks(cut(pd.DataFrame(rows)))
    assert found.headline == "1 of 1 measurements of tasks after cuts are significantly worse"
    assert list(found.sentences) == [
        "Trained, deciles: untouched movies: accuracy 1.00, 40 items; 1 of 1 cuts make it significantly worse (decile "
        "1 of up −0.250)."
    ]
    chance = {"metric": "movies/auc", "statistic": "auc", "standard_error": 0.05, "value": 0.58}
    poor = pd.DataFrame(rows).assign(**chance, q_value=0.5)
    found = tasks.tasks(cut(poor))
    assert found.headline == "No cut makes a task significantly worse"
    assert found.sentences[0].endswith(
        " The untouched model is within two standard errors of chance (0.5), so that there is little to lose."
    )


def test_predictions_and_directions_in_words():
    data = {"predictions": fake_ablation.predictions(), "directions": fake_ablation.directions()}
    found = cut(decile_experiment(LLAMA, dear=["down"]), **data)
    told_of = prediction.prediction(found)
    assert told_of.headline.startswith("Predicted damage orders measured cuts with a rank correlation of 0.")
    largest, order = told_of.sentences
    assert largest.startswith(
        "Trained, from 2,048 tokens of prose: among the smaller half of the singular values, most damage is predicted "
        "for decile 1 of layer 0 down (+0.00070"
    )
    assert order.startswith("Rank correlation with the measured increase of the loss over 70 cuts by role (deciles): ")
    assert (
        prediction.prediction(cut(**data)).headline == "Damage is predicted; no cuts were evaluated that say how well"
    )
    (first, *_), rows = prediction.directions(found).sentences, fake_ablation.directions()
    assert f"singular value {rows['index'].iloc[0] + 1:,} of {rows['n_values'].iloc[0]:,} holds " in first


def test_windows_of_two_lengths_in_words():
    def scored(name, window, costs, n):
        read = {"experiment": name, "window": window, "stride": window, "bos": True}
        rows = [fake_ablation.untouched(**read)]
        for label, cost in costs.items():
            row = fake_ablation.scored(label, cost, removed="decile 1", **read)
            # Documents differ from window to window, by up to 0.01 nats per token.
            apart = np.linspace(-1, 1, 8) if window == 128 else np.zeros(8)
            rows.append({**row, "unit_values": list(np.asarray(row["unit_values"]) + apart)})
        keep = ["units", "unit_values", "unit_weights"]
        return pd.DataFrame([{**row, **{column: row[column][:n] for column in keep}} for row in rows])

    def found(costs, others, n=8):
        # Twice, as where a further experiment repeats the cuts in the same windows.
        pairs = [("trained", "short", name, "prose") for name in ("long", "again")]
        longer = [scored(name, 256, others, n) for name in ("long", "again")]
        return windows.two_windows(cut(scored("short", 128, costs, n), *longer, window_pairs=pairs))

    costs = {"decile 1 of value": 2.0, "decile 1 of up": 1.0, "decile 1 of key": 0.5}
    start = "Trained, short beside long, in windows of 128 tokens (with BOS) against windows of 256 tokens (with BOS): "
    moved = found(costs, {**costs, "decile 1 of value": 1.5, "decile 1 of up": 0.9})
    assert moved.headline == "What 2 of 3 cuts cost per token depends on the length of windows"
    assert list(moved.sentences) == [
        f"{start}2 of 3 cuts cost significantly more or less per token (paired over 8 documents in both, q at most "
        "0.05). The largest difference is that of decile 1 of value, +2.00 nats per token against +1.50 "
        "(+0.5000 ± 0.0025)."
    ]
    same = found(costs, costs)
    assert same.headline == "No cut costs significantly more or less per token in windows of another length"
    assert same.sentences[0].startswith(f"{start}0 of 3 cuts cost significantly")
    few = found(costs, costs, n=4)
    assert few.headline == (
        "Too little was scored to tell whether what cuts cost per token depends on the length of windows"
    )
    assert few.sentences == [f"{start}4 documents in both cannot show that a change is another one: score more."]
    assert windows.two_windows(cut(scored("short", 128, costs, 8))) is None


def test_noisier_copies_in_words():
    before = decile_experiment(["query", "up"], dear=["up"])
    same = copies.renoised(cut(before, before.assign(model="copy"), copies={"copy": "trained"}))
    assert same.headline == "With the quantiser's noise added once more, no verdict on 20 cuts moves"
    assert same.sentences[1].endswith("Rank correlation of the changes: 1.00.")
    assert same.sentences[2] == ("Decile 1 costs significantly more than a middle one in up; with more noise, in up.")
    after = before.assign(model="copy")
    after.loc[after["cut"] == "decile 3 of up", ["q_value", "difference"]] = [0.3, 0.011]
    moved = copies.renoised(cut(before, after, copies={"copy": "trained"}))
    assert moved.headline.endswith("1 of 20 verdicts on cuts move")
    assert moved.sentences[1].startswith(
        "19 of 20 cuts keep their verdict (significantly worse, better, or neither); those that move: decile "
        "3 of up (+0."
    )
    assert copies.renoised(cut(before)) is None


@pytest.mark.parametrize(
    ("drops", "headline"),
    [
        ({("remove_last", 1): 0.2}, "after fine-tuning lowers accuracy; before it, not significantly"),
        ({("remove_first", 1): 0.2}, "before fine-tuning lowers accuracy; after it, not significantly"),
        ({("remove_first", 1): 0.2, ("remove_last", 1): 0.2}, "lowers accuracy, both before and after fine-tuning"),
        ({}, "lowers accuracy significantly neither before nor after fine-tuning"),
    ],
)
def test_fine_tuning_in_words(drops, headline):
    found = finetuning.finetuning(cut(finetunings=fake_ablation.finetunings(drops=drops)))
    assert found.headline == f"Removing the smallest tenth {headline}"
    start, *orders = found.sentences
    assert start.startswith("Trained, century, after 2 epochs: untouched accuracy ")
    assert [order.partition(":")[0] for order in orders] == ["Remove, then fine-tune", "Fine-tune, then remove"]


def test_one_run_each_is_no_test():
    found = finetuning.finetuning(cut(finetunings=fake_ablation.finetunings(n_seeds=2, n_removed=1, n_epochs=1)))
    assert found.headline == "What removing singular values before or after fine-tuning does"
    assert found.sentences[1].endswith("with one run each, or one independent test text, no test is possible.")


def test_differences_in_words():
    found = differences.difference(cut(comparisons=fake_ablation.comparison(n_layers=6)))
    assert found.headline == "Where further training changed the weights"
    assert found.sentences[0] == (
        "tuned: Trained → Control: 42 of 42 matrices changed, by 3.5 % of their norm (mean); stable rank of the change "
        "4.0, singular values above noise 3.0 (means)."
    )
    assert "output side, decile 10, 4.60 times (above the band in 42 of 42 matrices)" in found.sentences[1]
    assert "input side, decile 1, 1.00 times (outside the band as by chance)" in found.sentences[1]
    still = fake_ablation.comparison().assign(relative_change=0.0, tuned="elsewhere")
    assert differences.difference(cut(comparisons=still)).sentences == [
        "tuned: Trained → elsewhere: no matrix changed."
    ]


def test_compression_in_words():
    found = compression.compression(cut(fake_ablation.compression_experiment()))
    assert found.headline == "What factorising the matrices costs without retraining"
    assert len(found.sentences) == 3
    first = found.sentences[0]
    assert first.startswith("Trained, all matrices at 90 % of their parameters: plain SVD ")
    assert " Against plain SVD, paired: whitened SVD −" in first
    assert first.endswith("], p = 0.0078.")


def test_induction_heads_in_words():
    found = formation.formation(born(SMALL))
    assert found.headline == (
        "Outliers of W_O², W_K² and W_K¹ appear before the induction head forms in all 3 runs in which it does"
    )
    assert "W_K² from 16 on, 162 ± 16 iterations earlier" in found.sentences[0]
    assert found.sentences[1].startswith(
        "An induction head formed in 3 runs; located values came first for W_O² in 3, W_K² in 3 and W_K¹ in 3. "
    )
    never = FakeBirth("never", formed=None)
    assert formation.formation(born(never)).headline == "No induction head formed in 3 runs"
    assert "None formed in 3 runs, among them all of never (induction accuracy 0.0200 at last)." in (
        formation.formation(born(SMALL, never)).sentences
    )


def test_headlines_on_outliers_that_come_late_and_runs_that_were_not_searched():
    late = FakeBirth("late", visible={"output_2": 4, "key_2": 250, "key_1": 500, "feed_forward": 1})
    found = formation.formation(born(late))
    assert found.headline.endswith("in all 3 runs in which it does, those of W_K² and W_K¹ not in all")
    assert "W_K¹ never" in found.sentences[0]
    assert "W_K² in 0 (in 3 later or never)" in found.sentences[1]
    none = FakeBirth("none", visible={"output_2": 300, "key_2": 300, "key_1": 300, "feed_forward": 1})
    assert formation.formation(born(none)).headline == (
        "Outliers of no matrix appear before the induction head forms in every one of 3 runs"
    )
    both = FakeBirth("half", seeds=(0, 1)), FakeBirth("other")
    rows = frames(*both)["locations"].query("birth == 'half'")
    assert formation.formation(born(*both, locations=rows)).headline.endswith("in all 2 runs that were searched")
    unsearched = frames(SMALL)["locations"].iloc[:0]
    assert formation.formation(born(SMALL, locations=unsearched)).headline == (
        "An induction head formed in 3 of 3 runs"
    )


def test_knock_outs_in_words():
    found = knockouts.knockouts(born(SMALL, FakeBirth("never", formed=None)))
    assert found.headline == (
        "Located singular values alone keep 98.9 % of the accuracy in context; without them 0.35 % is left"
    )
    assert "−0.9467 ± 0.0058 without them" in found.sentences[0]
    assert "−0.6000 ± 0.0040 in W_K²" in found.sentences[0]
    assert found.sentences[-1] == "Left out: 1 birth whose accuracy is below 0.5."
    assert knockouts.knockouts(born(FakeBirth("never", formed=None))) is None


def test_the_locator_in_words():
    found = locator.locator(born(SMALL))
    assert found.headline == (
        "Of the singular values that the blind locator finds after training, 95.5 % were learned, and 92.9 % hold "
        "known memories where that can be told; in random matrices before it, false alarms in 1 of 9"
    )
    blind, informed, theirs = found.sentences
    assert "11.1 % (1 of 9) of the random matrices, by chance in 2.5 % (so many or more: p = 0.2)" in blind
    assert "precision 0.833, recall 1" in blind
    assert "true or false cannot be told" in blind
    assert informed.startswith("Informed locator, at initialisation")
    assert "by chance" not in theirs  # it promises nothing
    rows = frames(SMALL)["locations"].assign(n_located=0, n_learned=0, n_true=0.0, precision=np.nan)
    assert locator.locator(born(SMALL, locations=rows)).headline == (
        "The blind locator finds nothing after training; in random matrices before it, false alarms in 0 of 9"
    )


def test_rounding_in_words():
    assert storage.rounding(full()).headline == "Rounding of the stored weights does not limit these results"
    quantised = told(measurements(FakeModel("small", LLAMA, dtype="Q4_1", noise=0.2)))
    found = storage.rounding(quantised)
    assert found.headline == "Rounding hides the smallest singular values of Small"
    assert found.sentences[0].startswith("Small (Q4_1): ")
    assert "the whole smallest decile of query and attention output lies below the floor; of " in found.sentences[1]
    assert " values below the asymptotic lower edge, " in found.sentences[1]
    n = quantised.of("low_rank")["n"].iloc[0]
    assert found.sentences[2] == (
        f"Small: 4 of {n:g} matrices are of low rank (less than nine tenths of their singular values lie above the "
        "rounding floor); what was lost is in no fit, test or share."
    )
    lost = storage.rounding(told(measurements(FakeModel("cut", LLAMA, dtype="Q4_1", noise=0.2, why="lost"))))
    assert lost.sentences[2].endswith("share; to 14 of them no law of noise can be fitted.")
    unknown = storage.rounding(told(measurements(FakeModel("small", LLAMA, dtype="IQ2_S", noise=np.nan))))
    assert unknown.headline == "How far rounding reaches into the singular values of Small is unknown"
    assert unknown.sentences[0].startswith(
        "Small (IQ2_S): how much of its norm, and how many of its singular values, are"
    )
    assert coarse_models(quantised.rows, quantised.titles, ["small", "small"]) == [
        "Small is stored as Q4_1: what its small singular values do, or do not do, here need not be so in the model "
        "before quantisation."
    ]


def test_many_births_do_not_flood_the_page():
    many = born(*(FakeBirth(f"b{n}", seeds=(0, 1)) for n in range(7)))
    for make in (formation.formation, knockouts.knockouts, locator.locator):
        assert len(make(many).sentences) <= formation.N_NAMED + 2
    assert "Left of the accuracy over 7 births" in " ".join(knockouts.knockouts(many).sentences)
    assert len(telling.tell(many)) == len(telling.tell(born())) + 3


def test_findings_are_a_numbered_list_at_most_100_columns_wide():
    text = telling.to_markdown(telling.tell(full()))
    lines = text.splitlines()
    assert [line[:3] for line in lines if line[:1].isdigit()] == ["1. ", "2. ", "3. ", "4. ", "5. ", "6. "]
    assert max(map(len, lines)) <= 100
    assert not any(line.lstrip().startswith(("%", "±")) for line in lines)
    assert telling.GLUE not in text
