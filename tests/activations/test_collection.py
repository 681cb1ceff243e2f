import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXModel, PhiConfig, PhiModel

from weightspectra.activations.collection import (
    batches_of,
    collect_moments,
    find_shared_inputs,
    without_padding,
)
from weightspectra.activations.windows import Window
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.models import live, loading

LENGTHS = [9, 20, 3, 20, 14]


def make_windows(vocabulary, seed=0):
    rng = np.random.default_rng(seed)
    return [Window(str(i), rng.integers(2, vocabulary, n).tolist(), 0) for i, n in enumerate(LENGTHS)]


def modules_of(model, layers=(0, 1)):
    return {key: matrix.module for key, matrix in live.matrices(model).items() if key.layer in layers}


def collect(model, windows, layers=(0, 1), batch_size=2):
    batches = batches_of(windows, batch_size, pad_id=0)
    shared = find_shared_inputs(model, modules_of(model, layers), batches[-1])
    return collect_moments(model, shared, batches, label="test")


def naive_inputs(model, windows):
    """Every module's inputs, one window at a time: no padding, no batches, no sharing."""
    records = {key: [] for key in modules_of(model)}
    for key, module in modules_of(model).items():
        module.register_forward_pre_hook(lambda _, inputs, key=key: records[key].append(inputs[0][0].double()))
    with torch.no_grad():
        for window in windows:
            model(input_ids=torch.tensor([window.input_ids]))
    return {key: torch.cat(parts).numpy() for key, parts in records.items()}


@pytest.mark.parametrize("folder", ["tiny_bert", "tiny_llama"])
def test_moments_are_those_of_all_inputs_without_padding(folder, request):
    path = request.getfixturevalue(folder)
    windows = make_windows(60)
    collected = collect(loading.load(path), windows)
    everything = naive_inputs(loading.load(path), windows)
    served = set()
    for shared, moments in collected.items():
        for role in shared.roles:
            inputs = everything[MatrixKey(shared.key.layer, role)]
            assert moments.n_tokens == len(inputs) == sum(LENGTHS)
            np.testing.assert_allclose(moments.mean.numpy(), inputs.mean(axis=0), rtol=1e-4, atol=1e-5)
            expected = np.cov(inputs, rowvar=False, bias=True)
            np.testing.assert_allclose(moments.covariance.numpy(), expected, atol=1e-5 * np.abs(expected).max())
            served.add(MatrixKey(shared.key.layer, role))
    assert served == set(everything)


def test_shared_inputs_of_an_encoder_and_a_decoder(tiny_bert, tiny_llama):
    for folder, mlp in ((tiny_bert, [("up",), ("down",)]), (tiny_llama, [("up", "gate"), ("down",)])):
        collected = collect(loading.load(folder), make_windows(60))
        expected = [("query", "key", "value"), ("attention_output",), *mlp]
        assert [(shared.key.layer, shared.roles) for shared in collected] == [(i, r) for i in (0, 1) for r in expected]
        assert all(shared.key == MatrixKey(shared.key.layer, shared.roles[0]) for shared in collected)


def test_parallel_blocks_and_fused_matrices_share_their_input():
    sizes = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    with torch.random.fork_rng(devices=[]):
        phi = PhiModel(PhiConfig(num_attention_heads=2, **sizes)).eval()
        neox = GPTNeoXModel(GPTNeoXConfig(num_attention_heads=2, **sizes)).eval()
    batch = batches_of(make_windows(50), 2, pad_id=0)[0]
    blocks = [("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")]
    attention = {MatrixKey(0, role): getattr(phi.layers[0].self_attn, name) for name, role in blocks}
    found = find_shared_inputs(phi, attention | {MatrixKey(0, "up"): phi.layers[0].mlp.fc1}, batch)
    assert [shared.roles for shared in found] == [("query", "key", "value", "up")]
    found = find_shared_inputs(neox, modules_of(neox), batch)
    assert [shared.roles for shared in found[:3]] == [("query", "key", "value"), ("attention_output",), ("up",)]


