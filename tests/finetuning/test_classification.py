"""The classifier: its head on any architecture, its batches, its scores."""

import numpy as np
import pytest
import torch
from toy_classifier import subject, texts
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    LlamaConfig,
    ModernBertConfig,
    RobertaConfig,
)

from weightspectra.base.errors import UserError
from weightspectra.finetuning.classification import (
    Classifier,
    Examples,
    choose,
    score_examples,
    shuffled_batches,
    tokenised,
)
from weightspectra.models import loading

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 1}
ARCHITECTURES = {
    "bert": BertConfig(**SMALL, intermediate_size=32),
    "roberta": RobertaConfig(**SMALL, intermediate_size=32, max_position_embeddings=40),
    "distilbert": DistilBertConfig(vocab_size=50, dim=16, n_layers=2, n_heads=2, hidden_dim=32, pad_token_id=1),
    "modernbert": ModernBertConfig(
        **SMALL, intermediate_size=32, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3
    ),
    "llama": LlamaConfig(**SMALL, intermediate_size=32, num_key_value_heads=1),
}


def tokens_of(lengths, *, with_types=True):
    rng = np.random.default_rng(3)
    rows = []
    for length in lengths:
        row = {"input_ids": rng.integers(4, 50, length).tolist(), "attention_mask": [1] * length}
        rows.append(row | ({"token_type_ids": [0] * length} if with_types else {}))
    return rows


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_those_of_the_mean_hidden_state_whatever_is_padded(architecture):
    torch.manual_seed(0)
    encoder = AutoModel.from_config(ARCHITECTURES[architecture]).eval()
    classifier = Classifier(encoder, 3, pad_id=1).eval()
    examples = tokens_of([3, 9, 5])
    with torch.inference_mode():
        together = classifier(examples)
        for example, found in zip(examples, together, strict=True):
            hidden = encoder(input_ids=torch.tensor([example["input_ids"]])).last_hidden_state[0]
            expected = hidden.mean(0) @ classifier.head.weight.T + classifier.head.bias
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_that_the_logits_depend_on_is_trained(architecture):
    encoder = AutoModel.from_config(ARCHITECTURES[architecture])
    classifier = Classifier(encoder, 2, pad_id=1)
    classifier(tokens_of([4, 6])).square().sum().backward()
    idle = [name for name, value in classifier.named_parameters() if value.grad is None]
    assert all("pooler" in name for name in idle)


def test_the_second_text_of_a_pair_is_read(tiny_bert):
    tokenizer = loading.load_tokenizer(tiny_bert)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]  # as of BERT's own tokenizer
    table = texts(2, 2)
    alone = tokenised(tokenizer, table, max_length=32)
    paired = tokenised(tokenizer, table.assign(pair="qrst"), max_length=32)
    assert (paired.lengths > alone.lengths).all()
    assert set(paired.tokens[0]["token_type_ids"]) == {0, 1}
    assert tokenised(tokenizer, table, max_length=6).lengths.max() == 6


def test_examples_of_one_group_are_one_unit_and_others_stand_alone(tiny_bert):
    table = texts(4, 2)
    table.loc[3, "group"] = ""
    units = tokenised(loading.load_tokenizer(tiny_bert), table, max_length=32).units
    assert units[:4] == ["train group 0", "train group 0", "train group 1", "train 3"]


def test_the_share_of_unknown_tokens_is_that_of_what_is_read(tiny_bert, capsys):
    """The first text has 30 tokens and one of them is not known; of the second, that one is cut off."""
    table = texts(2, 2).iloc[:2].assign(text=["a " * 27 + "д", "a " * 30 + "д"])
    found = tokenised(loading.load_tokenizer(tiny_bert), table, max_length=30)
    assert list(found.lengths) == [30, 30] and found.unknown_tokens == 1 / 60
    assert capsys.readouterr().err.startswith("1.67 % of the tokens of the labelled texts are unknown")


