from types import SimpleNamespace

import pytest

from weightspectra.activations.windows import (
    check_window,
    evaluation_windows,
    masked_windows,
    observation_windows,
    special_tokens,
)
from weightspectra.base.errors import UserError


class Numbers:
    """A tokenizer of texts like "5 6 7": one token a number, with special tokens around."""

    def __init__(self, bos=None, before=(), after=()):
        self.bos_token_id = bos
        self.before, self.after = list(before), list(after)

    def num_special_tokens_to_add(self):
        return len(self.before) + len(self.after)

    def __call__(self, text, add_special_tokens=True, **_):
        ids = [int(word) for word in text.split() if word != "a"] if text != "a" else [7]
        return SimpleNamespace(input_ids=[*self.before, *ids, *self.after] if add_special_tokens else ids)


def numbers(first, count):
    return " ".join(str(first + i) for i in range(count))


LENGTHS = [1, 2, 7, 8, 9, 16, 41]
TEXTS = {f"doc{i}": numbers(1000 * (i + 1), n) for i, n in enumerate(LENGTHS)}


def scored_tokens(windows):
    return [(w.document, token) for w in windows for token in w.input_ids[len(w.input_ids) - w.n_scored :]]


@pytest.mark.parametrize("stride", [1, 3, 8])
def test_every_token_is_scored_exactly_once_with_bos(stride):
    windows = evaluation_windows(TEXTS, Numbers(bos=1), window=8, stride=stride, n_windows=10**6, bos=True)
    everything = [(name, int(token)) for name, text in TEXTS.items() for token in text.split()]
    assert scored_tokens(windows) == everything
    assert all(w.input_ids[0] == 1 and 1 not in w.input_ids[1:] for w in windows)
    assert max(len(w.input_ids) for w in windows) == 8 + 1


@pytest.mark.parametrize("stride", [1, 3, 8])
@pytest.mark.parametrize(("tokenizer", "bos"), [(Numbers(bos=1), False), (Numbers(), True)])
def test_without_bos_only_the_first_token_of_a_document_is_not_scored(stride, tokenizer, bos):
    windows = evaluation_windows(TEXTS, tokenizer, window=8, stride=stride, n_windows=10**6, bos=bos)
    but_first = [(name, int(token)) for name, text in TEXTS.items() for token in text.split()[1:]]
    assert scored_tokens(windows) == but_first
    assert all(len(w.input_ids) > w.n_scored for w in windows)


@pytest.mark.parametrize("bos", [True, False])
def test_windows_are_consecutive_text_and_a_smaller_stride_gives_context(bos):
    windows = evaluation_windows(TEXTS, Numbers(bos=1), window=8, stride=2, n_windows=10**6, bos=bos)
    for window in windows:
        ids = window.input_ids[bos:]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert ids[0] // 1000 == int(window.document[3:]) + 1
    later = [w for w in windows if len(w.input_ids) == 8 + bos and w.input_ids[bos] % 1000 > 0]
    assert later
    assert all(w.n_scored == 2 for w in later)


@pytest.mark.parametrize("stride", [1, 3, 8])
@pytest.mark.parametrize("after", [0, 1])
def test_windows_know_the_place_of_what_they_score(stride, after):
    sampling = {"window": 8, "stride": stride, "n_windows": 10**6}
    windows = (
        masked_windows(TEXTS, Numbers(before=[2], after=[3]), **sampling)
        if after
        else evaluation_windows(TEXTS, Numbers(bos=1), **sampling, bos=False)
    )
    for window in windows:
        text = [int(token) for token in TEXTS[window.document].split()]
        end = len(window.input_ids) - after
        scored = window.input_ids[end - window.n_scored : end]
        assert text[window.first_scored :][: window.n_scored] == scored


def test_the_windows_of_equal_stride_start_at_multiples_of_the_window():
    windows = evaluation_windows({"d": numbers(0, 20)}, Numbers(bos=99), window=8, stride=8, n_windows=9, bos=True)
    assert [w.input_ids[1] for w in windows] == [0, 8, 16]
    assert [w.n_scored for w in windows] == [8, 8, 4]


