"""A noisier copy has the noise of its original's quantisation once more, and nothing else is changed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from weightspectra.base.errors import UserError
from weightspectra.models import weights
from weightspectra.models.fetching.fetch import fetch
from weightspectra.models.made.renoised import steps_of_blocks, write_renoised
from weightspectra.models.settings import Model
from weightspectra.sources import checkpoints


def quantised(values, bits, block):
    """Round to the grid of each block's smallest and largest value, a naive twin of the format."""
    found = np.empty_like(values, dtype=np.float32)
    for row, line in enumerate(values):
        for start in range(0, len(line), block):
            part = line[start : start + block].astype(np.float64)
            step = np.float32((part.max() - part.min()) / (2**bits - 1))
            levels = np.round((part - part.min()) / step)
            found[row, start : start + block] = np.float32(part.min()) + step * levels.astype(np.float32)
    return found


@pytest.fixture(scope="module")
def original(tiny_llama, tmp_path_factory) -> Path:
    """The tiny Llama, its weight matrices rounded to 4 bits in blocks of 32."""
    folder = tmp_path_factory.mktemp("renoising") / "original"
    shutil.copytree(tiny_llama, folder)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        if "_proj." in name:
            tensors[name] = torch.from_numpy(quantised(tensor.numpy(), 4, 32))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def renoised(name, like, folder, *, seed=1, **grid):
    entry = Model.model_validate({"source": {"renoised": {"like": "original", "bits": 4, "block": 32, **grid}}})
    return fetch(name, entry, folder, seed=seed, made_from=like)


def added(original, folder):
    """Return the noise in every tensor, by name."""
    before, after = (load_file(path / "model.safetensors") for path in (original, folder))
    assert before.keys() == after.keys()
    return {name: (after[name] - before[name]).double().numpy() for name in before}


def test_steps_are_those_the_values_were_rounded_with():
    generator = np.random.default_rng(1)
    values = generator.normal(size=(40, 128)) * np.repeat(np.logspace(-3, 0, 4), 32)
    expected = np.stack([np.ptp(values[:, start : start + 32], axis=1) / 15 for start in range(0, 128, 32)], axis=1)
    assert steps_of_blocks(quantised(values, 4, 32), 4, 32) == pytest.approx(expected, rel=1e-5)


def test_the_noise_is_uniform_over_one_step_of_its_own_block(original, tmp_path):
    """Whatever the rows' scales: divided by the steps, all entries follow one law, with mean square 1/12."""
    facts = renoised("noisy", original, tmp_path / "a")
    matrices = {key: stored.read() for key, stored in weights.matrices(original).items()}
    noise = [
        ((stored.read() - matrices[key]).reshape(-1, 32) / steps_of_blocks(matrices[key], 4, 32).reshape(-1, 1))
        for key, stored in weights.matrices(tmp_path / "a").items()
    ]
    found = np.concatenate(noise)
    n = found.size
    assert np.abs(found).max() == pytest.approx(0.5, abs=1e-3)
    assert np.square(found).mean() == pytest.approx(1 / 12, abs=4 * (1 / 180 / n) ** 0.5)
    assert found.mean() == pytest.approx(0, abs=4 * (1 / 12 / n) ** 0.5)
    assert np.quantile(found, [0.1, 0.5, 0.9]) == pytest.approx([-0.4, 0, 0.4], abs=0.01)
    covariance = found.T @ found / len(found) * 12  # of the 32 places in a block: independent of each other
    assert np.abs(covariance - np.eye(32)).max() < 6 / len(found) ** 0.5
    neighbours = (found[1:] * found[:-1]).mean() * 12  # and of the block before
    assert abs(neighbours) < 4 / n**0.5
    assert (facts.origin.kind, facts.origin.name, facts.origin.revision) == ("renoised", "original", "seed 1")
    assert facts.origin.quantisation == "noise of 4 bits in blocks of 32 added"


def test_fewer_bits_are_coarser_steps(original, tmp_path):
    fine, coarse = (added(original, _made(original, tmp_path / str(bits), bits=bits)) for bits in (6, 3))
    name = "model.layers.0.mlp.up_proj.weight"
    assert coarse[name].std() / fine[name].std() == pytest.approx(63 / 7, rel=0.05)


def _made(like, folder, **grid):
    renoised("noisy", like, folder, **grid)
    return folder


