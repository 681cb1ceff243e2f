import pytest
import torch
import torch.nn.functional as F
from causal_models import tiny_causal

from weightspectra.activations.windows import Window
from weightspectra.damage import next_tokens


class Tokenizer:
    """One token a letter; puts what it is told around a text."""

    bos_token_id = 1

    def __init__(self, around=((), ())):
        self.around = around

    def num_special_tokens_to_add(self):
        return sum(map(len, self.around))

    def __call__(self, text, add_special_tokens=True, **_):
        from types import SimpleNamespace

        before, after = self.around if add_special_tokens else ((), ())
        return SimpleNamespace(input_ids=[*before, *(ord(letter) - 87 for letter in text), *after])


@pytest.mark.parametrize(
    ("around", "bos", "first"),
    [(((), ()), True, [1, 10]), (((), ()), False, [10]), (((1,), ()), True, [1, 10]), (((1,), ()), False, [1, 10])],
    ids=["added", "not wanted", "the tokenizer's own", "the tokenizer's own, not wanted"],
)
def test_windows_begin_once_with_the_beginning_of_sequence_token(around, bos, first):
    found = next_tokens.scored_windows({"a": "abcdefghij"}, Tokenizer(around), window=5, n_tokens=10, bos=bos)
    assert found[0].input_ids[: len(first)] == first
    assert found[0].input_ids.count(1) == (1 in first)
    assert all(window.n_scored == len(window.input_ids) - 1 for window in found)


def test_a_window_without_anything_to_score_is_left_out():
    found = next_tokens.scored_windows({"a": "abcdef"}, Tokenizer(), window=5, n_tokens=6, bos=False)
    assert [window.input_ids for window in found] == [[10, 11, 12, 13, 14]]


def test_batches_score_the_last_tokens_of_each_window():
    windows = [Window("a", [5, 6, 7], 1), Window("b", [8, 9, 10, 11, 12], 3)]
    (batch,) = next_tokens.language_batches(windows, 2, 99)
    assert batch["input_ids"].tolist() == [[8, 9, 10, 11], [5, 6, 99, 99]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    no = next_tokens.UNSCORED
    assert batch["targets"].tolist() == [[no, 10, 11, 12], [no, 7, no, no]]


def test_outcomes_give_the_loss_of_the_model():
    model, ids = tiny_causal("Llama"), torch.randint(0, 97, (3, 8), generator=torch.Generator().manual_seed(1))
    windows = [Window(str(row), row.tolist(), 7) for row in ids]
    (batch,) = next_tokens.language_batches(windows, 3, 0)
    with torch.no_grad():
        found = next_tokens.predict(model, batch)
        expected = model(input_ids=ids, labels=ids).loss
    assert F.cross_entropy(found.logits, found.targets).item() == pytest.approx(expected.item(), rel=1e-5)
