"""Matrices read from checkpoints on disk: number formats, rounding, damage, memory, parts."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import stats

from weightspectra.base.errors import UserError
from weightspectra.contracts import MATRICES, MatrixKey
from weightspectra.models import number_formats, weights
from weightspectra.models.families.registry import FAMILIES
from weightspectra.sources import checkpoints

FORMATS = {torch.bfloat16: number_formats.BFLOAT16, torch.float16: number_formats.FLOAT16}


def llama(folder: Path, dtype=torch.float32, shape=(12, 8), n_layers=1, metadata=None, **changes) -> dict:
    """Save a checkpoint with the block tensors of a Llama, and return its tensors."""
    generator = torch.Generator().manual_seed(5)
    names = [f"model.layers.{layer}.{name}" for layer in range(n_layers) for name in FAMILIES["llama"].tensors]
    tensors = {name: torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for name in names}
    tensors.update(changes)
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata=metadata)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": n_layers}))
    return tensors


UP = "model.layers.0.mlp.up_proj.weight"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_formats_are_read_without_loss(tmp_path, dtype):
    tensors = llama(tmp_path, dtype)
    for key, matrix in weights.matrices(tmp_path).items():
        values = matrix.read()
        assert values.dtype == np.float32, key
        assert torch.equal(torch.from_numpy(values), tensors[matrix.slot.tensor].float())
        described = matrix.describe(values)
        assert described["dtype"] == str(dtype).removeprefix("torch.")
        assert set(described) | {"model"} == set(MATRICES.schema.names)


def test_special_values_of_bfloat16_survive(tmp_path):
    values = torch.tensor([[0.0, -0.0, 1.0, -1.5, 2.0**-133, -(2.0**127), 3.390625, 1e-30]] * 2, dtype=torch.bfloat16)
    llama(tmp_path, torch.bfloat16, (2, 8), **{UP: values})
    read = weights.matrices(tmp_path)[MatrixKey(0, "up")].read()
    assert read.tobytes() == values.float().numpy().tobytes()


def test_float64_is_rounded_and_says_so(tmp_path):
    tensors = llama(tmp_path, torch.float64)
    matrix = weights.matrices(tmp_path)[MatrixKey(0, "up")]
    values = matrix.read()
    assert torch.equal(torch.from_numpy(values), tensors[UP].float())
    assert matrix.describe(values)["dtype"] == "float64 (rounded to float32)"


@pytest.mark.parametrize(("dtype", "name"), [(torch.bfloat16, "bfloat16"), (torch.float16, "float16")])
def test_an_upcast_checkpoint_keeps_its_coarse_rounding(tmp_path, dtype, name):
    coarse = torch.randn(300, 200, generator=torch.Generator().manual_seed(1)).to(dtype)
    llama(tmp_path / "upcast", torch.float32, **{UP: coarse.float()})
    llama(tmp_path / "plain", torch.float32, **{UP: coarse})
    described = {}
    for folder in ("upcast", "plain"):
        matrix = weights.matrices(tmp_path / folder)[MatrixKey(0, "up")]
        described[folder] = matrix.describe(matrix.read())
    assert described["upcast"]["dtype"] == f"float32 ({name} values)"
    assert described["upcast"]["rounding_std"] == described["plain"]["rounding_std"]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 3e-6])
@pytest.mark.parametrize("dtype", FORMATS)
def test_rounding_std_is_what_rounding_does(dtype, scale):
    # 3e-6 lies among the subnormal numbers of float16, whose spacing no longer shrinks.
    exact = scale * torch.randn(600, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    rounded = exact.to(dtype)
    measured = (rounded.double() - exact).square().mean().sqrt().item()
    estimated = number_formats.rounding_std(rounded.float().numpy(), FORMATS[dtype])
    assert estimated == pytest.approx(measured, rel=0.02)


def test_rounding_std_of_float32():
    exact = torch.randn(600, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    measured = (exact.float().double() - exact).square().mean().sqrt().item()
    estimated = number_formats.rounding_std(exact.float().numpy(), number_formats.FLOAT32)
    assert estimated == pytest.approx(measured, rel=0.02)


def test_the_converters_rounding_and_format_win(tmp_path):
    notes = {"quantisation": "Q4_1", "rounding_std": json.dumps({UP: 0.0125})}
    llama(tmp_path, metadata=notes)
    found = weights.matrices(tmp_path)
    described = {
        role: found[key].describe(found[key].read()) for role in ("up", "down") for key in [MatrixKey(0, role)]
    }
    assert (described["up"]["dtype"], described["up"]["rounding_std"]) == ("Q4_1", 0.0125)
    assert described["down"]["dtype"] == "float32"


def test_moments_and_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(number_formats, "BLOCK_ENTRIES", 7)
    values = 1000 + torch.randn(12, 8, generator=torch.Generator().manual_seed(4))
    llama(tmp_path, **{UP: values})
    matrix = weights.matrices(tmp_path)[MatrixKey(0, "up")]
    described = matrix.describe(matrix.read())
    exact = values.double().numpy()
    assert described["entry_mean"] == pytest.approx(exact.mean(), rel=1e-14)
    assert described["entry_std"] == pytest.approx(exact.std(), rel=1e-12)
    assert described["frobenius_norm"] == pytest.approx(np.linalg.norm(exact), rel=1e-14)
    assert described["excess_kurtosis"] == pytest.approx(stats.kurtosis(exact, axis=None), abs=1e-9)
    assert described["sha256"] == hashlib.sha256(values.numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("block_entries", [3, 20, 1 << 20])
def test_moments_of_rows_and_columns(monkeypatch, block_entries):
    monkeypatch.setattr(number_formats, "BLOCK_ENTRIES", block_entries)
    rng = np.random.default_rng(6)
    matrix = (rng.standard_t(3, (11, 8)) * np.arange(11)[:, None]).astype(np.float32)
    matrix[4, 2] = -1e4
    found, exact = number_formats.moments(matrix), matrix.astype(np.float64)
    assert found["largest_entry"] == 1e4
    np.testing.assert_allclose(found["row_mean_squares"], [np.mean([x * x for x in row]) for row in exact], rtol=1e-14)
    np.testing.assert_allclose(
        found["column_mean_squares"], [np.mean([x * x for x in column]) for column in exact.T], rtol=1e-14
    )
    assert found["excess_kurtosis"] == pytest.approx(stats.kurtosis(exact, axis=None), rel=1e-12)


def test_a_constant_matrix_has_no_kurtosis():
    found = number_formats.moments(np.full((4, 5), 0.5, np.float32))
    assert np.isnan(found["excess_kurtosis"])
    assert (found["entry_std"], found["largest_entry"]) == (0.0, 0.5)


@pytest.mark.parametrize("name", ["gpt_neox", "gpt2", "mixtral", "phi3"])
def test_reading_in_blocks_changes_nothing(name, tiny_models, monkeypatch):
    _, folder = tiny_models(name)
    whole = {key: matrix.read() for key, matrix in weights.matrices(folder).items()}
    monkeypatch.setattr(weights, "BLOCK_BYTES", 300)
    for key, matrix in weights.matrices(folder).items():
        assert np.array_equal(matrix.read(), whole[key]), key


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_entries_that_are_not_finite_are_refused_by_name(tmp_path, wrong):
    values = torch.ones(12, 8, dtype=torch.bfloat16)
    values[3, 4] = values[11, 7] = wrong
    llama(tmp_path, torch.bfloat16, **{UP: values})
    found = weights.matrices(tmp_path)
    found[MatrixKey(0, "down")].read()
    with pytest.raises(UserError, match=rf"layer 0 'up': 2 of 96 entries are NaN or infinite \(tensor '{UP}'"):
        found[MatrixKey(0, "up")].read()


def test_float64_beyond_float32_is_refused(tmp_path):
    llama(tmp_path, torch.float64, **{UP: torch.full((12, 8), 1e300, dtype=torch.float64)})
    with pytest.raises(UserError, match="layer 0 'up': 96 of 96"):
        weights.matrices(tmp_path)[MatrixKey(0, "up")].read()


@pytest.mark.parametrize(("dtype", "name"), [(torch.float8_e4m3fn, "F8_E4M3"), (torch.int32, "I32")])
def test_quantised_tensors_are_refused(tmp_path, dtype, name):
    llama(tmp_path, **{UP: torch.ones(12, 8).to(dtype)})
    with pytest.raises(UserError, match=rf"'{UP}' is stored as {name}; expected BF16, F16, F32, F64.*quantised"):
        weights.matrices(tmp_path)


def sharded(folder: Path, suffix: str) -> dict:
    """Turn a checkpoint into two shards with an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    names = sorted(tensors)
    where = {name: f"{stem}-0000{1 + number % 2}-of-00002.{suffix}" for number, name in enumerate(names)}
    for shard in set(where.values()):
        held = {name: tensors[name] for name in names if where[name] == shard}
        save_file(held, folder / shard) if suffix == "safetensors" else torch.save(held, folder / shard)
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"weight_map": where}))
    return tensors


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards(tmp_path, suffix):
    llama(tmp_path, torch.bfloat16, n_layers=2)
    tensors = sharded(tmp_path, suffix)
    found = weights.matrices(tmp_path)
    assert len(found) == 14
    for matrix in found.values():
        assert torch.equal(torch.from_numpy(matrix.read()), tensors[matrix.slot.tensor].float())


