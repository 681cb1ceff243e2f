"""A structure-keeping control has its original's weight matrices drawn anew, and all else as it was."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from weightspectra.models import number_formats, weights
from weightspectra.models.fetching.fetch import fetch
from weightspectra.models.made.draws import Correlations, correlated, neighbour_correlations
from weightspectra.models.made.structured import blocks
from weightspectra.models.settings import Model
from weightspectra.sources import checkpoints

KINDS = ("flipped", "rescaled", "shuffled", "correlated")
FUSED = ("gpt2", "phi3", "mixtral", "gpt_neox", "albert")
"""Architectures with transposed, fused, stacked, alternating and shared tensors."""
UP = "model.layers.0.mlp.up_proj.weight"
ASKED = Correlations(along_rows=0.6, along_columns=-0.4)


@pytest.fixture(scope="module")
def original(tiny_llama, tmp_path_factory):
    """The tiny Llama in bfloat16: entries about a mean of their own, rows of several scales, one matrix correlated."""
    folder, stream = tmp_path_factory.mktemp("structured") / "original", np.random.default_rng(3)
    shutil.copytree(tiny_llama, folder)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        if "_proj." in name:
            tensors[name] = (tensor * torch.logspace(-1, 1, len(tensor))[:, None] + 0.01).bfloat16()
    tensors[UP] = torch.from_numpy(correlated(np.ones((96, 32), np.float32), ASKED, stream)).bfloat16()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def made(kind, like, folder, *, name="control", seed=1, **spec):
    entry = Model.model_validate({"source": {kind: {"like": "original", **spec}}})
    return fetch(name, entry, folder, seed=seed, made_from=like)


def matrices(folder):
    return {key: stored.read() for key, stored in weights.matrices(folder).items()}


def ordered(part):
    return np.sort(part, axis=None)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_but_the_weight_matrices_keeps_its_bits(original, tmp_path, kind):
    facts = made(kind, original, tmp_path / "a")
    before, after = (load_file(folder / "model.safetensors") for folder in (original, tmp_path / "a"))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor) == ("_proj." not in name), name
        assert after[name].dtype == (torch.float32 if "_proj." in name else tensor.dtype)
    assert checkpoints.config(tmp_path / "a")["dtype"] == "float32"
    assert (tmp_path / "a" / "tokenizer.json").is_file()
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "a").dtype == torch.float32
    said = facts.provenance
    assert (said["kind"], said["name"], said["revision"]) == (kind, "original", "seed 1, draw 0")
    assert len(said["changes"]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes_and_another_draw_others(original, tmp_path, kind):
    first = made(kind, original, tmp_path / "a")
    assert made(kind, original, tmp_path / "b") == first
    for other in ({"draw": 1}, {"seed": 2}, {"name": "other"}):
        made(kind, original, tmp_path / "c", **other)
        for (key, one), two in zip(matrices(tmp_path / "a").items(), matrices(tmp_path / "c").values(), strict=True):
            if key.role != "up":  # in which neighbours are no independent pairs
                rank = [
                    np.argsort(np.argsort(part, axis=None)) for part in (one / row_scale(one), two / row_scale(two))
                ]
                assert abs(np.corrcoef(*rank)[0, 1]) < 5 / one.size**0.5, (other, key)


def row_scale(matrix):
    return np.sqrt(np.square(matrix).mean(axis=1, keepdims=True))


def test_matrices_share_no_stream(original, tmp_path):
    made("rescaled", original, tmp_path / "a")
    drawn = [part / row_scale(part) for key, part in matrices(tmp_path / "a").items() if part.shape == (32, 32)]
    found = np.corrcoef([part.ravel() for part in drawn])
    assert np.abs(found - np.eye(len(drawn))).max() < 5 / 1024**0.5


@pytest.mark.parametrize("name", FUSED)
def test_flips_keep_every_distance_from_the_mean_of_its_matrix(tiny_models, tmp_path, name):
    _, folder = tiny_models(name)
    made("flipped", folder, tmp_path / "a")
    kept = []
    for (key, before), after in zip(matrices(folder).items(), matrices(tmp_path / "a").values(), strict=True):
        distances = (before - before.mean(dtype=np.float64)).astype(np.float32)
        assert np.array_equal(np.abs(after), np.abs(distances)), key
        kept.append((np.sign(after) == np.sign(distances)).mean())
    assert np.mean(kept) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("within", ["all", "row", "column", "head"])
@pytest.mark.parametrize("name", FUSED)
def test_shuffles_keep_the_entries_of_each_part(tiny_models, tmp_path, name, within):
    _, folder = tiny_models(name)
    made("shuffled", folder, tmp_path / "a", within=within)
    config = checkpoints.config(folder)
    for (key, before), after in zip(matrices(folder).items(), matrices(tmp_path / "a").values(), strict=True):
        parts = [list(blocks(matrix, key.role, within, config)) for matrix in (before, after)]
        assert sum(part.size for part in parts[0]) == before.size
        for one, other in zip(*parts, strict=True):
            assert np.array_equal(ordered(one), ordered(other)), key
        assert not np.array_equal(before, after)


def test_heads_are_rows_where_they_write_and_columns_where_they_are_read(original):
    config, matrix = checkpoints.config(original), np.arange(32 * 32).reshape(32, 32)
    heads = {role: list(blocks(matrix, role, "head", config)) for role in ("query", "attention_output", "down")}
    assert [part.shape for part in heads["query"]] == 4 * [(8, 32)]
    assert np.array_equal(heads["query"][1], matrix[8:16])
    assert np.array_equal(heads["attention_output"][3], matrix[:, 24:].T)
    assert np.array_equal(heads["down"], [matrix])
    [_, second] = blocks(matrix[:16], "key", "head", config)  # shared by two heads of queries each
    assert np.array_equal(second, matrix[8:16])


def test_rescaled_rows_and_columns_have_the_mean_squares_of_the_original(original, tmp_path):
    made("rescaled", original, tmp_path / "a")
    for (key, before), after in zip(matrices(original).items(), matrices(tmp_path / "a").values(), strict=True):
        for axis in (0, 1):
            wanted, other = (np.square(before).mean(axis=a) for a in (axis, 1 - axis))
            ratios = np.square(after).mean(axis=axis) / wanted
            error = float((2 * np.square(other).sum() / other.sum() ** 2) ** 0.5)
            assert (ratios.mean(), ratios.std()) == (
                pytest.approx(1, abs=5 * error / len(ratios) ** 0.5),
                pytest.approx(error, rel=0.6),
            ), key


def test_the_correlations_of_each_matrix_are_written_down_and_kept(original, tmp_path):
    facts = made("correlated", original, tmp_path / "a")
    with safe_open(tmp_path / "a" / "model.safetensors", "pt") as file:
        written = json.loads(file.metadata()["correlations"])
    found = matrices(original)
    assert {str(key): list(neighbour_correlations(matrix)) for key, matrix in found.items()} == written
    up = written["layer 0 'up'"]
    assert up == pytest.approx(ASKED, abs=0.08)
    [key] = (key for key in found if str(key) == "layer 0 'up'")
    assert neighbour_correlations(matrices(tmp_path / "a")[key]) == pytest.approx(up, abs=0.12)
    [change] = facts.origin.changes
    rows, columns = (sorted(of_all) for of_all in zip(*written.values(), strict=True))
    assert f"{rows[0]:.3f} to {rows[-1]:.3f}" in change and "along rows" in change
    assert f"{columns[0]:.3f} to {columns[-1]:.3f}" in change and "along columns" in change


def test_rounding_is_that_of_the_values_that_are_kept(original, tmp_path):
    described = {key: stored.describe(stored.read()) for key, stored in weights.matrices(original).items()}
    for kind, words in (("flipped", "signs flipped"), ("shuffled", "entries shuffled")):
        made(kind, original, tmp_path / kind)
        for key, stored in weights.matrices(tmp_path / kind).items():
            found = stored.describe(stored.read())
            assert found["dtype"] == f"bfloat16, {words}"
            assert found["rounding_std"] == pytest.approx(described[key]["rounding_std"], rel=1e-12)
    for kind in ("rescaled", "correlated"):
        made(kind, original, tmp_path / kind)
        for stored in weights.matrices(tmp_path / kind).values():
            matrix = stored.read()
            assert stored.rounding(matrix) == (
                "float32",
                number_formats.rounding_std(matrix, number_formats.FLOAT32),
            )


def test_what_a_quantiser_left_unknown_stays_unknown(original, tmp_path):
    like = tmp_path / "like"
    shutil.copytree(original, like)
    tensors = load_file(like / "model.safetensors")
    told = {name: None if name == UP else 0.01 for name in tensors if "_proj." in name}
    described = {"format": "pt", "quantisation": "Q4_1", "rounding_std": json.dumps(told)}
    save_file(tensors, like / "model.safetensors", described)
    made("flipped", like, tmp_path / "a")
    for stored in weights.matrices(tmp_path / "a").values():
        name, error = stored.rounding(stored.read())
        assert name == "Q4_1, signs flipped"
        assert np.isnan(error) if stored.slot.tensor == UP else error == pytest.approx(0.01)


def test_tied_weights_stay_tied(tiny_models, tmp_path):
    _, folder = tiny_models("gpt2")
    made("flipped", folder, tmp_path / "a")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "a")
    assert model.lm_head.weight is model.transformer.wte.weight
    assert torch.equal(model.lm_head.weight, AutoModelForCausalLM.from_pretrained(folder).lm_head.weight.float())
