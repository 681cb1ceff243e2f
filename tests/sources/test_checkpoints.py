"""Tensors on disk: which shard each is read from, what is never opened, and files of every age."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from weightspectra.base.errors import UserError
from weightspectra.sources import checkpoints, folders


@pytest.mark.parametrize("length", range(8))
def test_numbers_begin_at_a_multiple_of_eight(tmp_path, length):
    path, values = tmp_path / "model.safetensors", np.arange(6, dtype=np.float32).reshape(2, 3)
    checkpoints.write_safetensors(path, {"a": ("F32", (2, 3))}, [values], {"note": "x" * length})
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    np.testing.assert_array_equal(load_file(path)["a"], values)


def two_shards(folder: Path, places: dict[str, str]) -> dict[str, np.ndarray]:
    """Write two shards of which the second holds a stale 'a', and the index; return what the index means."""
    first = {"a": np.ones((2, 2), np.float32), "b": np.arange(3.0)}
    second = {"a": np.zeros((2, 2), np.float32), "c": np.arange(4.0)}
    save_file(first, folder / "model-1.safetensors")
    save_file(second, folder / "model-2.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return {**second, **first}


@pytest.mark.parametrize("order", [1, -1])
def test_the_index_decides_which_shard_a_tensor_is_read_from(tmp_path, order):
    places = {"a": "model-1.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"}
    meant = two_shards(tmp_path, dict(list(places.items())[::order]))
    found = checkpoints.tensors(tmp_path)
    assert found.keys() == meant.keys()
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor.array(), meant[name])


def test_a_tensor_that_its_shard_lacks_is_refused(tmp_path):
    two_shards(tmp_path, {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"})
    with pytest.raises(UserError, match=r"model-2\.safetensors: the index assigns 'b' to this shard, which does not"):
        checkpoints.tensors(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"weight_map": {"a": "evil.bin"}}', r"it names 'evil\.bin', which is no \.safetensors file; .*nothing was"),
        ('{"weight_map": {"a": "evil.pkl", "b": "model-1.safetensors"}}', r"it names 'evil\.pkl'"),
        ('{"weight_map": {"a": 7}}', "'7' is not a plain file name"),
        ('{"weight_map": ["a"]}', "not an index of shards"),
        ("[]", "not an index of shards"),
        ("[" * 200_000, "not an index of shards"),
        ("", "not an index of shards"),
    ],
)
def test_an_index_that_is_not_to_be_trusted(tmp_path, content, message):
    opened = tmp_path / "opened"
    (tmp_path / "evil.bin").write_bytes(pickle.dumps(Opened(str(opened))))
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(UserError, match=message):
        checkpoints.tensors(tmp_path)
    with pytest.raises(UserError, match=message):
        folders.weight_files("model.safetensors.index.json", tmp_path)
    assert not opened.exists()


class Opened:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("content", ["[]", "[" * 200_000, "", "3"])
def test_a_configuration_that_is_none(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json: (no readable model configuration|it holds a)"):
        checkpoints.config(tmp_path)


def old_pickle(path: Path, state: dict) -> bytes:
    """Save as PyTorch before 1.6 did."""
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path.read_bytes()


def test_a_pickle_from_before_pytorch_1_6(tmp_path):
    state = {"a": torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), "b": torch.ones(2).bfloat16()}
    path = tmp_path / "pytorch_model.bin"
    content = old_pickle(path, state)
    folders.check_weights(tmp_path, [path.name], "here")
    np.testing.assert_array_equal(checkpoints.tensors(tmp_path)["a"].array(), state["a"].numpy())
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(UserError, match=r"here/pytorch_model\.bin: truncated or damaged, or more than plain tensors"):
        folders.check_weights(tmp_path, [path.name], "here")


def test_a_new_pickle_without_its_end_is_told_from_an_old_one(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.ones(50)}, path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"here: pytorch_model\.bin is truncated: it begins as PyTorch writes"):
        folders.check_weights(tmp_path, [path.name], "here")
    path.write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match=r"here: pytorch_model\.bin is no checkpoint of PyTorch"):
        folders.check_weights(tmp_path, [path.name], "here")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_that_would_run_code_does_not(tmp_path, zipped):
    opened = tmp_path / "opened"
    state = {"a": torch.ones(2), "b": Opened(str(opened))}
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"more than plain tensors .*; use safetensors files") as refusal:
        checkpoints.tensors(tmp_path)
    assert "weights_only" not in str(refusal.value)  # PyTorch advises to run it
    assert not opened.exists()


def test_a_pickle_without_names_is_refused(tmp_path):
    torch.save([torch.ones(2)], tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="it holds a list, and not tensors by name"):
        checkpoints.tensors(tmp_path)
