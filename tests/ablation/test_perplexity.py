import numpy as np
import pytest
import torch
from causal_models import VOCABULARY, tiny_causal

from weightspectra.ablation import perplexity
from weightspectra.ablation.perplexity import DocumentScores, paired_standard_error, score, standard_error, window_nll
from weightspectra.activations.windows import Window, evaluation_windows
from weightspectra.models import loading

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
    found = window_nll(model, windows, batch_size=3, device="cpu")
    np.testing.assert_allclose(found, [naive_nll(model, window) for window in windows], rtol=1e-6)
    ids = torch.tensor([windows[0].input_ids])
    with torch.no_grad():
        assert found[0] == pytest.approx(float(model(input_ids=ids, labels=ids).loss) * 19, rel=1e-6)


def test_only_chunks_of_logits_exist(monkeypatch):
    monkeypatch.setattr(perplexity, "CHUNK", 5)
    model = tiny_causal("Llama")
    sizes = []
    model.lm_head.register_forward_hook(lambda _, args, output: sizes.append(output.numel() // VOCABULARY))
    window_nll(model, some_windows(("a", 17, 16), ("b", 17, 2)), batch_size=2, device="cpu")
    assert max(sizes) == 5
    assert sum(sizes) == 18


def test_a_model_that_bypasses_its_decoder_is_scored_from_its_full_logits(monkeypatch):
    model = tiny_causal("Llama")
    windows = some_windows(("a", 12, 11), ("b", 7, 3))
    expected = window_nll(model, windows, batch_size=2, device="cpu")
    monkeypatch.setattr(model, "get_decoder", lambda: torch.nn.Identity())
    np.testing.assert_allclose(window_nll(model, windows, batch_size=2, device="cpu"), expected, rtol=1e-6)


def test_the_decoders_own_forward_is_back_afterwards_also_after_an_error():
    model = tiny_causal("Llama")
    window_nll(model, some_windows(("a", 8, 7)), batch_size=1, device="cpu")
    assert "forward" not in model.get_decoder().__dict__
    with pytest.raises(IndexError):
        window_nll(model, [Window("a", [1, VOCABULARY + 3, 1], 2)], batch_size=1, device="cpu")
    assert "forward" not in model.get_decoder().__dict__


def test_same_bits_again_and_whatever_the_order_of_equal_work():
    model = tiny_causal("Llama")
    windows = some_windows(*(("a", length, length - 1) for length in (9, 30, 17, 24, 11)))
    first = window_nll(model, windows, batch_size=2, device="cpu")
    assert np.array_equal(first, window_nll(model, windows, batch_size=2, device="cpu"))
    assert np.array_equal(first[::-1], window_nll(model, windows[::-1], batch_size=2, device="cpu"))


def test_a_half_precision_model_is_scored_in_float32():
    model = tiny_causal("Llama").to(torch.bfloat16)
    (window,) = some_windows(("a", 30, 29))
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([window.input_ids])).logits[0, :-1].double()
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(window.input_ids[1:]), reduction="sum")
    assert window_nll(model, [window], batch_size=1, device="cpu")[0] == pytest.approx(float(expected), rel=1e-6)


def test_windows_add_up_by_document():
    model = tiny_causal("Llama")
    windows = some_windows(("b", 20, 19), ("a", 9, 4), ("b", 13, 12))
    nll = window_nll(model, windows, batch_size=2, device="cpu")
    scores = score(model, windows, batch_size=2, device="cpu")
    assert scores.documents == ["b", "a"]
    assert scores.n_tokens.tolist() == [31, 4]
    np.testing.assert_allclose(scores.nll, [nll[0] + nll[2], nll[1]])
    assert scores.perplexity == pytest.approx(np.exp(nll.sum() / 35))


