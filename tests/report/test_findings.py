import re

import pytest
from fake_run import BERT, LLAMA, FakeModel, decile_experiment, measurements

from weightspectra.report import findings, summaries


def full(**changes):
    trained = FakeModel("trained", LLAMA, **{"n_layers": 6, "n_above": 4, "n_below": 2, **changes})
    control = FakeModel("control", LLAMA, n_layers=6, n_above=0, n_below=0)
    evaluations = decile_experiment(LLAMA, dear=["down"], layers=range(6))
    return measurements(trained, control, controls={"control": "trained"}, evaluations=evaluations)


def text_of(finding):
    return " ".join([finding.headline, *finding.sentences])


def test_five_findings_with_the_planted_numbers():
    above, below, overlap, cost, rounding = findings.find(full())
    n_values = 6 * (2 * 48 + 2 * 16 + 3 * 48)
    assert above.headline == "More singular values lie above the bulk in trained matrices than in random ones"
    assert above.numbers["trained/n_above"] == 6 * 7 * 4
    assert f"({6 * 7 * 4} of {n_values:,}) in 42 matrices" in text_of(above)
    assert "More than the control in 42 of 42 matrices" in text_of(above)
    assert below.numbers["trained/n_below"] == 6 * 5 * 2
    assert below.numbers["control/n_below"] == 0
    assert "30 rectangular matrices" in text_of(below)
    assert overlap.numbers["trained/prose/above"] == 1
    assert overlap.numbers["trained/prose/below"] == 0.5
    assert overlap.numbers["trained/prose/inside"] == 0
    assert "by chance 0.135 %" in text_of(overlap)
    assert cost.numbers["trained/deciles/n_cuts"] == 70
    assert rounding.headline == "Rounding of the stored weights does not limit these results"


def test_sign_test_is_exact():
    above = findings.above_bulk(full())
    assert above.numbers["trained/p_above"] == pytest.approx(0.5**42)


def test_a_model_like_its_control_is_a_negative_result():
    above, below, *_ = findings.find(full(n_above=0, n_below=0))
    assert above.headline == "Trained matrices have no more singular values above the bulk than random ones"
    assert below.headline == "Trained matrices have no more singular values below the bulk than random ones"
    assert "not significant" in text_of(above)


def test_smallest_tenth_is_named_only_where_it_is_dearer():
    rows = decile_experiment(LLAMA, dear=[])
    cost = findings.removal_cost(measurements(FakeModel("trained", LLAMA), evaluations=rows))
    assert cost.headline == "Removing the smallest tenth costs no more than a middle one in any role"
    rows = decile_experiment(LLAMA, dear=["value"])
    # Raise the planted cost far above the middle deciles (0.05 nats would equal them).
    dear = rows["cut"] == "decile 1 of value"
    rows.loc[dear, "document_nll"] = rows.loc[dear, "document_nll"].map(lambda nll: [x + 20 for x in nll])
    cost = findings.removal_cost(measurements(FakeModel("trained", LLAMA), evaluations=rows))
    assert cost.headline == "Removing the smallest tenth costs more than a middle one in value matrices"
    assert re.search(r"higher in value \(\+2\d\.\d+ ± 0\.\d+ %, p . \S+\)", text_of(cost))


def test_dearest_cut_is_named_with_its_error():
    rows = decile_experiment(["query", "up"])
    cost = findings.removal_cost(measurements(FakeModel("trained"), evaluations=rows))
    worst = rows.loc[rows["difference"].idxmax()]
    assert f"the dearest of 20 cuts is {worst['cut']}" in text_of(cost)
    assert "8 documents" in text_of(cost)


def test_one_document_has_costs_but_no_errors():
    rows = decile_experiment(["up"], n_documents=1)
    cost = findings.removal_cost(measurements(FakeModel("trained"), evaluations=rows))
    assert "no standard errors" in text_of(cost)
    assert "nan" not in text_of(cost)


def test_quantised_weights_hide_their_smallest_values():
    quantised = FakeModel("small", LLAMA, dtype="Q4_1", noise=0.2)
    rounding = findings.find(measurements(quantised, overlaps=False))[-1]
    assert rounding.headline == "Rounding hides the smallest singular values of Small"
    assert "the whole smallest decile of query and attention output lies below the floor" in text_of(rounding)


def test_what_was_not_measured_is_not_mentioned():
    alone = findings.find(measurements(FakeModel("alone", {"query": (48, 48)}, n_above=1), overlaps=False))
    assert [finding.headline.split(" ")[0] for finding in alone] == ["Some", "Rounding"]
    assert "no random control" in alone[0].headline


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
    assert [line[:3] for line in lines if line[:1].isdigit()] == ["1. ", "2. ", "3. ", "4. ", "5. "]
    assert max(map(len, lines)) <= 100
    assert not any(line.lstrip().startswith(("%", "±")) for line in lines)
    assert findings.GLUE not in text


def test_experiments_without_deciles_still_tell_their_costs():
    rows = decile_experiment(BERT).query("decile < 2").copy()
    rows["decile"] = 0
    cost = findings.removal_cost(measurements(FakeModel("trained"), evaluations=rows))
    assert cost.headline == "What removing singular values costs"