@pytest.mark.parametrize("n_examples", [1, 7, 64, 131])
def test_every_example_is_in_one_batch_and_little_is_padded(n_examples):
    lengths = np.random.default_rng(1).integers(3, 60, n_examples)
    batches = list(shuffled_batches(lengths, 4, np.random.default_rng(2)))
    assert sorted(np.concatenate(batches)) == list(range(n_examples))
    assert max(map(len, batches)) <= 4 and len(batches) == -(-n_examples // 4)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    shuffled = np.random.default_rng(2).permutation(n_examples)
    plain = sum(len(part) * lengths[part].max() for part in np.array_split(shuffled, -(-n_examples // 4)))
    if n_examples > 100:
        assert padded < 1.15 * lengths.sum() < plain


def test_batches_differ_from_epoch_to_epoch_and_repeat_with_the_seed():
    lengths = np.random.default_rng(1).integers(3, 60, 64)
    rng, again = np.random.default_rng(2), np.random.default_rng(2)
    first, second = ([sorted(batch) for batch in shuffled_batches(lengths, 4, rng)] for _ in range(2))
    assert first != second and sorted(first) != sorted(second)
    assert [sorted(batch) for batch in shuffled_batches(lengths, 4, again)] == first


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_those_of_their_definitions(n_classes):
    torch.manual_seed(1)
    encoder = AutoModel.from_config(ARCHITECTURES["bert"])
    classifier = Classifier(encoder, n_classes, pad_id=1)
    tokens = tokens_of(np.random.default_rng(4).integers(2, 12, 90))
    labels = np.random.default_rng(5).integers(0, n_classes, 90)
    classifier.train()
    found = score_examples(classifier, Examples(tokens, labels, [str(i) for i in range(90)], 0.0))
    assert classifier.training and encoder.training
    classifier.eval()
    with torch.inference_mode():
        logits = torch.cat([classifier([row]) for row in tokens]).double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert score_examples(classifier, Examples(tokens, labels, [str(i) for i in range(90)], 0.0)) == found
    assert not classifier.training
    assert found.loss == pytest.approx(-np.log(shares[np.arange(90), labels]).mean(), rel=1e-5)
    assert found.right == (logits.argmax(1) == labels).astype(int).tolist()
    assert found.accuracy == np.mean(found.right)
    aucs = []
    for number in range(n_classes):
        inside, outside = shares[labels == number, number], shares[labels != number, number]
        aucs.append((inside[:, None] > outside).mean())
    assert found.auc == pytest.approx(np.mean(aucs), abs=2e-3)


def test_an_area_is_no_number_where_the_logits_are_not(tiny_bert):
    made = subject(tiny_bert)
    torch.nn.init.constant_(made.classifier.head.bias, float("nan"))
    assert np.isnan(score_examples(made.classifier, made.test).auc)


def test_choices_keep_the_order_and_repeat():
    table = texts()
    found = choose(table, "train", 10, np.random.default_rng(0))
    assert len(found) == 10 and found.index.is_monotonic_increasing and set(found["split"]) == {"train"}
    assert choose(table, "train", 10, np.random.default_rng(0)).equals(found)
    assert not choose(table, "train", 10, np.random.default_rng(1)).equals(found)
    assert len(choose(table, "test", None, np.random.default_rng(0))) == 24


def test_too_few_examples_and_a_missing_class_are_refused(tiny_bert):
    table = texts()
    with pytest.raises(UserError, match="has 24 examples in its part 'test'; n_test asks for 25"):
        choose(table, "test", 25, np.random.default_rng(0))
    with pytest.raises(UserError, match="is of the class 'late'; raise n_train"):
        choose(table[(table["split"] == "test") | (table["label"] == 0)], "train", 4, np.random.default_rng(0))


def test_a_text_without_tokens_is_refused(tiny_llama):
    tokenizer = loading.load_tokenizer(tiny_llama)
    tokenizer.backend_tokenizer.post_processor = None
    with pytest.raises(UserError, match="'train 0' gives no token"):
        tokenised(tokenizer, texts().assign(text=""), max_length=8)