@pytest.mark.parametrize("zipped", [True, False])
def test_a_single_pickle_without_safetensors(tmp_path, zipped):
    tensors = llama(tmp_path, torch.float16)
    (tmp_path / "model.safetensors").unlink()
    torch.save(tensors, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    matrix = weights.matrices(tmp_path)[MatrixKey(0, "up")]
    assert torch.equal(torch.from_numpy(matrix.read()), tensors[UP].float())
    assert matrix.describe(matrix.read())["dtype"] == "float16"


def test_damage_is_named(tmp_path):
    llama(tmp_path)
    file = tmp_path / "model.safetensors"
    content = file.read_bytes()
    for damaged in (content[:-1], content[:20], b"", b"\xff" * 8 + content[8:], content[:8] + b"[" + content[9:]):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match=r"model\.safetensors: truncated or damaged safetensors file"):
            weights.matrices(tmp_path)
    file.unlink()
    with pytest.raises(UserError, match=r"found neither model\.safetensors nor pytorch_model\.bin"):
        weights.matrices(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"no pickle at all")
    with pytest.raises(UserError, match=r"pytorch_model\.bin: no file of PyTorch, or more than plain tensors"):
        weights.matrices(tmp_path)
    torch.save({"weight": torch.ones(2, 2), "code": Path}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"more than plain tensors .*; use safetensors files"):
        weights.matrices(tmp_path)


