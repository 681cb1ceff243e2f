import re

import pytest
from fake_run import BERT, LLAMA, FakeModel, decile_experiment, measurements

from weightspectra.report.cuts import cut_findings
from weightspectra.report.kit import findings
from weightspectra.report.spectra import noise_findings, summaries


def full(**changes):
    trained = FakeModel("trained", LLAMA, **{"n_layers": 6, "n_above": 4, "n_below": 2, **changes})
    control = FakeModel("control", LLAMA, n_layers=6, n_above=0, n_below=0)
    evaluations = decile_experiment(LLAMA, dear=["down"], layers=range(6))
    return measurements(trained, control, controls={"control": "trained"}, evaluations=evaluations)


def text_of(finding):
    return " ".join([finding.headline, *finding.sentences])


def test_six_findings_with_the_planted_numbers():
    above, below, ends, overlap, cost, rounding = findings.find(full())
    n_values = 6 * (2 * 48 + 2 * 16 + 3 * 48)
    assert above.headline == "More singular values lie above the bulk in trained matrices than in random ones"
    assert above.numbers["trained/n_above"] == 6 * 7 * 3
    assert f"({6 * 7 * 3} of {n_values:,}) in 42 matrices" in text_of(above)
    assert "More than the control in 42 of 42 matrices" in text_of(above)
    assert below.numbers["trained/n_below"] == 6 * 5 * 1
    assert below.numbers["control/n_below"] == 0
    assert "More than the control in 30 of 42 matrices" in text_of(below)
    assert ends.headline.startswith("At both ends of the spectra")
    assert overlap.numbers["trained/prose/above"] == 1
    assert overlap.numbers["trained/prose/below"] == 0.5
    assert overlap.numbers["trained/prose/inside"] == 0
    assert "by chance 0.135 %" in text_of(overlap)
    assert cost.numbers["trained/deciles/n_cuts"] == 70
    assert rounding.headline == "Rounding of the stored weights does not limit these results"


def test_sign_test_is_exact():
    above = noise_findings.above_bulk(full())
    assert above.numbers["trained/p_above"] == pytest.approx(0.5**42)


def test_a_handful_of_matrices_is_no_negative_result():
    few = {"query": (48, 48), "value": (48, 48)}
    trained, control = FakeModel("trained", few, n_layers=3), FakeModel("control", few, n_layers=3, n_above=0)
    data = measurements(trained, control, controls={"control": "trained"})
    above = noise_findings.above_bulk(data)
    assert above.headline == "Some singular values lie above the bulk (too few matrices to test against random ones)"
    assert "More than the control in 6 of 6 matrices (sign test, too few to be significant, p = 0.016)" in text_of(
        above
    )
    ends = noise_findings.informative_ends(data)
    assert ends.headline.endswith("(too few matrices to test against random ones)")


def test_matrices_that_training_never_touched_say_nothing():
    data = full()
    first = data.matrices["layer"] == 0
    data.matrices.loc[first, "sha256"] = data.matrices.loc[first, "role"]
    assert len(data.unchanged("trained")) == 7
    assert "More than the control in 35 of 35 matrices that training changed" in text_of(
        noise_findings.above_bulk(data)
    )
    assert full().unchanged("trained") == set()


def test_a_model_like_its_control_is_a_negative_result():
    above, below, ends, *_ = findings.find(full(n_above=0, n_below=0))
    assert ends.headline == "Noise explains the ends of trained spectra as well as those of random ones"
    assert "singular vectors that are no random directions (false discovery rate 5 %): 0 % (0 of" in text_of(ends)
    assert above.headline == "Trained matrices have no more singular values above the bulk than random ones"
    assert below.headline == "Trained matrices have no more singular values below the bulk than random ones"
    assert "not significant" in text_of(above)


def test_smallest_tenth_is_named_only_where_it_is_dearer():
    rows = decile_experiment(LLAMA, dear=[])
    cost = cut_findings.removal_cost(measurements(FakeModel("trained", LLAMA), evaluations=rows))
    assert cost.headline == "Removing the smallest tenth costs significantly more than a middle one in no role"
    rows = decile_experiment(LLAMA, dear=["value"])
    # Raise the planted cost far above the middle deciles (0.05 nats would equal them).
    dear = rows["cut"] == "decile 1 of value"
    rows.loc[dear, "unit_values"] = rows.loc[dear, "unit_values"].map(lambda nll: [x + 20 for x in nll])
    cost = cut_findings.removal_cost(measurements(FakeModel("trained", LLAMA), evaluations=rows))
    assert cost.headline == "Removing the smallest tenth costs significantly more than a middle one in value matrices"
    assert re.search(r"higher in value \(\+2\d\.\d+ ± 0\.\d+ %, p . \S+\)", text_of(cost))


def test_dearest_cut_is_named_with_its_error():
    rows = decile_experiment(["query", "up"])
    cost = cut_findings.removal_cost(measurements(FakeModel("trained"), evaluations=rows))
    worst = rows.loc[rows["difference"].idxmax()]
    assert f"the dearest of 20 cuts is {worst['cut']}" in text_of(cost)
    assert "8 documents" in text_of(cost)


def test_one_document_has_costs_but_no_errors():
    rows = decile_experiment(["up"], n_documents=1)
    cost = cut_findings.removal_cost(measurements(FakeModel("trained"), evaluations=rows))
    assert "1 document cannot show" in text_of(cost)
    assert "nan" not in text_of(cost)


