import numpy as np
import pytest
from fake_birth import FakeBirth, frames
from fake_run import FakeModel, measurements

from weightspectra.report.births import birth_findings
from weightspectra.report.kit import findings

SMALL = FakeBirth("small", title="Small one")


def made(*births, **rows):
    return measurements(FakeModel("trained", n_layers=1), births=births, **rows)


def test_outliers_that_come_first_are_said_to_come_first():
    data = made(SMALL)
    found = birth_findings.formation(data)
    assert found.headline == (
        "Outliers of W_O², W_K² and W_K¹ appear before the induction head forms in all 3 runs in which it does"
    )
    text = " ".join(found.sentences)
    assert "W_K² from 16 on, 162 ± 16 iterations earlier" in text
    assert "W_O² in 3, W_K² in 3 and W_K¹ in 3" in text
    assert found.numbers["small/formed"] == pytest.approx(np.mean([169, 169, 196]))
    assert found.numbers["small/key_2/lead"] == found.numbers["small/formed"] - 16
    assert found.numbers["key_2/first"] == 3


def test_outliers_that_come_late_or_never_are_said_to():
    late = FakeBirth("late", visible={"output_2": 4, "key_2": 250, "key_1": 500, "feed_forward": 1})
    found = birth_findings.formation(made(late))
    assert found.headline == (
        "Outliers of W_O² appear before the induction head forms in all 3 runs in which it does, "
        "those of W_K² and W_K¹ not in all"
    )
    text = " ".join(found.sentences)
    assert "W_K¹ never" in text
    assert "iterations later" in text
    assert "W_K² in 0 (in 3 later or never)" in text


def test_no_matrix_ahead_is_a_finding_too():
    late = FakeBirth("late", visible={"output_2": 300, "key_2": 300, "key_1": 300, "feed_forward": 1})
    assert birth_findings.formation(made(late)).headline == (
        "Outliers of no matrix appear before the induction head forms in every one of 3 runs"
    )


def test_what_never_forms_is_counted():
    never = FakeBirth("never", formed=None)
    assert birth_findings.formation(made(never)).headline == "No induction head formed in 3 runs"
    both = birth_findings.formation(made(SMALL, never))
    assert "None formed in 3 runs, among them all of never (induction accuracy 0.0200 at last)." in both.sentences
    assert np.isnan(list(both.numbers.values())).sum() == 0


def test_the_initialisation_is_no_outlier():
    rows = frames(SMALL)["locations"]
    rows = rows.assign(n_located=np.maximum(rows["n_located"], 9))
    found = birth_findings.formation(made(SMALL, locations=rows))
    assert found.headline.startswith("Outliers of no matrix")


def test_only_runs_that_were_searched_are_spoken_for():
    both = FakeBirth("half", seeds=(0, 1)), FakeBirth("other")
    rows = frames(*both)["locations"].query("birth == 'half'")
    assert birth_findings.formation(made(*both, locations=rows)).headline == (
        "Outliers of W_O², W_K² and W_K¹ appear before the induction head forms in all 2 runs that were searched"
    )


def test_births_that_were_not_searched_are_said_to_form():
    rows = frames(SMALL)
    found = birth_findings.formation(made(SMALL, locations=rows["locations"].iloc[:0]))
    assert found.headline == "An induction head formed in 3 of 3 runs"


def test_knock_outs_are_shares_of_the_accuracy_and_leave_out_what_did_not_learn():
    data = made(SMALL, FakeBirth("never", formed=None))
    found = birth_findings.knockouts(data)
    assert found.headline == (
        "Located singular values alone keep 98.9 % of the accuracy in context; without them 0.35 % is left"
    )
    assert "Left out: 1 birth whose accuracy is below 0.5." in found.sentences
    assert "−0.9467 ± 0.0058 without them" in found.sentences[0]
    assert "−0.6000 ± 0.0040 in W_K²" in found.sentences[0]
    assert found.numbers["small/key_2/remove_located"] == pytest.approx(-0.6)
    assert birth_findings.knockouts(made(FakeBirth("never", formed=None))) is None


def test_the_locator_is_scored_before_and_after_training():
    found = birth_findings.locator(made(SMALL))
    # Of 8 + 6 + 8 located values one was not learned; of the 14 in W_O^2 and W_K^2 that one holds no memory.
    assert found.headline == (
        "Of the singular values that the blind locator finds after training, 95.5 % were learned, and 92.9 % hold "
        "known memories where that can be told; in random matrices before it, false alarms in 1 of 9"
    )
    blind, informed, theirs = found.sentences
    assert "11.1 % (1 of 9) of the random matrices, by chance in 2.5 % (so many or more: p = 0.2)" in blind
    assert "precision 0.833, recall 1" in blind
    assert "true or false cannot be told" in blind
    assert "Informed locator, at initialisation" in informed
    assert "0 % (0 of 9)" in informed
    assert "WeightWatcher's rule, at initialisation" in theirs
    assert "by chance" not in theirs  # it promises nothing
    assert (found.numbers["blind/located"], found.numbers["blind/learned"]) == (3 * 22, 3 * 21)
    assert found.numbers["informed/key_2/recall"] == 1


def test_births_that_begin_with_the_same_matrices_are_counted_once():
    twins = made(FakeBirth("one"), FakeBirth("two"), FakeBirth("wide", model={"dimension": 32}))
    assert birth_findings.locator(twins).numbers["blind/initial"] == 2 * 9


def test_a_locator_that_finds_nothing_says_so():
    rows = frames(SMALL)["locations"].assign(n_located=0, n_learned=0, n_true=0.0, precision=np.nan)
    assert birth_findings.locator(made(SMALL, locations=rows)).headline == (
        "The blind locator finds nothing after training; in random matrices before it, false alarms in 0 of 9"
    )


def test_many_births_do_not_flood_the_page():
    births = [FakeBirth(f"b{n}", seeds=(0, 1)) for n in range(7)]
    data = made(*births)
    for finding in (birth_findings.formation(data), birth_findings.knockouts(data), birth_findings.locator(data)):
        assert len(finding.sentences) <= birth_findings.N_NAMED + 2
    assert "Left of the accuracy over 7 births" in " ".join(birth_findings.knockouts(data).sentences)
    assert len(findings.find(data)) == len(findings.find(made())) + 3


def test_no_births_are_not_mentioned():
    data = made()
    assert [make(data) for make in (birth_findings.formation, birth_findings.knockouts, birth_findings.locator)] == [
        None
    ] * 3
