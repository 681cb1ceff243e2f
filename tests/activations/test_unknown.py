"""Tokens that a tokenizer does not know: counted, said, and refused where a text is mostly holes."""

from types import SimpleNamespace

import pytest

from weightspectra.activations import windows
from weightspectra.activations.unknown import check_known, unknown_share
from weightspectra.base.errors import UserError
from weightspectra.models import loading

KNOWN = SimpleNamespace(unk_token_id=1, unk_token="[UNK]", bos_token_id=2)


def test_the_share_is_that_of_all_tokens():
    assert unknown_share([[1, 5, 6], [7, 1, 1, 2, 8]], KNOWN) == 3 / 8
    assert unknown_share([], KNOWN) == 0


def test_a_token_that_also_begins_texts_is_not_unknown():
    assert unknown_share([[1, 1, 1]], SimpleNamespace(unk_token_id=1, bos_token_id=1)) == 0
    assert unknown_share([[1, 1]], SimpleNamespace(unk_token_id=None)) == 0
    assert unknown_share([[1, 5]], SimpleNamespace(unk_token_id=1, pad_token_id=1)) == 1 / 2


def test_many_are_refused_some_are_told_and_few_are_let_be(capsys):
    with pytest.raises(
        UserError, match=r"^11 % of the tokens of the text are unknown .*\(SimpleNamespace, '\[UNK\]'.*\(tokenizer\)"
    ):
        check_known([[1] * 11 + [5] * 89], KNOWN)
    assert check_known([[1] * 2 + [5] * 98], KNOWN) == 0.02
    assert capsys.readouterr().err.startswith("2 % of the tokens of the text are unknown to the model's tokenizer")
    assert check_known([[1] + [5] * 99], KNOWN) == 0.01
    assert not capsys.readouterr().err


def test_a_token_without_a_row_is_refused_where_it_occurs():
    tokenizer = SimpleNamespace(**vars(KNOWN), embedding_rows=64, convert_ids_to_tokens=lambda number: f"<{number}>")
    assert check_known([[5, 63], []], tokenizer) == 0
    with pytest.raises(
        UserError,
        match=r"^the text holds '<64>', which the tokenizer knows as number 64, but the embedding has 64 rows, 0 to 63",
    ):
        check_known([[5], [6, 64, 7]], tokenizer)


def test_windows_of_a_text_that_the_tokenizer_does_not_know_are_refused(tiny_bert):
    tokenizer = loading.load_tokenizer(tiny_bert)
    texts = {"a": "Βεβαίως, αυτό δεν είναι λατινικό κείμενο. " * 40}
    with pytest.raises(UserError, match="unknown to the model's tokenizer"):
        windows.observation_windows(texts, tokenizer, window=16, n_tokens=64)
    with pytest.raises(UserError, match="unknown to the model's tokenizer"):
        windows.masked_windows(texts, tokenizer, window=16, stride=16, n_windows=4)
    assert windows.observation_windows({"a": "all of it is known " * 40}, tokenizer, window=16, n_tokens=64)
