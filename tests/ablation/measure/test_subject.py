"""What is made ready for an experiment: metrics on the text and in the windows asked for, a model with its head."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from weightspectra.ablation.choose.cuts import PlannedCut
from weightspectra.ablation.edit.truncation import Removal, Stored
from weightspectra.ablation.measure import subject
from weightspectra.ablation.measure.perplexity import window_nll
from weightspectra.ablation.measure.pseudo_perplexity import PseudoPerplexity
from weightspectra.ablation.settings import Experiment
from weightspectra.activations.windows import evaluation_windows, masked_windows
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.models import live, loading

SAMPLING = {"window": 16, "stride": 6, "n_windows": 1000}
EXPERIMENT = {
    **{"models": ["llama"], "corpus": "texts", "cuts": [{"remove": {"deciles": [1]}}]},
    **{"metrics": ["perplexity"], "tasks": [], "probes": [], **SAMPLING},
    **{"batch_size": 4, "bos": True, "dtype": "float32"},
}
TEXTS = {"one": "the cat sat on the mat", "two": "and saw two dogs run by", "three": "red barns"}
CORPUS = pd.DataFrame(
    [
        {"part": "observe", "document": "zero", "text": "what was observed is not scored"},
        *({"part": "evaluate", "document": name, "text": text} for name, text in TEXTS.items()),
    ]
)
STORED = Stored(lambda key: np.zeros(0))


def metrics(tokenizer, *, cuts=(), corpus=CORPUS, tasks=None, data_sets=(), **changed):
    given = {"cuts": cuts, "device": "cpu", "corpus": corpus, "tasks": tasks or {}, "data_sets": data_sets}
    return subject.load_metrics(Experiment.model_validate({**EXPERIMENT, **changed}), tokenizer, **given)


def model_of(folder, **changed):
    options = {"device": "cpu", "trust_remote_code": False, "fused_split": "interleaved"}
    return subject.load_subject(folder, Experiment.model_validate({**EXPERIMENT, **changed}), STORED, **options)


@pytest.mark.parametrize("bos", [True, False])
def test_the_documents_to_evaluate_are_scored_in_the_windows_asked_for(tiny_llama, bos):
    tokenizer, model = loading.load_tokenizer(tiny_llama), model_of(tiny_llama).model
    [metric] = metrics(tokenizer, bos=bos)
    found = metric.measure(model)[0]
    windows = evaluation_windows(TEXTS, tokenizer, **SAMPLING, bos=bos)
    nll = window_nll(model, windows, batch_size=4)
    expected = [sum(nll[n] for n, window in enumerate(windows) if window.document == name) for name in TEXTS]
    assert (found.metric, list(found.units)) == ("perplexity_per_token", list(TEXTS))
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)
    assert list(found.weights) == [len(text) - (not bos) for text in TEXTS.values()]  # a token a byte


def test_blocks_before_a_cut_to_come_run_once(tiny_llama):
    model = model_of(tiny_llama).model
    cut = PlannedCut("late", "role", "the first", 0, {MatrixKey(1, "up"): Removal(np.array([0]), 96, 32)}, "")
    [metric] = metrics(loading.load_tokenizer(tiny_llama), cuts=[cut])
    runs = []
    model.model.layers[0].mlp.register_forward_hook(lambda *_: runs.append(0))
    untouched = metric.measure(model, 2)[0]
    assert len(runs) == 2  # batches
    np.testing.assert_allclose(metric.measure(model, 1)[0].values, untouched.values, rtol=1e-6)
    assert len(runs) == 2 + 1  # for the comparison with the whole model


def test_masked_models_are_scored_in_windows_of_their_own(tiny_bert):
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = loading.load_tokenizer(tiny_bert)
    torch.manual_seed(1)
    model = BertForMaskedLM(BertConfig.from_pretrained(tiny_bert)).eval()
    [metric] = metrics(tokenizer, metrics=["pseudo_perplexity"])
    windows = masked_windows(TEXTS, tokenizer, **SAMPLING)
    expected = PseudoPerplexity(windows, TEXTS, tokenizer, batch_size=4).measure(model)
    for one, other in zip(metric.measure(model), expected, strict=True):
        assert (one.metric, list(one.units)) == (other.metric, list(other.units))
        np.testing.assert_allclose(one.values, other.values, rtol=1e-6)


def test_tasks_and_probes_have_the_names_of_their_entries(monkeypatch, tmp_path):
    from weightspectra.ablation.tasks import asking

    read = []

    def load_tasks(folder, rows):
        read.append((folder.name, [row["leaf"] for row in rows]))
        return [SimpleNamespace(settings={"task": row["leaf"]}) for row in rows]

    monkeypatch.setattr(asking, "load_tasks", load_tasks)
    tables = {
        tmp_path / "first": pd.DataFrame({"task": "quiz", "leaf": ["a", "b"]}),
        tmp_path / "second": pd.DataFrame({"task": "riddles", "leaf": ["c"]}),
    }
    labelled = {
        **{"split": 20 * ["train"] + 4 * ["test"], "example": [f"e{n}" for n in range(24)], "text": "a b", "pair": ""},
        **{"label": [0, 1] * 12, "label_name": ["no", "yes"] * 12, "group": ""},
    }
    data_sets = [pd.DataFrame({"data_set": name, **labelled}) for name in ("reviews", "moods")]
    found = metrics(None, corpus=None, tasks=tables, data_sets=data_sets, metrics=[])
    assert [metric.name for metric in found[:2]] == ["quiz", "riddles"]
    assert read == [("first", ["a", "b"]), ("second", ["c"])]
    assert [metric.data_set for metric in found[2:]] == ["reviews", "moods"]


def test_a_model_has_the_head_and_the_format_that_its_experiment_asks_for(tiny_llama):
    scored = model_of(tiny_llama, dtype="bfloat16")
    assert scored.model.lm_head.weight.dtype == torch.bfloat16
    assert scored.stored is STORED
    assert hasattr(model_of(tiny_llama, metrics=[], tasks=["quiz"]).model, "lm_head")
    bare = model_of(tiny_llama, metrics=[])
    assert not hasattr(bare.model, "lm_head")
    expected = live.matrices(loading.load(tiny_llama))
    assert list(bare.matrices) == list(expected)
    for key, matrix in expected.items():
        assert torch.equal(bare.matrices[key].read(), matrix.read())


def test_windows_are_held_against_the_model_where_text_is_scored(tiny_llama):
    model_of(tiny_llama, window=128)
    with pytest.raises(UserError, match="windows of 129 tokens are longer than the 128 positions"):
        model_of(tiny_llama, window=129)
    model_of(tiny_llama, window=129, metrics=[], probes=["reviews"])
