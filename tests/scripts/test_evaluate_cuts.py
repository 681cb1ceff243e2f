"""The evaluate_cuts script: one model, one experiment, one row per cut."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import evaluate_cuts
import evaluate_cuts_job
import fetch_task
import numpy as np
import pytest
import stand_in
import torch
from evaluate_cuts_job import EXPERIMENT, job, write_inputs
from stand_in import Files

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.models import loading


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_llama):
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copytree(tiny_llama, folder / "tiny")
    model = loading.load(tiny_llama, head="causal", dtype=torch.float32, device="cpu", trust_remote_code=False)
    write_inputs(folder, model)
    return folder


@pytest.fixture
def folder(inputs, tmp_path):
    return Path(shutil.copytree(inputs, tmp_path / "job"))


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(folder, **changed):
    smk = job(folder, {**EXPERIMENT, **changed})
    evaluate_cuts.main(smk)
    return contracts.EVALUATIONS.read(smk.output[0])


PERPLEXITIES = ["perplexity_per_token", "perplexity_per_word", "bits_per_byte"]


def test_one_row_per_cut_and_metric_with_the_untouched_model_first(folder):
    rows = run(folder)
    assert list(rows["metric"][:4]) == [*PERPLEXITIES, PERPLEXITIES[0]]
    assert list(rows["cut"][:6]) == ["none"] * 3 + ["below of all matrices"] * 3
    assert len(rows) == 3 * (2 + 2 * 7 * 2)
    assert set(rows["model"]) == {"tiny"} and set(rows["experiment"]) == {"test"}
    found = rows[rows["metric"] == "perplexity_per_token"].set_index("cut")
    assert found.loc["none", "difference"] == 0 and found.loc["none", "difference_se"] == 0
    assert list(found["units"].iloc[0]) == [f"speech {i}" for i in range(4)]
    row = found.loc["decile 10 of layer 1 down"]
    assert (list(row.roles), list(row.layers), row.n_removed, row.decile) == (["down"], [1], 3, 10)
    assert row.value == pytest.approx(np.exp(sum(row.unit_values) / row.n_scored), rel=1e-14)
    assert row.difference == row.value - found.loc["none", "value"]
    assert row.difference != 0 and row.difference_se > 0
    assert row.difference_low < row.difference < row.difference_high
    assert 0 < row.p_value <= row.q_value <= 1
    assert 0.3 < row.removed_energy < 1
    assert found.loc["decile 1 of layer 1 down", "removed_energy"] < 0.01
    assert row.kept_parameters == 29 * (32 + 96) or row.kept_parameters == 32 * 96


def test_words_and_bytes_are_those_of_the_scored_text(folder):
    rows = run(folder, n_windows=99).query("cut == 'none'").set_index("metric")
    texts = [evaluate_cuts_job.TEXT * (i + 1) for i in range(4)]
    weights = {name: list(rows.loc[name, "unit_weights"]) for name in PERPLEXITIES}
    assert weights["perplexity_per_word"] == [len(text.split()) for text in texts]
    assert weights["bits_per_byte"] == [len(text.encode()) for text in texts]
    assert weights["perplexity_per_token"] == weights["bits_per_byte"]  # one token a byte
    total = sum(rows.loc["bits_per_byte", "unit_values"])
    assert rows.loc["bits_per_byte", "value"] == pytest.approx(total / np.log(2) / sum(map(len, texts)), rel=1e-14)


def test_provenance_and_no_journal_remain(folder):
    run(folder)
    output = Path(job(folder).output[0])
    stamp = contracts.read_provenance(output)
    assert stamp["sources"] == {"tiny": {"revision": "r"}} and stamp["device"] == "cpu"
    assert [path.name for path in output.parent.iterdir()] == ["test.parquet"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cuts": [{"remove": {"deciles": [1]}, "layers": [2]}]}, "no layer 2; it has layers 0-1"),
        ({"cuts": [{"remove": {"indices": [0, 16]}}]}, "layer 0 'key' has 16 singular values"),
        ({"window": 5000, "stride": 5000}, "less than one window of 5000"),
        ({"metrics": ["pseudo_perplexity"]}, "'pseudo_perplexity' needs a model that predicts masked tokens"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_the_model_is_loaded(folder, monkeypatch, changed, message):
    monkeypatch.setattr(loading, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(UserError, match=message):
        run(folder, **changed)


def test_a_window_longer_than_the_models_positions_is_refused(folder):
    with pytest.raises(UserError, match="windows of 200 tokens are longer than the 128 positions"):
        run(folder, window=200, stride=200)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_type": "bert"}, "metric 'perplexity' needs a model that predicts the next token"),
        ({"architectures": ["LlamaModel"]}, "needs a checkpoint with a language-model head"),
    ],
)
def test_an_encoder_and_a_missing_head_are_refused(folder, changed, message):
    config = folder / "tiny" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changed))
    with pytest.raises(UserError, match=message):
        run(folder)


def test_a_masked_model_has_pseudo_perplexities(folder, tiny_bert):
    from transformers import BertConfig, BertForMaskedLM

    shutil.rmtree(folder / "tiny")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = BertForMaskedLM(BertConfig.from_pretrained(tiny_bert)).eval()
    model.save_pretrained(folder / "tiny")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, folder / "tiny" / name)
    write_inputs(folder, model)
    cuts = [{"remove": {"deciles": [10]}, "scope": "all"}]
    rows = run(folder, metrics=["pseudo_perplexity"], cuts=cuts, n_windows=4)
    assert list(rows["metric"][:3]) == [f"pseudo_{name}" for name in PERPLEXITIES]
    assert list(rows["cut"][3:]) == ["decile 10 of all matrices"] * 3
    assert (rows["difference"][3:] != 0).all()


@pytest.mark.slow
def test_tasks_and_probes_are_measured_beside_perplexity(folder):
    labels = ["good", "bad"]
    rows = [
        {"data_set": "mood", "split": split, "example": f"{split} {i}", "text": f"it was {labels[i % 2]}, {i}"}
        | {"pair": "", "label": i % 2, "label_name": labels[i % 2], "group": ""}
        for split, count in (("train", 30), ("test", 12))
        for i in range(count)
    ]
    contracts.EXAMPLES.write(rows, folder / "mood.parquet", {})
    files = Files(data_set=[str(folder / "mood.parquet")], tokenizer=[], own=[])
    entry = {"data_set": "mood", "prompt": "{text}. This is"}
    fetch_task.main(
        stand_in.job("fetch_task", files, Files(folder / "asked.parquet"), wildcards={"task": "asked"}, entry=entry)
    )

    cuts = [{"remove": {"deciles": [10]}, "scope": "role", "roles": ["down", "query"]}]
    experiment = {**EXPERIMENT, "tasks": ["asked"], "probes": ["mood"], "cuts": cuts}
    smk = job(folder, experiment, tasks=["asked"], data_sets=["mood"])
    evaluate_cuts.main(smk)
    rows = contracts.EVALUATIONS.read(smk.output[0])
    assert set(rows["metric"]) >= {*PERPLEXITIES, "asked/acc", "asked/auc", "mood/probe_accuracy", "mood/probe_auc"}
    assert set(rows.groupby("metric").size()) == {3}
    accuracy = rows[rows["metric"] == "asked/acc"].iloc[1]
    assert (accuracy.unit, accuracy.n_scored, len(accuracy.units)) == ("item", 12, 12)
    assert accuracy.value == np.mean(accuracy.unit_values)
    auc = rows[rows["metric"] == "asked/auc"].iloc[1]
    assert auc.n_scored == 12 and sorted(set(auc.unit_weights)) == [0, 1]


def test_without_tasks_and_probes_their_libraries_are_not_loaded():
    code = "import sys, evaluate_cuts; sys.exit(bool({'lm_eval', 'sklearn'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


def test_killed_job_resumes_and_gives_the_same_bytes(folder, one_thread, capsys):
    smk = job(folder)
    output = Path(smk.output[0])
    journal = output.with_name(".test.journal")
    process = subprocess.Popen(
        [sys.executable, evaluate_cuts_job.__file__, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 5):
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not output.exists()
    n_finished = journal.read_bytes().count(b"\n")
    assert n_finished >= 5
    n_started = (folder / "started").read_text().count("\n")
    assert n_started - n_finished in (0, 1)  # nothing is lost but what was being measured

    evaluate_cuts.main(smk)
    resumed = output.read_bytes()
    assert f"{n_finished} of 30 cuts were finished before" in capsys.readouterr().err
    assert not journal.exists()
    evaluate_cuts.main(smk)
    assert output.read_bytes() == resumed


@pytest.mark.parametrize("what", ["another experiment", "other inputs"])
def test_a_journal_of_other_work_is_not_used(folder, capsys, what, monkeypatch):
    smk = job(folder)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(contracts.Contract, "write", interrupt)
        evaluate_cuts.main(smk)
    assert Path(smk.output[0]).with_name(".test.journal").exists()
    if what == "another experiment":
        smk.params.experiment = {**EXPERIMENT, "n_windows": 5}
    else:
        bulk = contracts.BULK.read(smk.input.bulk)
        contracts.BULK.write(bulk, smk.input.bulk[0], {"rule": "another"})
    capsys.readouterr()
    evaluate_cuts.main(smk)
    assert "finished before" not in capsys.readouterr().err


def interrupt(*_, **__):
    raise KeyboardInterrupt
