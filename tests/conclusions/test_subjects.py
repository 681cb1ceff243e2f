import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
from fake_run import LLAMA, FakeModel, decile_experiment, frames, measurements

from weightspectra import contracts
from weightspectra.conclusions import numbers, subjects
from weightspectra.conclusions.told import TOLD
from weightspectra.contracts.conclusions import BOUNDS, CLAIMS, VERDICTS

PROVENANCE = {"rule": "test", "sources": {}}
OPTIONS = {"controls": {}, "structured": {}, "copies": {}, "window_pairs": (), "seed": 0, "level": 0.05}


def told(subject):
    return {name: OPTIONS[name] for name in TOLD.get(subject, ())}


@pytest.fixture(scope="module")
def rows():
    trained, control = FakeModel("trained", LLAMA, n_layers=6), FakeModel("control", LLAMA, n_layers=6, n_above=0)
    evaluations = decile_experiment(LLAMA, layers=range(6))
    return measurements(trained, control, controls={"control": "trained"}, evaluations=evaluations).findings


def test_rows_keep_to_their_vocabularies(rows):
    assert set(rows["claim"]) <= set(CLAIMS)
    assert set(rows["verdict"]) <= set(VERDICTS)
    assert set(rows["bound"]) <= set(BOUNDS)
    assert set(rows["subject"]) <= set(subjects.SUBJECTS)
    tested = rows[rows["family"] != ""]
    assert (rows.loc[rows["verdict"] == "cannot be told", "why"] != "").all()
    assert tested["level"].notna().all()
    assert (rows["low"].isna() | (rows["low"] <= rows["high"])).all()


def test_rows_can_be_written_and_name_one_conclusion_each(rows, tmp_path):
    contracts.FINDINGS.write(rows, tmp_path / "findings.parquet", PROVENANCE)
    again = contracts.FINDINGS.read(tmp_path / "findings.parquet")
    names = [name for name in again if name not in ("names", *list(again)[list(again).index("number") :])]
    assert not again.duplicated(names).any()


def test_a_subject_reads_no_more_than_it_needs(tmp_path):
    found = frames(FakeModel("trained"))
    for name in ("bulk", "matrices"):
        contract = next(contract for contract in contracts.ALL if contract.name == name)
        contract.write(found[name], tmp_path / f"{name}.parquet", PROVENANCE)
    files = {name: [str(tmp_path / f"{name}.parquet")] for name in ("bulk", "matrices")}
    read = subjects.conclude("bounds", files, told("bounds"))
    assert len(read) == len(
        subjects.SUBJECTS["bounds"].conclude(found["bulk"], found["matrices"], controls={}, structured={})
    )


@pytest.mark.parametrize("subject", subjects.SUBJECTS)
def test_nothing_measured_is_nothing_concluded(subject):
    assert subjects.conclude(subject, {}, told(subject)).empty


@pytest.mark.parametrize("subject", subjects.SUBJECTS)
def test_a_subject_is_told_what_it_takes_and_no_more(subject):
    taken = inspect.signature(subjects.SUBJECTS[subject].conclude).parameters.keys()
    assert taken == subjects.SUBJECTS[subject].reads.keys() | set(TOLD.get(subject, ()))


def test_numbers_are_strict_json(rows):
    broken = rows.head(3).assign(number=[np.inf, np.nan, 0.5])

    def refuse(constant):
        raise AssertionError(constant)

    found = json.loads(numbers.to_json(broken), parse_constant=refuse)
    assert found["contract"] == "findings/1"
    assert [one["number"] for one in found["findings"]] == [None, None, 0.5]
    assert found["findings"][0]["claim"] == rows["claim"].iloc[0]
    assert found["findings"][0]["names"] == []


def test_neither_torch_nor_transformers_nor_drawing_is_imported():
    code = "import sys; import weightspectra.conclusions.subjects; print(*sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert not {"torch", "transformers", "matplotlib"} & set(loaded.stdout.split())
