import re
import weakref

import numpy as np
import pytest
import torch
from causal_models import VOCABULARY, tiny_causal

from weightspectra.ablation.measure import perplexity
from weightspectra.ablation.measure.perplexity import Perplexity, window_nll
from weightspectra.activations.windows import Window, evaluation_windows
from weightspectra.models import loading
from weightspectra.statistics.paired import estimate

METRICS = ["perplexity_per_token", "perplexity_per_word", "bits_per_byte"]
ARCHITECTURES = ["Llama", "GPTNeoX", "GPT2", "OPT", "Gemma2", "Phi3", "Mixtral", "Cohere", "Granite"]


def some_windows(*sizes):
    rng = np.random.default_rng(0)
    return [Window(name, rng.integers(3, VOCABULARY, length).tolist(), scored) for name, length, scored in sizes]


def naive_nll(model, window):
    """One window at a time, all logits at once, one token after the other."""
    ids = torch.tensor([window.input_ids])
    with torch.no_grad():
        log_probabilities = model(input_ids=ids).logits[0].double().log_softmax(-1)
    positions = range(len(window.input_ids) - window.n_scored, len(window.input_ids))
    return -sum(float(log_probabilities[position - 1, window.input_ids[position]]) for position in positions)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_the_models_own_loss_and_a_naive_loop(architecture, monkeypatch):
    monkeypatch.setattr(perplexity, "CHUNK", 7)
    model = tiny_causal(architecture)
    windows = some_windows(("a", 20, 19), ("b", 9, 4), ("a", 13, 12), ("c", 20, 1))
    found = window_nll(model, windows, batch_size=3)
    np.testing.assert_allclose(found, [naive_nll(model, window) for window in windows], rtol=1e-6)
    ids = torch.tensor([windows[0].input_ids])
    with torch.no_grad():
        assert found[0] == pytest.approx(float(model(input_ids=ids, labels=ids).loss) * 19, rel=1e-6)


def test_only_chunks_of_logits_exist(monkeypatch):
    monkeypatch.setattr(perplexity, "CHUNK", 5)
    model = tiny_causal("Llama")
    sizes = []
    model.lm_head.register_forward_hook(lambda _, args, output: sizes.append(output.numel() // VOCABULARY))
    window_nll(model, some_windows(("a", 17, 16), ("b", 17, 2)), batch_size=2)
    assert max(sizes) == 5
    assert sum(sizes) == 18


def test_a_model_that_bypasses_its_decoder_is_scored_from_its_full_logits(monkeypatch):
    model = tiny_causal("Llama")
    windows = some_windows(("a", 12, 11), ("b", 7, 3))
    expected = window_nll(model, windows, batch_size=2)
    monkeypatch.setattr(model, "get_decoder", lambda: torch.nn.Identity())
    np.testing.assert_allclose(window_nll(model, windows, batch_size=2), expected, rtol=1e-6)


def test_the_decoders_own_forward_is_back_afterwards_also_after_an_error():
    model = tiny_causal("Llama")
    window_nll(model, some_windows(("a", 8, 7)), batch_size=1)
    assert "forward" not in model.get_decoder().__dict__
    with pytest.raises(IndexError):
        window_nll(model, [Window("a", [1, VOCABULARY + 3, 1], 2)], batch_size=1)
    assert "forward" not in model.get_decoder().__dict__


def test_same_bits_again_and_whatever_the_order_of_equal_work():
    model = tiny_causal("Llama")
    windows = some_windows(*(("a", length, length - 1) for length in (9, 30, 17, 24, 11)))
    first = window_nll(model, windows, batch_size=2)
    assert np.array_equal(first, window_nll(model, windows, batch_size=2))
    assert np.array_equal(first[::-1], window_nll(model, windows[::-1], batch_size=2))


def test_a_half_precision_model_is_scored_in_float32():
    model = tiny_causal("Llama").to(torch.bfloat16)
    (window,) = some_windows(("a", 30, 29))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([window.input_ids])).logits[0, :-1].double()
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(window.input_ids[1:]), reduction="sum")
    assert window_nll(model, [window], batch_size=1)[0] == pytest.approx(float(expected), rel=1e-6)


