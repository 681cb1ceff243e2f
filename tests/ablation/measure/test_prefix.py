import numpy as np
import pytest
import torch
from causal_models import VOCABULARY, tiny_causal

from weightspectra.ablation.measure import prefix as prefixes
from weightspectra.ablation.measure.perplexity import window_nll
from weightspectra.ablation.measure.prefix import Prefix, blocks_of
from weightspectra.activations.windows import Window
from weightspectra.models import live

ARCHITECTURES = [
    "Llama",
    "GPTNeoX",
    "GPT2",
    "OPT",
    "Gemma2",
    "Gemma3Text",
    "Qwen3",
    "Phi",
    "Phi3",
    "Mixtral",
    "Bloom",
    "Falcon",
]


def windows(count=5):
    rng = np.random.default_rng(4)
    return [Window("a", rng.integers(3, VOCABULARY, 20 - 2 * i).tolist(), 12 - i) for i in range(count)]


@pytest.fixture
def counted(monkeypatch):
    """Count the runs of each block."""

    def of(model):
        runs = [0] * len(blocks_of(model))

        def count(number):
            runs[number] += 1

        for number, block in enumerate(blocks_of(model)):
            inner = next(child for child in block.modules() if child is not block)
            inner.register_forward_pre_hook(lambda *_, number=number: count(number))
        return runs

    return of


def spoil(model, layer):
    """Change a block's weights, so that what follows changes."""
    for key, matrix in live.matrices(model).items():
        if key.layer == layer:
            matrix.write(matrix.read() * 1.25)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kept_states_give_the_same_bits(architecture):
    model = tiny_causal(architecture, n_layers=4)
    prefix = Prefix()
    for layer in (2, 2, 3):
        spoil(model, layer)
        expected = window_nll(model, windows(), batch_size=2)
        found = window_nll(model, windows(), batch_size=2, prefix=prefix, first_layer=layer)
        np.testing.assert_array_equal(found, expected)
    assert prefix._state == "checked"
    assert not any("forward" in module.__dict__ for module in model.modules())


def test_blocks_before_the_first_changed_one_do_not_run_again(counted):
    model, prefix = tiny_causal("Llama", n_layers=4), Prefix()
    runs = counted(model)

    def run(first_layer):
        before = list(runs)
        window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=first_layer)
        return [now - then for now, then in zip(runs, before, strict=True)]

    assert run(0) == [1, 1, 1, 1]
    assert run(1) == [1, 1, 1, 1]  # keeps what enters block 1
    assert run(1) == [1, 2, 2, 2]  # once more in full, for the comparison
    assert run(1) == [0, 1, 1, 1]
    assert run(3) == [0, 1, 1, 1]  # moves on to block 3
    assert run(3) == [0, 0, 0, 1]
    assert run(2) == [1, 1, 1, 1]  # earlier than what is kept
    assert run(2) == [0, 0, 1, 1]


def test_the_untouched_model_leaves_states_for_all_layers_to_come(counted):
    model, prefix = tiny_causal("Llama", n_layers=4), Prefix([1, 3])
    whole = window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=4)
    runs = counted(model)
    for first_layer, expected in ((1, [1, 2, 2, 2]), (1, [1, 3, 3, 3]), (3, [1, 3, 3, 4]), (2, [2, 4, 4, 5])):
        found = window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=first_layer)
        assert runs == expected
        np.testing.assert_array_equal(found, whole)


def test_what_a_cut_sends_on_is_not_kept_for_later_layers():
    model, prefix = tiny_causal("Llama", n_layers=4), Prefix([1, 3])
    before = {key: matrix.read() for key, matrix in live.matrices(model).items()}
    whole = window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=4)
    spoil(model, 1)
    cut = window_nll(model, windows(2), batch_size=2)
    found = window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=1)
    np.testing.assert_array_equal(found, cut)
    for key, matrix in live.matrices(model).items():
        matrix.write(before[key])
    found = window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=3)
    np.testing.assert_array_equal(found, whole)


def test_kept_states_are_those_of_their_own_batch():
    model, prefix = tiny_causal("Llama", n_layers=3), Prefix()
    one = window_nll(model, windows(), batch_size=1)
    for _ in range(2):
        found = window_nll(model, windows(), batch_size=1, prefix=prefix, first_layer=2)
        np.testing.assert_array_equal(found, one)


def test_a_block_that_writes_into_its_input_spoils_nothing(monkeypatch):
    model, prefix = tiny_causal("Llama", n_layers=3), Prefix()
    block = blocks_of(model)[2]
    own = block.forward
    monkeypatch.setattr(block, "forward", lambda hidden, *args, **kwargs: own(hidden.mul_(1.5), *args, **kwargs))
    expected = window_nll(model, windows(), batch_size=2)
    for _ in range(3):
        found = window_nll(model, windows(), batch_size=2, prefix=prefix, first_layer=2)
        np.testing.assert_array_equal(found, expected)
    assert prefix._state == "checked"  # what was kept is as it was


def test_a_model_that_is_no_chain_runs_in_full_and_a_line_says_so(monkeypatch, capsys):
    model, prefix = tiny_causal("Llama", n_layers=3), Prefix()
    first, last = blocks_of(model)[0], blocks_of(model)[2]
    seen, own = [], last.forward
    first.mlp.register_forward_hook(lambda _, args, output: seen.append(output))  # a shortcut past block 1
    monkeypatch.setattr(last, "forward", lambda hidden, *args, **kwargs: own(hidden + seen.pop(), *args, **kwargs))
    expected = window_nll(model, windows(2), batch_size=2)
    seen.append(torch.zeros(2, 19, 32))
    window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=2)
    seen.append(torch.zeros(2, 19, 32))
    found = window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=2)
    np.testing.assert_array_equal(found, expected)
    assert "no simple chain" in capsys.readouterr().err
    np.testing.assert_array_equal(window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=2), expected)


def test_numbers_that_are_none_do_not_look_like_a_difference():
    model, prefix = tiny_causal("Llama", n_layers=3), Prefix()
    for parameter in blocks_of(model)[2].parameters():
        parameter.data.fill_(torch.nan)
    for _ in range(2):
        assert np.isnan(window_nll(model, windows(2), batch_size=2, prefix=prefix, first_layer=2)).all()
    assert prefix._state == "checked"


def test_batches_beyond_the_limit_run_in_full(monkeypatch, counted):
    model, prefix = tiny_causal("Llama", n_layers=3), Prefix()
    monkeypatch.setattr(prefixes, "LIMIT", (19 + 17) * 32 * 4)  # two of the three windows' states
    expected = window_nll(model, windows(3), batch_size=1)
    runs = counted(model)
    for _ in range(2):
        found = window_nll(model, windows(3), batch_size=1, prefix=prefix, first_layer=2)
        np.testing.assert_array_equal(found, expected)
    assert runs[0] == 3 + 1 + 1  # the second time one window, and one more for the comparison


def test_an_error_leaves_every_block_as_it_was():
    model = tiny_causal("Llama", n_layers=3)
    with pytest.raises(IndexError):
        window_nll(model, [Window("a", [1, VOCABULARY + 3, 1], 2)], batch_size=1, prefix=Prefix(), first_layer=2)
    assert not any("forward" in module.__dict__ for module in model.modules())