def test_a_small_sample_comes_from_as_many_documents_from_all_over_the_corpus():
    texts = {f"{i:02d}": numbers(0, 80) for i in range(48)}
    windows = evaluation_windows(texts, Numbers(bos=99), window=8, stride=8, n_windows=8, bos=True)
    documents = [int(w.document) for w in windows]
    assert documents == sorted(set(documents))
    gaps = [b - a for a, b in zip(documents, [*documents[1:], 48 + documents[0]], strict=True)]
    assert max(gaps) <= 2 * 48 / 8
    assert len({w.input_ids[1] for w in windows}) >= 5  # from all over the documents too, not just their beginnings


def test_short_windows_are_taken_last():
    texts = {name: numbers(0, 20) for name in "ab"}
    windows = evaluation_windows(texts, Numbers(bos=99), window=8, stride=8, n_windows=4, bos=True)
    assert [w.n_scored for w in windows] == [8, 8, 8, 8]


def test_a_short_document_does_not_stop_the_sample():
    texts = {"short": "1 2 3", "long": numbers(0, 64)}
    windows = evaluation_windows(texts, Numbers(bos=99), window=8, stride=8, n_windows=5, bos=True)
    assert [w.document for w in windows] == ["short"] + 4 * ["long"]


def test_observation_windows_cover_the_text_once_with_special_tokens_around_each():
    tokenizer = Numbers(before=[2], after=[3])
    windows = observation_windows(TEXTS, tokenizer, window=8, n_tokens=10**6)
    assert all(w.input_ids[0] == 2 and w.input_ids[-1] == 3 and len(w.input_ids) <= 8 for w in windows)
    everything = [int(token) for text in TEXTS.values() for token in text.split()]
    assert [token for w in windows for token in w.input_ids[1:-1]] == everything


def test_observation_stops_at_the_first_window_that_reaches_the_number_of_tokens():
    texts = {f"{i:02d}": numbers(0, 80) for i in range(20)}
    windows = observation_windows(texts, Numbers(before=[2], after=[3]), window=10, n_tokens=41)
    assert sum(len(w.input_ids) for w in windows) == 50
    assert len({w.document for w in windows}) == 5


def test_what_is_missing_is_said(capsys):
    windows = observation_windows(TEXTS, Numbers(), window=8, n_tokens=10**6)
    assert sum(len(w.input_ids) for w in windows) == sum(LENGTHS)
    assert f"only {sum(LENGTHS)} of the 1,000,000 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    "cut",
    [
        lambda texts: observation_windows(texts, Numbers(), window=8, n_tokens=16),
        lambda texts: evaluation_windows(texts, Numbers(bos=99), window=8, stride=8, n_windows=2, bos=True),
    ],
)
def test_a_text_shorter_than_one_window_is_refused(cut):
    with pytest.raises(UserError, match="holds 7 tokens, less than one window of 8"):
        cut({"a": "1 2 3", "b": "4 5 6 7"})


def test_special_tokens_of_real_tokenizers(tiny_bert, tiny_llama):
    from transformers import AutoTokenizer

    from weightspectra.birth.model import born

    bert, llama = AutoTokenizer.from_pretrained(tiny_bert), AutoTokenizer.from_pretrained(tiny_llama)
    assert special_tokens(bert) == ([bert.cls_token_id], [bert.sep_token_id])
    assert special_tokens(llama) == ([llama.bos_token_id], [])
    assert special_tokens(born.tokenizer("\n xyz")) == ([], [])


def test_a_tokenizers_own_truncation_and_padding_do_not_count(tiny_bert):
    from transformers import AutoTokenizer

    bert = AutoTokenizer.from_pretrained(tiny_bert)
    bert.backend_tokenizer.enable_truncation(16)
    bert.backend_tokenizer.enable_padding(length=32)
    windows = observation_windows({"d": "abcde " * 100}, bert, window=50, n_tokens=10**6)
    assert sum(len(w.input_ids) - 2 for w in windows) == 500
    assert special_tokens(bert) == ([2], [3])


def test_a_window_longer_than_the_model_is_refused(tiny_llama):
    from transformers import AutoModelForCausalLM, RobertaConfig, RobertaModel

    llama = AutoModelForCausalLM.from_pretrained(tiny_llama)
    check_window(128, llama)
    with pytest.raises(UserError, match="windows of 129 tokens are longer than the 128 positions"):
        check_window(129, llama)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    roberta = RobertaModel(RobertaConfig(vocab_size=9, max_position_embeddings=66, pad_token_id=1, **sizes))
    check_window(64, roberta)
    with pytest.raises(UserError, match="64 positions"):
        check_window(65, roberta)