def test_a_missing_shard_or_configuration_is_named(tmp_path):
    llama(tmp_path)
    sharded(tmp_path, "safetensors")
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(UserError, match=r"model-00002-of-00002\.safetensors: this shard .* is missing"):
        weights.matrices(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match=r"config\.json: no readable model configuration"):
        checkpoints.config(tmp_path)


@pytest.mark.parametrize(("n_layers", "n_parts"), [(1, 1), (7, 3), (32, 5), (6, 6), (30, 4)])
def test_parts_are_contiguous_complete_and_balanced(n_layers, n_parts):
    parts = [weights.layers_of_part(n_layers, f"{part:02d}-of-{n_parts:02d}") for part in range(n_parts)]
    assert [layer for part in parts for layer in part] == list(range(n_layers))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert min(map(len, parts)) >= 1


def test_more_parts_than_layers_are_refused():
    with pytest.raises(UserError, match="parts: 7, but the model has only 6 layers"):
        weights.layers_of_part(6, "00-of-07")


def test_one_part_holds_only_its_layers(tmp_path):
    llama(tmp_path, n_layers=5)
    assert {key.layer for key in weights.matrices(tmp_path, part="01-of-02")} == {2, 3, 4}


PEAK = """
import resource, sys
from weightspectra.models import weights
found = weights.matrices(sys.argv[1])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
for matrix in found.values():
    matrix.describe(matrix.read())
print(peak() - before)
"""


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_peak_memory_is_one_matrix_and_little_more(tmp_path, dtype):
    tiny, large = torch.ones(2, 2, dtype=dtype), torch.ones(4096, 4096, dtype=dtype)
    names = list(FAMILIES["llama"].tensors)
    changes = {f"model.layers.0.{name}": large.clone() for name in names[:5]}
    llama(tmp_path, dtype, (2, 2), **{f"model.layers.0.{names[5]}": tiny, **changes})
    paths = [path for path in sys.path if re.search("/src$", path)]
    command = [sys.executable, "-c", PEAK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": paths[0]})
    assert float(done.stdout) < 64 + 100
