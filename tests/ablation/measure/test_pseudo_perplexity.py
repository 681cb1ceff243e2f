import shutil

import numpy as np
import pytest
import torch
import transformers

from weightspectra.ablation.measure import pseudo_perplexity
from weightspectra.ablation.measure.pseudo_perplexity import PseudoPerplexity
from weightspectra.activations.windows import masked_windows
from weightspectra.base.errors import UserError
from weightspectra.models import loading

TEXTS = {"a": "once upon a time", "b": "there was a model, and it was small"}


@pytest.fixture(scope="module")
def masked_bert(tmp_path_factory, tiny_bert):
    """A tiny BERT with a random head, beside its tokenizer."""
    folder = tmp_path_factory.mktemp("masked")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        config = transformers.BertConfig.from_pretrained(tiny_bert)
        model = transformers.BertForMaskedLM(config)
    for parameter in model.parameters():
        parameter.data *= 4
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, folder / name)
    return folder


def naive_nll(model, ids, positions, mask):
    """One masked token at a time, with all logits."""
    total = 0.0
    for position in positions:
        copy = list(ids)
        copy[position] = mask
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([copy])).logits[0, position]
        total -= float(logits.double().log_softmax(-1)[ids[position]])
    return total


def test_equals_a_naive_loop_over_whole_documents(masked_bert):
    model, tokenizer = loading.load(masked_bert, head="masked"), loading.load_tokenizer(masked_bert)
    windows = masked_windows(TEXTS, tokenizer, window=40, stride=40, n_windows=9)
    per_token, per_word, per_byte = PseudoPerplexity(windows, TEXTS, tokenizer, batch_size=5).measure(model)
    assert [found.metric for found in (per_token, per_word, per_byte)] == [
        "pseudo_perplexity_per_token",
        "pseudo_perplexity_per_word",
        "pseudo_bits_per_byte",
    ]
    for number, (name, text) in enumerate(TEXTS.items()):
        ids = tokenizer(text)["input_ids"]
        expected = naive_nll(model, ids, range(1, len(ids) - 1), tokenizer.mask_token_id)
        assert per_token.units[number] == name
        assert per_token.values[number] == pytest.approx(expected, rel=1e-6)
        assert per_token.weights[number] == len(ids) - 2
        assert per_word.weights[number] == len(text.split())
        assert per_byte.weights[number] == len(text.encode())


def test_overlapping_windows_score_every_token_once_with_context_on_both_sides(masked_bert):
    model, tokenizer = loading.load(masked_bert, head="masked"), loading.load_tokenizer(masked_bert)
    text = TEXTS["b"]
    windows = masked_windows({"b": text}, tokenizer, window=14, stride=5, n_windows=99)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    start, expected, scored = 0, 0.0, 0
    while scored < len(ids):
        end = min(start + 12, len(ids))
        window = [tokenizer.cls_token_id, *ids[start:end], tokenizer.sep_token_id]
        positions = range(1 + scored - start, 1 + end - start)
        expected += naive_nll(model, window, positions, tokenizer.mask_token_id)
        start, scored = start + 5, end
    (per_token, *_) = PseudoPerplexity(windows, {"b": text}, tokenizer, batch_size=3).measure(model)
    assert per_token.weights.tolist() == [len(ids)]
    assert per_token.values[0] == pytest.approx(expected, rel=1e-6)


def test_windows_hold_their_special_tokens_and_skip_no_text(masked_bert):
    tokenizer = loading.load_tokenizer(masked_bert)
    windows = masked_windows(TEXTS, tokenizer, window=8, stride=8, n_windows=99)
    assert max(len(window.input_ids) for window in windows) == 8
    for name, text in TEXTS.items():
        of_document = [window for window in windows if window.document == name]
        ids = [token for window in of_document for token in window.input_ids[1:-1]]
        assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
        assert [window.first_scored for window in of_document] == list(range(0, len(ids), 6))
    with pytest.raises(UserError, match="a window of 2 tokens has no room"):
        masked_windows(TEXTS, tokenizer, window=2, stride=1, n_windows=1)


@pytest.mark.parametrize(
    ("architecture", "options"), [("Roberta", {}), ("DistilBert", {}), ("ModernBert", {}), ("Albert", {})]
)
def test_only_masked_positions_go_through_the_head_of_any_architecture(architecture, options, monkeypatch):
    size = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 0}
    config = getattr(transformers, f"{architecture}Config")(**size, intermediate_size=24, embedding_size=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = transformers.AutoModelForMaskedLM.from_config(config).eval()
    ids = torch.arange(3, 15)[None].repeat(4, 1)
    positions = torch.tensor([1, 5, 7, 11])
    shapes = []
    model.get_output_embeddings().register_forward_hook(lambda _, args, output: shapes.append(tuple(output.shape)))
    with torch.inference_mode():
        expected = model(input_ids=ids).logits[torch.arange(4), positions]
        shapes.clear()
        found = pseudo_perplexity._logits_at(model, ids, positions)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    assert shapes == [(4, 1, 40)]
    assert not any("forward" in module.__dict__ for module in model.modules())


def test_a_tokenizer_that_cannot_mask_is_refused(tiny_llama):
    with pytest.raises(UserError, match="the tokenizer has no mask token"):
        PseudoPerplexity([], {}, loading.load_tokenizer(tiny_llama), batch_size=1)


def test_a_checkpoint_without_the_head_is_refused(tiny_bert):
    with pytest.raises(UserError, match=r"lacks \d+ weights, which would be random: cls\.predictions"):
        loading.load(tiny_bert, head="masked")