def test_a_part_with_early_layers_only_ends_its_forward_passes_early(tiny_llama):
    model = loading.load(tiny_llama)
    windows = make_windows(60)
    whole = {shared.key: moments.covariance for shared, moments in collect(model, windows).items()}
    batches = batches_of(windows, 2, pad_id=0)
    shared = find_shared_inputs(model, modules_of(model, [0]), batches[0])
    later = []
    model.layers[1].register_forward_pre_hook(lambda *_: later.append(1))
    for found, moments in collect_moments(model, shared, batches, label="test").items():
        torch.testing.assert_close(moments.covariance, whole[found.key], rtol=0, atol=0)
    assert len(shared) == 4
    assert not later


def test_a_module_that_runs_twice_is_observed_twice():
    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 4)

        def forward(self, input_ids, attention_mask):
            first = torch.nn.functional.one_hot(input_ids, 4).float()
            return self.linear(self.linear(first))

    model = Twice()
    batches = batches_of([Window("a", [0, 1, 2, 3], 0), Window("b", [1, 2], 0)], 1, pad_id=0)
    shared = find_shared_inputs(model, {MatrixKey(0, "up"): model.linear}, batches[0])
    assert shared[0].n_calls == 2
    (moments,) = collect_moments(model, shared, batches, label="test").values()
    assert moments.n_tokens == 2 * 6


def test_an_input_that_lacks_tokens_is_refused():
    """A layer that long texts pass by has seen fewer of them than was asked."""

    class ShortOnly(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 4)

        def forward(self, input_ids, attention_mask):
            first = torch.nn.functional.one_hot(input_ids, 4).float()
            return self.linear(first) if input_ids.shape[1] < 4 else first

    model = ShortOnly()
    batches = batches_of([Window("a", [0, 1, 2, 3], 0), Window("b", [1, 2], 0)], 1, pad_id=0)
    shared = find_shared_inputs(model, {MatrixKey(0, "up"): model.linear}, batches[1])
    with pytest.raises(UserError, match=r"layer inputs with their number of tokens: .*missing: \(.*'up'.*, 6\)"):
        collect_moments(model, shared, batches, label="test")


def test_experts_are_skipped_aloud_and_idle_modules_refused(tiny_llama, capsys):
    model = loading.load(tiny_llama)
    batch = batches_of(make_windows(60), 2, pad_id=0)[0]
    modules = modules_of(model, [0]) | {MatrixKey(0, "up", 1): None, MatrixKey(0, "up", 2): None}
    assert len(find_shared_inputs(model, modules, batch)) == 4
    assert "2 matrices (layer 0 'up', expert 1, ...) are experts of a mixture" in capsys.readouterr().err
    with pytest.raises(UserError, match="layer 5 'up' takes no part"):
        find_shared_inputs(model, {MatrixKey(5, "up"): torch.nn.Linear(2, 2)}, batch)


def test_values_that_are_not_finite_are_an_error_that_names_the_layer(tiny_llama):
    model = loading.load(tiny_llama)
    model.layers[1].mlp.up_proj.weight.data[0, 0] = float("inf")
    with pytest.raises(UserError, match="layer 1 'down': its inputs hold values that are not finite"):
        collect(model, make_windows(60))


def test_batches_hold_each_window_once_and_mask_the_rest():
    windows = make_windows(60)
    batches = batches_of(windows, 2, pad_id=7)
    rows = [
        (ids[mask.bool()].tolist(), ids[~mask.bool()].tolist())
        for b in batches
        for ids, mask in zip(*b.values(), strict=True)
    ]
    assert sorted(ids for ids, _ in rows) == sorted(window.input_ids for window in windows)
    assert {token for _, padding in rows for token in padding} == {7}
    assert [len(batch["input_ids"]) for batch in batches] == [2, 2, 1]


def test_flattened_inputs_lose_their_padding_too():
    mask = torch.tensor([[True, True], [True, False]])
    inputs = torch.arange(8.0).reshape(2, 2, 2)
    expected = inputs[mask]
    torch.testing.assert_close(without_padding(inputs, mask), expected)
    torch.testing.assert_close(without_padding(inputs.reshape(4, 2), mask), expected)
    with pytest.raises(ValueError, match="do not fit a mask"):
        without_padding(inputs[:1], mask)