def test_quantised_weights_hide_their_smallest_values():
    quantised = FakeModel("small", LLAMA, dtype="Q4_1", noise=0.2)
    rounding = findings.find(measurements(quantised, overlaps=False))[-1]
    assert rounding.headline == "Rounding hides the smallest singular values of Small"
    assert "the whole smallest decile of query and attention output lies below the floor" in text_of(rounding)


def test_what_was_not_measured_is_not_mentioned():
    alone = findings.find(measurements(FakeModel("alone", {"query": (48, 48)}, n_above=1), overlaps=False))
    assert [finding.headline.split(" ")[0] for finding in alone] == ["No", "No", "What", "Rounding"]
    assert all("no random control" in finding.headline for finding in alone[:3])


@pytest.mark.parametrize(
    ("aligned", "headline"),
    [
        ([], "No singular vectors overlap with the data more often than chance"),
        (["above"], "Singular vectors above the bulk overlap with the data more often than those inside"),
        (["below"], "Singular vectors below the bulk overlap with the data more often than those inside"),
        (["above", "below"], "Singular vectors outside the bulk, at both ends, overlap"),
        (["above", "inside"], "Overlap with the data is not confined"),
    ],
)
def test_overlap_headline_says_who_overlaps_more_than_the_bulk(aligned, headline):
    data = full()
    place = summaries.positioned(data.overlaps, data.bulk)["position"]
    data.overlaps["overlap"] = data.overlaps["null_median"].where(~place.isin(aligned), 0.9)
    assert findings.data_overlap(data).headline.startswith(headline)


def test_roles_without_significant_overlap_are_named():
    data = full()
    rows = data.overlaps
    rows.loc[rows["role"] == "attention_output", "overlap"] = rows["null_median"]
    overlap = findings.data_overlap(data)
    assert "but not in attention output" in text_of(overlap)


def test_markdown_is_numbered_and_at_most_100_columns_wide():
    text = findings.to_markdown(findings.find(full()))
    lines = text.splitlines()
    assert [line[:3] for line in lines if line[:1].isdigit()] == ["1. ", "2. ", "3. ", "4. ", "5. ", "6. "]
    assert max(map(len, lines)) <= 100
    assert not any(line.lstrip().startswith(("%", "±")) for line in lines)
    assert findings.GLUE not in text


def test_experiments_without_deciles_still_tell_their_costs():
    rows = decile_experiment(BERT).query("decile < 2").copy()
    rows["decile"] = 0
    cost = cut_findings.removal_cost(measurements(FakeModel("trained"), evaluations=rows))
    assert cost.headline == "What removing singular values costs"


def test_what_chance_and_unequal_variances_give_is_said_beside_the_counts():
    above = noise_findings.above_bulk(full())
    assert "Unequal variances of rows and columns explain 42 of the 126." in text_of(above)
    assert above.numbers["trained/n_above_explained"] == 42
    # 2.5 % of 42 matrices, and no control has a value beyond its bounds.
    assert "By chance 2.5 % of matrices have any value above the bound, 1.1 of these 42; of 42 random ones 0 do." in (
        text_of(above)
    )


def test_informative_ends_have_the_planted_shares_and_roles():
    ends = noise_findings.informative_ends(full(n_above=2, n_below=2))
    # Of a tenth of 48 values (4) and of 16 (1), two are planted; below, in no square matrix.
    assert ends.numbers["trained/largest tenth"] == pytest.approx((5 * 0.5 + 2 * 1) / 7)
    assert ends.numbers["trained/smallest tenth"] == pytest.approx((3 * 0.5 + 2 * 1) / 7)
    assert ends.numbers["trained/largest tenth/p"] == pytest.approx(0.5**42)
    assert ends.numbers["trained/smallest tenth/p"] == pytest.approx(0.5**30)
    text = text_of(ends)
    assert "in the largest tenth noise does not explain 64.3 % of the directions (most: key 100.0 %" in text or (
        "in the largest tenth noise does not explain 64.3 % of the directions (most: value 100.0 %" in text
    )
    assert (
        "the 95 % interval is beyond 0 in 30 of 42 matrices; random control 0 %, beyond 0 in 0 of 42 matrices" in text
    )
    # Two leading vectors on each side everywhere, two trailing ones on the right of rectangular matrices.
    n_vectors = 6 * (5 * 48 + 2 * 16)
    assert f"({6 * 7 * 2 * 2 + 6 * 5 * 2} of {2 * n_vectors:,})" in text


@pytest.mark.parametrize(
    ("n_above", "n_below", "headline"),
    [
        (3, 0, "The largest singular values hold directions that noise does not explain; the smallest not"),
        (0, 3, "The smallest singular values hold directions that noise does not explain; the largest not"),
    ],
)
def test_headline_names_the_end_that_differs_from_the_control(n_above, n_below, headline):
    ends = noise_findings.informative_ends(full(n_above=n_above, n_below=n_below))
    assert ends.headline.startswith(headline)


def test_it_is_said_where_the_rest_of_the_bulk_is_no_noise_either():
    above = noise_findings.above_bulk(full())
    # The first of six layers does not fit.
    assert "follow the law of noise in 35 of 42 matrices (random control: 42 of 42); where they do not" in text_of(
        above
    )
    fitting = noise_findings.above_bulk(full(n_above=0))
    assert "follow the law of noise in 42 of 42 matrices (random control: 42 of 42)." in text_of(fitting)
