import pytest

from weightspectra.ablation.measure.scored_text import has_words, words_and_bytes
from weightspectra.models import loading

TEXTS = [
    "one two  three",
    " leading and trailing \n\n",
    "café — naïve 😀 end\u00a0here",
    "unbroken",
    "\n",
]


@pytest.fixture(scope="module")
def by_bytes(tiny_llama):
    return loading.load_tokenizer(tiny_llama)


@pytest.mark.parametrize("text", TEXTS)
def test_sums_are_those_of_the_text(text, by_bytes):
    n_words, n_bytes = words_and_bytes(text, by_bytes)
    assert len(n_words) == len(n_bytes) == len(by_bytes(text, add_special_tokens=False)["input_ids"])
    assert n_words.sum() == len(text.split())
    assert n_bytes.sum() == len(text.encode())


@pytest.mark.parametrize("text", TEXTS)
def test_any_first_part_holds_the_words_that_end_in_it(text, by_bytes):
    tokenizer = by_bytes
    n_words, n_bytes = words_and_bytes(text, tokenizer)
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    for count in range(1, len(offsets)):
        end = offsets[count - 1][1]
        assert n_bytes[:count].sum() == len(text[:end].encode())
        complete = text[:end].split()
        broken = (
            bool(complete) and not text[end - 1].isspace() and not text[end : end + 1].isspace() and end < len(text)
        )
        assert n_words[:count].sum() == len(complete) - broken


def test_a_character_of_several_tokens_belongs_to_the_first(by_bytes):
    n_words, n_bytes = words_and_bytes("a😀", by_bytes)
    assert n_bytes.tolist() == [1, 4, 0, 0, 0]
    assert n_words.tolist() == [0, 1, 0, 0, 0]


def test_what_a_tokenizer_drops_goes_with_the_next_token(tiny_bert):
    n_words, n_bytes = words_and_bytes("ab  cd \n", loading.load_tokenizer(tiny_bert))  # one token a letter
    assert n_bytes.tolist() == [1, 1, 3, 3]
    assert n_words.tolist() == [0, 1, 0, 1]


def test_no_text_has_nothing(by_bytes):
    assert [len(counts) for counts in words_and_bytes("", by_bytes)] == [0, 0]


def test_text_without_spaces_has_no_words(capsys):
    assert has_words(["People work for peace, and the union of states is strong."])
    assert has_words(["Donaudampfschifffahrtsgesellschaft fährt"])
    assert not capsys.readouterr().err
    assert not has_words(["CC(=O)OC1=CC=CC=C1C(=O)O>>CC(=O)O.OC1=CC=CC=C1C(=O)O\n" * 9])
    assert "perplexity per word is not given: the text has 477 characters in 9 pieces" in capsys.readouterr().err
    assert not has_words([""])