def test_everything_but_the_weight_matrices_keeps_its_bits(original, tmp_path):
    noise = added(original, _made(original, tmp_path / "a"))
    for name, values in noise.items():
        assert values.any() == ("_proj." in name), name
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "a")
    assert model.dtype == torch.float32
    for name in ("config.json", "tokenizer.json"):
        assert (tmp_path / "a" / name).is_file()


def test_the_same_name_and_seed_give_the_same_bytes(original, tmp_path):
    assert renoised("noisy", original, tmp_path / "a") == renoised("noisy", original, tmp_path / "b")


@pytest.mark.parametrize("changed", [{"name": "other"}, {"seed": 2}], ids=["name", "seed"])
def test_another_name_or_seed_gives_independent_noise(original, tmp_path, changed):
    renoised("noisy", original, tmp_path / "a")
    renoised(**{"name": "noisy", **changed}, like=original, folder=tmp_path / "b")
    one, other = added(original, tmp_path / "a"), added(original, tmp_path / "b")
    name = "model.layers.1.mlp.down_proj.weight"
    correlation = np.corrcoef(one[name].ravel(), other[name].ravel())[0, 1]
    assert abs(correlation) < 4 / one[name].size ** 0.5
    first, second = (one[f"model.layers.{layer}.mlp.down_proj.weight"].ravel() for layer in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / first.size**0.5  # nor do tensors share theirs


def test_the_error_of_both_roundings_is_passed_on(original, tmp_path):
    shutil.copytree(original, tmp_path / "like")
    tensors = load_file(tmp_path / "like" / "model.safetensors")
    told = {name: 0.01 for name in tensors if "_proj." in name}
    described = {"format": "pt", "quantisation": "Q4_1", "rounding_std": json.dumps(told)}
    save_file(tensors, tmp_path / "like" / "model.safetensors", described)
    renoised("noisy", tmp_path / "like", tmp_path / "a")
    noise = added(tmp_path / "like", tmp_path / "a")
    for stored in weights.matrices(tmp_path / "a").values():
        described = stored.describe(stored.read())
        both = (0.01**2 + np.square(noise[stored.slot.tensor]).mean()) ** 0.5
        assert described["dtype"] == "Q4_1, noise of 4 bits added"
        assert described["rounding_std"] == pytest.approx(both, rel=0.05)


@pytest.mark.parametrize("name", ["gpt2", "phi3", "mixtral"])
def test_blocks_lie_along_the_input_however_a_matrix_is_stored(tiny_models, tmp_path, name):
    """Transposed, fused and stacked tensors: one row is scaled up, and only that row's noise is."""
    _, folder = tiny_models(name)
    like = tmp_path / "like"
    shutil.copytree(folder, like)
    tensors, chosen = load_file(like / "model.safetensors"), next(iter(weights.matrices(folder).values()))
    chosen.slot.views(tensors[chosen.slot.tensor])[0][3] *= 1000
    save_file(tensors, like / "model.safetensors", {"format": "pt"})
    write_renoised(like, tmp_path / "a", 1, block=8)
    noise = weights.matrices(tmp_path / "a")[chosen.key].read() - weights.matrices(like)[chosen.key].read()
    sizes = np.abs(noise).mean(axis=1)
    assert sizes[3] > 100 * np.median(sizes)
    assert (sizes > 10 * np.median(sizes)).sum() == 1


def test_half_precision_and_counters_are_carried_over(tiny_llama, tmp_path):
    AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.bfloat16).save_pretrained(tmp_path / "like")
    tensors = load_file(tmp_path / "like" / "model.safetensors")
    tensors["model.counter"] = torch.arange(3)
    save_file(tensors, tmp_path / "like" / "model.safetensors", {"format": "pt"})
    write_renoised(tmp_path / "like", tmp_path / "a", 1)
    with safe_open(tmp_path / "a" / "model.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("model.counter"), torch.arange(3))
        assert file.get_tensor("model.norm.weight").dtype == torch.bfloat16
        assert file.get_tensor("model.layers.0.mlp.up_proj.weight").dtype == torch.float32
    assert checkpoints.config(tmp_path / "a")["dtype"] == "float32"


def test_rows_that_do_not_divide_into_blocks_are_refused(original, tmp_path):
    with pytest.raises(UserError, match="model 'noisy': rows of 32 values do not divide into blocks of 64"):
        renoised("noisy", original, tmp_path / "a", block=64)
    assert not (tmp_path / "a").exists()


def test_an_original_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the folder of 'original' are needed to make 'noisy' like it"):
        renoised("noisy", None, tmp_path / "a")
