"""Tasks asked of a model in memory: equal to lm-eval's own numbers, restored exactly, and nothing run unasked."""

import copy
import json
import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn import metrics as sklearn_metrics

from weightspectra.ablation.settings import Task
from weightspectra.ablation.tasks import task_files
from weightspectra.ablation.tasks.asking import Tasks, load_tasks
from weightspectra.ablation.tasks.choices import CONTENT_FREE, calibrated
from weightspectra.ablation.tasks.harness import LiveModel, check_requests, quiet_lm_eval
from weightspectra.ablation.tasks.item_scores import item_scores
from weightspectra.base.errors import UserError
from weightspectra.statistics import paired

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "dogs", "run", "by", "red", "barns"]


@pytest.fixture(scope="module")
def model_and_tokenizer(tiny_llama):
    from weightspectra.models import loading

    return loading.load(tiny_llama, head="causal"), loading.load_tokenizer(tiny_llama)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.getaddrinfo", refuse)


def write_rows(folder, split, rows):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def sentence(rng, length):
    return " ".join(rng.choice(WORDS, length))


@pytest.fixture
def copies(tmp_path):
    """Stand-ins for the data of tasks that lm-eval brings, under their ids."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "copies"
    boolq = [{"question": sentence(rng, 3), "passage": sentence(rng, 5), "idx": i, "label": i % 2} for i in range(12)]
    for split in ("train", "validation"):
        write_rows(folder / "aps" / "super_glue", split, boolq)
    sums = [{"question": f"{i}+1", "answer": f"it is\n#### {i + 1}"} for i in range(6)]
    for split in ("train", "test"):
        write_rows(folder / "openai" / "gsm8k", split, sums)
    pages = [{"page": sentence(rng, length)} for length in (4, 60, 25)]
    for split in ("train", "validation", "test"):
        write_rows(folder / "EleutherAI" / "wikitext_document_level", split, pages)
    write_rows(folder / "EleutherAI" / "lambada_openai", "test", [{"text": sentence(rng, 6)} for _ in range(7)])
    shots = [{"activity_label": "a", "ctx_a": sentence(rng, 3), "ctx_b": "it", "label": str(i % 4)} for i in range(6)]
    for row in shots:
        row["endings"] = [sentence(rng, length) for length in (1, 2, 3, 1)]
    for split in ("train", "validation"):
        write_rows(folder / "Rowan" / "hellaswag", split, shots)
    return folder


def write_task(folder, name, rows, **changed):
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder, name, rows)
    settings = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / f"{name}.jsonl")}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_text": "q",
        "doc_to_target": "a",
        "doc_to_choice": ["yes", "no"],
        **changed,
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


def asked(tmp_path, name, entry, tokenizer, **made_from):
    rows = task_files.prepare(name, Task(**{"allow_code": True, **entry}), tmp_path / "tasks" / name, **made_from)
    return Tasks(name, load_tasks(tmp_path / "tasks" / name, rows), tokenizer, batch_size=4)


def values(measurements):
    return {each.metric: paired.estimate(each.statistic, each.values, each.weights) for each in measurements}


def by_lm_eval(tasks, model, tokenizer, n_shots=None, limit=None):
    """What ``simple_evaluate`` reports of the same tasks, with errors and all."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    resolved = [each.task for each in tasks._tasks.values()]
    with quiet_lm_eval():
        live = LiveModel(model, tokenizer, batch_size=4, max_length=tasks._settings["max_length"])
        options = {"limit": limit, "num_fewshot": n_shots, "task_manager": TaskManager(include_defaults=False)}
        found = lm_eval.simple_evaluate(live, tasks=resolved, bootstrap_iters=0, **options)
    return {
        (task, key.removesuffix(",none")): value
        for task, scores in found["results"].items()
        for key, value in scores.items()
        if "," in key and "stderr" not in key
    }


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("boolq", {"n_shots": 2}, {"acc"}),
        ("hellaswag", {}, {"acc", "acc_norm"}),
        ("wikitext", {}, {"word_perplexity", "byte_perplexity", "bits_per_byte"}),
        ("lambada_openai", {}, {"perplexity", "acc"}),
        (
            "gsm8k",
            {"n_shots": 1, "limit": 3, "max_length": 420},
            {"exact_match,strict-match", "exact_match,flexible-extract"},
        ),
    ],
)
def test_every_number_is_lm_evals(tmp_path, copies, model_and_tokenizer, name, entry, expected):
    model, tokenizer = model_and_tokenizer
    tasks = asked(tmp_path, name, {"name": name, "data": str(copies), **entry}, tokenizer)
    measured = tasks.measure(model)
    found = values(measured)
    reference = by_lm_eval(tasks, model, tokenizer, entry.get("n_shots"), entry.get("limit"))
    assert set(found) == {f"{name}/{metric}" for metric in expected}
    for (_, metric), value in reference.items():
        assert found[f"{name}/{metric}"] == pytest.approx(value, rel=1e-12, abs=1e-12), metric
    assert [each.read["unknown_tokens"] for each in measured] == [0.0] * len(measured)
    again = tasks.measure(model)
    for one, other in zip(measured, again, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


def test_the_share_of_unknown_tokens_stands_beside_every_score(tmp_path, model_and_tokenizer):
    """In one task one token of 46 is not known; what is averaged over both has the larger share."""
    model, tokenizer = model_and_tokenizer
    own = tmp_path / "own"
    for name, question in (("known", "a" * 44), ("holes", "a" * 43 + "e")):
        write_task(own, name, [{"q": question, "a": 0}] * 2, metric_list=[{"metric": "acc"}], doc_to_choice=["b", "c"])
    group = {"group": "both", "task": ["known", "holes"], "aggregate_metric_list": [{"metric": "acc"}]}
    (own / "both.yaml").write_text(yaml.safe_dump(group))
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.unk_token = "e"
    tasks = asked(tmp_path, "both", {"file": str(own / "both.yaml")}, tokenizer)
    shares = {each.metric: each.read["unknown_tokens"] for each in tasks.measure(model)}
    assert shares == {"both/acc": 1 / 46, "both/acc/known": 0.0, "both/acc/holes": 1 / 46}


def test_a_restored_model_gives_the_same_numbers_and_a_cut_one_others(tmp_path, copies, model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    tasks = asked(tmp_path, "wikitext", {"name": "wikitext", "data": str(copies)}, tokenizer)
    weight = model.model.layers[0].mlp.down_proj.weight
    before, original = tasks.measure(model), weight.detach().clone()
    with torch.no_grad():
        weight.zero_()
        changed = tasks.measure(model)
        weight.copy_(original)
    restored = tasks.measure(model)
    for first, other, last in zip(before, changed, restored, strict=True):
        assert list(first.units) == list(other.units) == ["0", "1", "2"]
        assert first.unit == "document"
        np.testing.assert_array_equal(first.values, last.values)
        assert (first.values != other.values).all()


def test_a_text_begins_after_one_beginning_of_sequence_token(tmp_path, copies, model_and_tokenizer):
    """Against the model's own loss; lm-eval left alone would score the token given itself."""
    model, tokenizer = model_and_tokenizer
    tasks = asked(tmp_path, "wikitext", {"name": "wikitext", "data": str(copies)}, tokenizer)
    [measured] = [each for each in tasks.measure(model) if each.metric == "wikitext/word_perplexity"]
    page = json.loads((copies / "EleutherAI" / "wikitext_document_level" / "test.jsonl").read_text().splitlines()[0])
    ids = torch.tensor([tokenizer(page["page"]).input_ids])
    assert ids[0, 0] == tokenizer.bos_token_id and ids[0, 1] != tokenizer.bos_token_id
    with torch.inference_mode():
        loss = float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
    assert measured.values[0] == pytest.approx(loss, rel=1e-6)
    assert measured.weights[0] == len(page["page"].split())


def test_keys_are_kept_while_text_is_generated_and_only_then(tmp_path, copies, model_and_tokenizer, monkeypatch):
    model, tokenizer = model_and_tokenizer
    entry = {"name": "gsm8k", "data": str(copies), "limit": 1, "n_shots": 0, "max_length": 330}
    tasks = asked(tmp_path, "gsm8k", entry, tokenizer)
    lengths = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda *a, **k: lengths.append(k["input_ids"].shape[1]) or forward(*a, **k))
    tasks.measure(model)
    assert lengths.count(1) > len(lengths) - 4  # after the prompt, one token at a time
    assert model.config.use_cache is False


def examples(n=40):
    rng = np.random.default_rng(0)
    rows = [
        {"data_set": "films", "split": split, "example": f"{split}-{i}", "text": sentence(rng, 4), "pair": ""}
        | {"label": i % 2, "label_name": ("bad", "good")[i % 2], "group": ""}
        for split in ("train", "test")
        for i in range(n)
    ]
    return pd.DataFrame(rows)


def answers(model, tokenizer, prompt, names):
    """Log-likelihood of each name after a prompt, one forward pass each."""
    found = []
    for name in names:
        start, whole = (tokenizer(text, return_tensors="pt").input_ids for text in (prompt, f"{prompt} {name}"))
        scores = model(input_ids=whole).logits[0].double().log_softmax(-1)
        targets = whole[0, start.shape[1] :]
        found.append(float(scores[start.shape[1] - 1 : -1].gather(1, targets[:, None]).sum()))
    return found


def test_a_data_set_gives_accuracy_calibrated_accuracy_and_auc(tmp_path, model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    entry = {"data_set": "films", "prompt": "{text}\nIt is", "limit": 30}
    tasks = asked(tmp_path, "films", entry, tokenizer, examples=examples())
    measured = {each.metric: each for each in tasks.measure(model)}
    asked_about = examples().query("split == 'test'").head(30)
    with torch.inference_mode():
        lls = np.array([answers(model, tokenizer, f"{text}\nIt is", ["bad", "good"]) for text in asked_about["text"]])
        free = np.array([answers(model, tokenizer, f"{text}\nIt is", ["bad", "good"]) for text in CONTENT_FREE])
    labels = asked_about["label"].to_numpy()
    bias = np.mean([np.exp(row) / np.exp(row).sum() for row in free], axis=0)
    found = values(measured.values())
    assert found == {
        "films/acc": pytest.approx(np.mean(lls.argmax(1) == labels)),
        "films/acc_calibrated": pytest.approx(np.mean((np.exp(lls) / bias).argmax(1) == labels)),
        "films/auc": pytest.approx(sklearn_metrics.roc_auc_score(labels, lls[:, 1] - lls[:, 0])),
    }
    assert {tuple(each.units) for each in measured.values()} == {tuple(asked_about["example"])}
    assert set(measured["films/acc"].values) <= {0.0, 1.0}


def test_texts_of_one_group_count_as_one_unit_of_a_mean(tmp_path, model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    texts = examples(12)
    grouped = texts.assign(group=[f"speech {number % 5}" for number in range(len(texts))])
    entry = {"data_set": "films", "prompt": "{text}\nIt is"}
    alone = values(asked(tmp_path, "films", entry, tokenizer, examples=texts).measure(model))
    together = asked(tmp_path, "films", entry, tokenizer, examples=grouped).measure(model)
    assert values(together) == pytest.approx(alone, rel=1e-12)
    sizes = grouped.query("split == 'test'").groupby("group").size()
    for each in together:
        if each.statistic == "mean":
            assert dict(zip(each.units, each.weights, strict=True)) == dict(sizes)
        else:
            assert len(each.units) == 12


def test_calibration_takes_a_constant_bias_out():
    rng = np.random.default_rng(1)
    lls, bias = rng.normal(size=(50, 3)), np.array([3.0, -1.0, 0.5])
    fair = calibrated(lls, np.zeros((2, 3)))
    np.testing.assert_array_equal(calibrated(lls + bias, np.tile(bias, (2, 1))).argmax(1), fair.argmax(1))
    assert ((lls + bias).argmax(1) != lls.argmax(1)).any()


@pytest.mark.parametrize("weight_by_size", [True, False])
def test_a_group_is_averaged_as_it_asks(tmp_path, model_and_tokenizer, weight_by_size):
    model, tokenizer = model_and_tokenizer
    rng = np.random.default_rng(2)
    own = tmp_path / "own"
    metrics = {"small": [{"metric": "acc"}, {"metric": "acc_norm"}]}
    metrics["large"] = [*metrics["small"], {"metric": "acc_bytes"}]
    for name, n in (("small", 3), ("large", 9)):
        write_task(own, name, [{"q": sentence(rng, 2), "a": i % 2} for i in range(n)], metric_list=metrics[name])
    group = {"group": "both", "task": ["small", "large"]}
    group["aggregate_metric_list"] = [{"metric": "acc", "weight_by_size": weight_by_size}]
    (own / "both.yaml").write_text(yaml.safe_dump(group))
    measured = asked(tmp_path, "both", {"file": str(own / "both.yaml")}, tokenizer).measure(model)
    found = values(measured)
    parts = [found["both/acc/small"], found["both/acc/large"]]
    # what both have is averaged alike, what one of them lacks is not
    assert {name for name in found if name.count("/") == 1} == {"both/acc", "both/acc_norm"}
    assert len(found) == 2 + 2 + 3
    assert found["both/acc"] == pytest.approx(np.average(parts, weights=[3, 9] if weight_by_size else None))
    [whole] = [each for each in measured if each.metric == "both/acc"]
    assert whole.units[0] == "small/0" and len(set(whole.units)) == 12


def test_scores_that_a_task_logs_beside_its_metrics_are_kept_and_marked(tmp_path, model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    file = write_task(
        tmp_path / "own", "logging", [{"q": "a b", "a": 0}, {"q": "c", "a": 1}], metric_list=[{"metric": "acc"}]
    )
    (tmp_path / "own" / "scoring.py").write_text(
        "def score(doc, results):\n    lls = [ll for ll, _ in results]\n"
        "    beside = {'length': len(doc['q']), 'what': 'text'}\n"
        "    return {'acc': 1.0, 'margin': lls[0] - lls[1], 'aux': beside, 'note': doc['q']}\n"
    )
    with file.open("a") as stream:
        stream.write("process_results: !function scoring.score\n")
    measured = asked(tmp_path, "logging", {"file": str(file)}, tokenizer).measure(model)
    assert {each.metric for each in measured} == {"logging/acc", "logging/margin (aux)", "logging/aux.length (aux)"}
    assert values(measured)["logging/aux.length (aux)"] == 2.0


def test_a_length_without_documents_has_no_score(tmp_path, model_and_tokenizer):
    """RULER's tasks log -1 for the lengths that were not asked for."""
    model, tokenizer = model_and_tokenizer
    aggregation = {"aggregation": "mean", "higher_is_better": True}
    lengths = [{"metric": length, **aggregation} for length in ("4096", "8192")]
    file = write_task(tmp_path / "own", "long", [{"q": "a b", "a": 0}, {"q": "c", "a": 1}], metric_list=lengths)
    (tmp_path / "own" / "scoring.py").write_text(
        "def score(doc, results):\n    return {'4096': -1.0, '8192': float(doc['a'])}\n"
    )
    with file.open("a") as stream:
        stream.write("process_results: !function scoring.score\n")
    assert values(asked(tmp_path, "long", {"file": str(file)}, tokenizer).measure(model)) == {"long/8192": 0.5}


RUNNING = """
from pathlib import Path

def run(references, predictions, **_):
    import os
    Path(__file__).with_name('ran').write_text(os.environ['HF_ALLOW_CODE_EVAL'] + predictions[0][0])
    return 1.0
"""


def test_a_program_is_run_with_the_opt_in_only(tmp_path, model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    settings = {
        "output_type": "generate_until",
        "unsafe_code": True,
        "generation_kwargs": {"max_gen_toks": 3, "until": []},
    }
    file = write_task(tmp_path / "own", "coding", [{"q": "def f", "a": "x"}], doc_to_choice=None, **settings)
    (tmp_path / "own" / "running.py").write_text(RUNNING)
    with file.open("a") as stream:
        stream.write("metric_list: [{metric: !function running.run, aggregation: mean, higher_is_better: true}]\n")
    with pytest.raises(UserError, match="run_generated_code: true"):
        asked(tmp_path, "coding", {"file": str(file)}, tokenizer)
    tasks = asked(tmp_path, "coding", {"file": str(file), "run_generated_code": True}, tokenizer)
    ran = tmp_path / "tasks" / "coding" / "own" / "ran"
    assert not ran.exists()
    assert values(tasks.measure(model)) == {"coding/run": 1.0}
    assert ran.read_text()[0] == "1"
    assert os.environ.get("HF_ALLOW_CODE_EVAL") != "1"
    ran.unlink()
    tasks._settings["run_generated_code"] = False  # a second lock: lm-eval's own
    with pytest.raises(ValueError, match="unsafe"):
        tasks.measure(model)
    assert not ran.exists()


def test_a_model_that_looks_ahead_is_refused(tmp_path, tiny_bert):
    from transformers import AutoTokenizer, BertForMaskedLM, BertModel

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    file = write_task(tmp_path / "own", "q", [{"q": "a", "a": 0}], metric_list=[{"metric": "acc"}])
    tasks = asked(tmp_path, "q", {"file": str(file)}, tokenizer)
    encoder = BertModel.from_pretrained(tiny_bert).eval()
    with pytest.raises(UserError, match=r"causal language model with its head, found BertModel.*probe"):
        tasks.measure(encoder)
    with pytest.raises(UserError, match="BertForMaskedLM looks at those after it"):
        tasks.measure(BertForMaskedLM(encoder.config).eval())


@pytest.mark.parametrize("architecture", ["GPTNeoX", "GPT2", "OPT", "Gemma2", "Mixtral"])
def test_causal_models_are_accepted(tiny_llama, architecture):
    from causal_models import tiny_causal
    from transformers import AutoTokenizer

    model = tiny_causal(architecture)
    assert LiveModel(model, AutoTokenizer.from_pretrained(tiny_llama), batch_size=1)


def test_prompts_that_lose_their_beginning_are_counted(tmp_path, model_and_tokenizer, capsys):
    model, tokenizer = model_and_tokenizer
    rows = [{"q": "word " * 40, "a": 0}, {"q": "word", "a": 0}]
    file = write_task(tmp_path / "own", "q", rows, metric_list=[{"metric": "acc"}])
    tasks = asked(tmp_path, "q", {"file": str(file)}, tokenizer)
    tasks.measure(model)
    tasks.measure(model)
    said = capsys.readouterr()
    assert said.err.count("longer than 128 tokens and lost their beginning") == 1
    assert said.err.startswith("q: 2 prompts") and said.err.count("\n") == 1 and not said.out


@pytest.mark.parametrize("name", ["f1_score", "matthews_corrcoef", "brier_score", "mean", "nanmean"])
def test_items_give_the_metric_and_its_error(name):
    """The error against the spread over many draws of the items."""
    from lm_eval.api import metrics

    aggregation, rng = getattr(metrics, name), np.random.default_rng(4)

    def draw(n):
        truth = rng.integers(2, size=n)
        guess = np.where(rng.random(n) < 0.7, truth, 1 - truth)
        if name == "brier_score":
            share = rng.beta(2, 2, size=n)
            return [(int(label), np.array([1 - p, p])) for label, p in zip(truth, share, strict=True)]
        if name in ("mean", "nanmean"):
            return [float(a == b) if name == "mean" or a else float("nan") for a, b in zip(truth, guess, strict=True)]
        return list(zip(truth.tolist(), guess.tolist(), strict=True))

    items = draw(400)
    statistic, scores, weights = item_scores(items, aggregation)
    assert paired.estimate(statistic, scores, weights) == pytest.approx(float(aggregation(items)), rel=1e-12)
    spread = np.std([float(aggregation(draw(400))) for _ in range(200)])
    assert paired.standard_error(statistic, scores, weights) == pytest.approx(spread, rel=0.2)


def test_perplexities_are_ratios():
    from lm_eval.api import metrics

    items = [(-12.0, 5), (-3.0, 2), (-30.5, 11)]
    for aggregation, statistic in ((metrics.weighted_perplexity, "exp_ratio"), (metrics.bits_per_byte, "bits_ratio")):
        found = item_scores(items, aggregation)
        assert found.statistic == statistic
        assert paired.estimate(*found) == pytest.approx(aggregation(items), rel=1e-14)


def test_templates_of_a_task_reach_nothing_but_the_document(tmp_path, model_and_tokenizer):
    _, tokenizer = model_and_tokenizer
    reaching = "{{ q.__class__.__mro__[1].__subclasses__() }}"
    file = write_task(tmp_path / "own", "reaching", [{"q": "a b", "a": 0}], doc_to_text=reaching)
    with pytest.raises(
        UserError, match="reaching cannot be built: SecurityError: access to attribute '__class__' of 'str'"
    ):
        asked(tmp_path, "reaching", {"file": str(file), "allow_code": False}, tokenizer)


class WordTokenizer:
    """Knows the words above alone."""

    unk_token_id, unk_token, bos_token_id = 0, "[UNK]", None

    def __call__(self, texts, add_special_tokens):
        assert not add_special_tokens
        found = [[WORDS.index(word) + 1 if word in WORDS else 0 for word in text.split()] for text in texts]
        return SimpleNamespace(input_ids=found)


def test_a_task_that_the_tokenizer_cannot_read_is_refused_and_others_are_looked_at_once(capsys):
    def requests(task, *args):
        return [SimpleNamespace(task_name=task, args=args)]

    known = {}
    check_requests(requests("read", "the cat " * 20, " sat"), WordTokenizer(), known)
    assert known == {"read": 0.0} and capsys.readouterr().err == ""
    check_requests(requests("read", "Katze"), WordTokenizer(), known)
    check_requests(
        requests("holes", "the cat " * 20, {"until": ["."]}) + requests("holes", "sat Katze"), WordTokenizer(), known
    )
    assert "2.38 % of the tokens of the prompts of task 'holes' are unknown" in capsys.readouterr().err
    assert known["holes"] == 1 / 42
    with pytest.raises(UserError, match="50 % of the tokens of the prompts of task 'german' are unknown"):
        check_requests(requests("german", "the", " Katze"), WordTokenizer(), known)
