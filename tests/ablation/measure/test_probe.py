"""A probe reads what is linearly there: planted classes, labels by lot, and hidden states against a naive loop."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from weightspectra.ablation.measure.probe import LinearProbe, fit_probe, mean_hidden_states
from weightspectra.base.errors import UserError
from weightspectra.models import loading

WORDS = 40


class Embeddings:
    """A model whose last hidden states are the words' vectors: random, with the class planted, or with it lost."""

    config = SimpleNamespace(max_position_embeddings=64)

    def __init__(self, classes="planted", *, scale=1.0):
        table = torch.randn((WORDS, 6), generator=torch.Generator().manual_seed(1))
        if classes == "planted":
            table[:, 0] = torch.arange(WORDS) % 2 * 1.0
        elif classes == "lost":
            table[1::2] = table[::2]
        self.table = scale * table
        self.base_model = self

    def __call__(self, input_ids, attention_mask):
        return SimpleNamespace(last_hidden_state=self.table[input_ids])


def tokenizer(texts, pairs, *, truncation, max_length):
    assert pairs is None
    return {"input_ids": [[int(word) for word in text.split()][:max_length] for text in texts]}


def examples(n_train=200, n_test=300, n_classes=2, *, groups=None):
    """Texts of even words (class 0) or odd ones (class 1), of 3 to 8 words; further classes take what is left."""
    rng = np.random.default_rng(2)
    labels = rng.integers(n_classes, size=n_train + n_test)
    words = [n_classes * rng.integers(WORDS // n_classes, size=rng.integers(3, 9)) + label for label in labels]
    return pd.DataFrame(
        {
            "split": n_train * ["train"] + n_test * ["test"],
            "example": [f"e{number}" for number in range(len(labels))],
            "text": [" ".join(map(str, chosen)) for chosen in words],
            "pair": "",
            "label": labels,
            "label_name": [f"class {label}" for label in labels],
            "group": groups if groups is not None else "",
        }
    )


def probe(rows, **options):
    return LinearProbe("made", rows, tokenizer, **{"batch_size": 16, "device": "cpu", **options})


def test_what_is_linearly_there_is_read():
    accuracy, auc = probe(examples()).measure(Embeddings())
    assert (accuracy.metric, accuracy.statistic, accuracy.unit) == ("made/probe_accuracy", "mean", "item")
    assert (auc.metric, auc.statistic) == ("made/probe_auc", "auc")
    assert accuracy.values.mean() > 0.98
    assert roc_auc_score(auc.weights, auc.values) > 0.99
    assert list(accuracy.units) == [f"e{number}" for number in range(200, 500)]


def test_the_share_of_unknown_tokens_is_that_of_all_texts(capsys):
    class Knowing:
        unk_token_id, unk_token = 7, "[UNK]"
        __call__ = staticmethod(tokenizer)

    rows = examples()
    words = [int(word) for text in rows["text"] for word in text.split()]
    accuracy, auc = LinearProbe("made", rows, Knowing(), 16, "cpu").measure(Embeddings())
    assert accuracy.read["unknown_tokens"] == auc.read["unknown_tokens"] == words.count(7) / len(words) > 0.01
    assert "% of the tokens of the texts of made are unknown to the model's tokenizer" in capsys.readouterr().err


def test_what_is_lost_is_not_read():
    accuracy, auc = probe(examples(n_test=1000)).measure(Embeddings("lost"))
    assert abs(accuracy.values.mean() - 0.5) < 4 * 0.5 / np.sqrt(1000)
    assert abs(roc_auc_score(auc.weights, auc.values) - 0.5) < 0.1


def test_scores_and_hits_belong_to_their_units():
    rows = examples()
    accuracy, auc = probe(rows).measure(Embeddings("random"))
    labels = rows[rows["split"] == "test"]["label"].to_numpy()
    np.testing.assert_array_equal(auc.weights, labels)
    np.testing.assert_array_equal(accuracy.values, (auc.values > 0) == labels)
    assert 0 < accuracy.values.mean() < 1


def test_neither_the_scale_nor_the_batches_nor_the_order_of_tests_matter():
    rows = examples()
    once = probe(rows).measure(Embeddings("random"))
    for batch_size, scale in ((1, 1.0), (7, 64.0)):
        again = probe(rows, batch_size=batch_size).measure(Embeddings("random", scale=scale))
        for one, other in zip(once, again, strict=True):
            np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    test = rows[rows["split"] == "test"][::-1]
    turned = probe(pd.concat([rows[rows["split"] == "train"], test])).measure(Embeddings("random"))
    np.testing.assert_allclose(turned[1].values[::-1], once[1].values, atol=1e-9)


def test_more_than_two_classes_have_no_auc():
    [accuracy] = probe(examples(n_classes=4)).measure(Embeddings())
    assert accuracy.metric == "made/probe_accuracy"


def test_hidden_states_are_those_of_each_text_alone(tiny_bert, tiny_llama):
    texts = ["a longer text than the others", "b", "some words more"]
    for folder, head in ((tiny_bert, None), (tiny_llama, "causal")):
        model, tokens = loading.load(folder, head=head), loading.load_tokenizer(folder)
        encoded = tokens(texts)
        found = mean_hidden_states(model, dict(encoded), batch_size=2, device="cpu")
        with torch.inference_mode():
            for row, ids in zip(found, encoded["input_ids"], strict=True):
                hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0]
                np.testing.assert_allclose(row, hidden.double().mean(0).numpy(), rtol=1e-4, atol=1e-5)


def test_pairs_are_told_apart_by_their_types(tiny_bert):
    rows = examples(40, 20).assign(
        text="a word", pair=lambda rows: ["xyz" if label else "qr" for label in rows["label"]]
    )
    measured = LinearProbe("pairs", rows, loading.load_tokenizer(tiny_bert), 8, "cpu").measure(loading.load(tiny_bert))
    assert measured[0].values.mean() == 1


def test_the_penalty_is_that_of_the_best_left_out_likelihood():
    rng = np.random.default_rng(5)
    features = rng.standard_normal((150, 30)) * np.geomspace(0.01, 100, 30)
    labels = (features[:, 0] / 0.01 + rng.standard_normal(150) > 0).astype(int)
    groups = np.array([f"g{number // 3}" for number in range(150)])
    found = fit_probe(features, labels, groups)
    standardised = (features - features.mean(0)) / features.std(0)
    twin = LogisticRegression(C=found.best_params_["classify__C"], max_iter=10000, tol=1e-8).fit(standardised, labels)
    np.testing.assert_allclose(found.decision_function(features), twin.decision_function(standardised), atol=1e-2)
    assert found.best_params_["classify__C"] < 1
    for learned, left_out in found.cv.split(features, labels, groups):
        assert not set(groups[learned]) & set(groups[left_out])


def test_the_penalty_is_not_chosen_by_what_texts_of_one_group_share():
    """Copies of texts whose labels are by lot: nothing can be learned, but a copy that is left out can be recalled."""
    rng = np.random.default_rng(6)
    features, labels = rng.standard_normal((40, 25)).repeat(3, axis=0), rng.integers(0, 2, 40).repeat(3)
    groups = np.array([f"g{number // 3}" for number in range(120)])
    together = fit_probe(features, labels, groups).best_params_["classify__C"]
    apart = fit_probe(features, labels, np.full(120, "")).best_params_["classify__C"]
    assert together < 1e-2 < apart


def test_too_few_groups_are_refused_before_a_model_runs():
    with pytest.raises(UserError, match=r"made: a probe needs 5 texts .* found \{'class 0': 3, 'class 1': 3\}"):
        probe(examples(groups=[f"speech {number % 3}" for number in range(500)]))


def test_hidden_states_that_are_no_numbers_are_refused():
    with pytest.raises(UserError, match="made: the model's last hidden states are not finite"):
        probe(examples()).measure(Embeddings(scale=float("nan")))