def test_windows_add_up_by_document(tiny_llama):
    model, tokenizer = loading.load(tiny_llama, head="causal"), loading.load_tokenizer(tiny_llama)
    texts = {"b": "who is it then, he said", "a": "nobody knows"}
    windows = [
        Window("b", tokenizer(texts["b"])["input_ids"][:9], 8, 0),
        Window("a", tokenizer(texts["a"], add_special_tokens=False)["input_ids"], 11, 1),
        Window("b", tokenizer(texts["b"])["input_ids"], 15, 8),
    ]
    nll = window_nll(model, windows, batch_size=2)
    per_token, per_word, per_byte = Perplexity(windows, texts, tokenizer, batch_size=2).measure(model)
    assert [found.metric for found in (per_token, per_word, per_byte)] == METRICS
    assert per_token.units == per_word.units == ["b", "a"]
    assert per_token.weights.tolist() == [8 + 15, 11]
    assert per_word.weights.tolist() == [6, 2]  # "nobody" ends inside what is scored
    assert per_byte.weights.tolist() == [len(texts["b"]), 11]
    for found in (per_token, per_word, per_byte):
        np.testing.assert_allclose(found.values, [nll[0] + nll[2], nll[1]], rtol=1e-12)


def test_documents_without_a_whole_word_or_a_fast_tokenizer_have_no_such_metric(tiny_llama, monkeypatch):
    model, tokenizer = loading.load(tiny_llama, head="causal"), loading.load_tokenizer(tiny_llama)
    windows = [Window("a", tokenizer("unending")["input_ids"][:5], 4, 0)]
    measured = Perplexity(windows, {"a": "unending"}, tokenizer, batch_size=1).measure(model)
    assert [found.metric for found in measured] == [METRICS[0], METRICS[2]]
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    measured = Perplexity(windows, {"a": "unending"}, tokenizer, batch_size=1).measure(model)
    assert [found.metric for found in measured] == METRICS[:1]


@pytest.mark.slow
def test_equals_rolling_log_likelihood_of_lm_eval(tiny_llama):
    from lm_eval.api.instance import Instance
    from lm_eval.api.metrics import bits_per_byte, weighted_perplexity
    from lm_eval.models.huggingface import HFLM
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    model, tokenizer = loading.load(tiny_llama, head="causal"), loading.load_tokenizer(tiny_llama)
    texts = {
        f"document {index}": "The state of the union — strong, and growing; " * (index + 2) + "so far"
        for index in range(4)
    }
    theirs = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=3, max_length=40, add_bos_token=False)
    requests = [Instance("loglikelihood_rolling", {}, (text,), 0) for text in texts.values()]
    expected = theirs.loglikelihood_rolling(requests, disable_tqdm=True)

    windows = []
    for name, text in texts.items():
        ids, first = tokenizer(text, add_special_tokens=False).input_ids, 0
        rolling = get_rolling_token_windows(ids, prefix_token=theirs.prefix_token_id, max_seq_len=40, context_len=1)
        for context, scored in map(make_disjoint_window, rolling):
            windows.append(Window(name, [*context, *scored], len(scored), first))
            first += len(scored)
    per_token, per_word, per_byte = Perplexity(windows, texts, tokenizer, batch_size=3).measure(model)
    np.testing.assert_allclose(-per_token.values, expected, rtol=1e-6)

    whole = evaluation_windows(texts, tokenizer, window=40, stride=40, n_windows=99, bos=True)
    assert sum(window.n_scored for window in whole) == per_token.weights.sum()

    # As lm-eval's task wikitext turns log-likelihoods into word perplexity and bits per byte.
    items = list(zip(expected, (len(re.split(r"\s+", text)) for text in texts.values()), strict=True))
    assert estimate(per_word.statistic, per_word.values, per_word.weights) == pytest.approx(
        weighted_perplexity(items), rel=1e-6
    )
    items = list(zip(expected, (len(text.encode("utf-8")) for text in texts.values()), strict=True))
    assert estimate(per_byte.statistic, per_byte.values, per_byte.weights) == pytest.approx(
        bits_per_byte(items), rel=1e-6
    )


class LiveBytes(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts the bytes of the tensors that exist, as far as operations made them."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self._known = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(output):
            storage = tensor.untyped_storage() if isinstance(tensor, torch.Tensor) else None
            if storage is not None and storage._cdata not in self._known:
                self._known.add(storage._cdata)
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        return output

    def _gone(self, data, n_bytes):
        self._known.discard(data)
        self.now -= n_bytes


def test_memory_does_not_grow_with_positions_times_vocabulary(monkeypatch):
    monkeypatch.setattr(perplexity, "CHUNK", 32)
    vocabulary = 20_000
    model = tiny_causal("Llama", vocabulary=vocabulary)
    window = Window("a", np.random.default_rng(0).integers(3, vocabulary, 1025).tolist(), 1024)
    with LiveBytes() as live:
        window_nll(model, [window], batch_size=1)
    chunk, everything = 32 * vocabulary * 4, 1024 * vocabulary * 4
    assert chunk < live.peak < 4 * chunk < everything / 4