def simulated(n_documents, rng):
    """Two models on documents of unequal length and difficulty, which both find hard alike."""
    n_tokens = rng.integers(50, 400, n_documents)
    hardness = rng.normal(3, 0.3, n_documents)
    names = [str(index) for index in range(n_documents)]
    return [
        DocumentScores(names, n_tokens, n_tokens * (hardness + shift + rng.normal(0, 0.05, n_documents)))
        for shift in (0.0, 0.2)
    ]


def test_standard_errors_are_the_spread_over_corpora():
    rng = np.random.default_rng(7)
    pairs = [simulated(60, rng) for _ in range(3000)]
    values = np.array([[base.perplexity, cut.perplexity] for base, cut in pairs])
    single = np.mean([standard_error(base) ** 2 for base, _ in pairs]) ** 0.5
    paired = np.mean([paired_standard_error(cut, base) ** 2 for base, cut in pairs]) ** 0.5
    assert single == pytest.approx(values[:, 0].std(), rel=0.06)
    assert paired == pytest.approx((values[:, 1] - values[:, 0]).std(), rel=0.06)
    assert paired < 0.5 * single


def test_paired_standard_error_agrees_with_the_jackknife():
    base, cut = simulated(80, np.random.default_rng(8))

    def without(scores, gone):
        kept = np.arange(80) != gone
        return DocumentScores(scores.documents[:-1], scores.n_tokens[kept], scores.nll[kept]).perplexity

    left_out = np.array([without(cut, gone) - without(base, gone) for gone in range(80)])
    jackknife = np.sqrt(79 / 80 * np.square(left_out - left_out.mean()).sum())
    assert paired_standard_error(cut, base) == pytest.approx(jackknife, rel=0.03)


def test_equal_scores_differ_by_exactly_nothing():
    base, _ = simulated(5, np.random.default_rng(9))
    assert paired_standard_error(base, base) == 0.0


def test_one_document_has_no_standard_error():
    assert np.isnan(standard_error(DocumentScores(["a"], np.array([10]), np.array([20.0]))))


def test_a_broken_model_has_infinite_perplexity_and_no_warning():
    broken = DocumentScores(["a", "b"], np.array([10, 10]), np.array([9000.0, 9500.0]))
    sound = DocumentScores(["a", "b"], np.array([10, 10]), np.array([20.0, 21.0]))
    assert broken.perplexity == np.inf
    assert not np.isfinite(paired_standard_error(broken, sound))


def test_pairs_must_be_of_the_same_tokens():
    base, cut = simulated(5, np.random.default_rng(9))
    with pytest.raises(ValueError, match="same documents"):
        paired_standard_error(cut._replace(n_tokens=cut.n_tokens + 1), base)


@pytest.mark.slow
def test_equals_rolling_log_likelihood_of_lm_eval(tiny_llama):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    model, tokenizer = loading.load(tiny_llama, head=True), loading.load_tokenizer(tiny_llama)
    texts = {f"document {index}": "The state of the union is strong, and growing. " * (index + 2) for index in range(4)}
    theirs = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=3, max_length=40, add_bos_token=False)
    requests = [Instance("loglikelihood_rolling", {}, (text,), 0) for text in texts.values()]
    expected = theirs.loglikelihood_rolling(requests, disable_tqdm=True)

    windows = []
    for name, text in texts.items():
        ids = tokenizer(text, add_special_tokens=False).input_ids
        rolling = get_rolling_token_windows(ids, prefix_token=theirs.prefix_token_id, max_seq_len=40, context_len=1)
        for context, scored in map(make_disjoint_window, rolling):
            windows.append(Window(name, [*context, *scored], len(scored)))
    scores = score(model, windows, batch_size=3, device="cpu")
    np.testing.assert_allclose(-scores.nll, expected, rtol=1e-6)

    assert (
        sum(
            window.n_scored
            for window in evaluation_windows(texts, tokenizer, window=40, stride=40, n_windows=99, bos=True)
        )
        == scores.n_tokens.sum()
    )
