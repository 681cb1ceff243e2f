from dataclasses import replace

import pandas as pd
import pytest
from fake_run import LLAMA, FakeModel, decile_experiment, measurements

from weightspectra.report.finetuning import copy_findings


def data_of(*experiments):
    rows = pd.concat(experiments, ignore_index=True)
    data = measurements(FakeModel("trained", LLAMA), FakeModel("copy", LLAMA), evaluations=rows)
    return replace(data, copies={"copy": "trained"})


@pytest.fixture
def pair():
    before = decile_experiment(["query", "up"], dear=["up"])
    return before, before.assign(model="copy")


def test_equal_results_move_nothing(pair):
    finding = copy_findings.renoised(data_of(*pair))
    assert finding.headline == "With the quantiser's noise added once more, no verdict on 20 cuts moves"
    assert "Rank correlation of the changes: 1.00." in " ".join(finding.sentences)


def test_verdicts_that_move_are_named_with_both_changes(pair):
    before, after = pair
    chosen = after["cut"] == "decile 3 of up"
    after.loc[chosen, ["q_value", "difference"]] = [0.3, 0.011]
    finding = copy_findings.renoised(data_of(before, after))
    assert finding.headline.endswith("1 of 20 verdicts on cuts move")
    assert finding.numbers == {"copy/deciles/n_cuts": 20, "copy/deciles/n_moved": 1}
    text = " ".join(finding.sentences)
    assert "19 of 20 cuts keep their verdict" in text
    assert "decile 3 of up (+0." in text
    assert "→ +0.0110)" in text


def test_a_change_of_sign_is_a_change_of_verdict(pair):
    before, after = pair
    after["difference"] = -after["difference"]
    both = copy_findings.beside(before, after)
    told = before.set_index("cut").loc[both.index, "q_value"] <= 0.05
    assert (both.loc[told, "verdict"] == 1).all()
    assert (both.loc[told, "verdict_of_copy"] == -1).all()


def test_other_experiments_models_and_single_documents_are_not_compared(pair):
    before, after = pair
    assert copy_findings.renoised(data_of(before, after.assign(experiment="other"))) is None
    assert copy_findings.renoised(replace(data_of(before, after), copies={})) is None
    alone = decile_experiment(["up"], n_documents=1)
    assert copy_findings.renoised(data_of(alone, alone.assign(model="copy"))) is None
