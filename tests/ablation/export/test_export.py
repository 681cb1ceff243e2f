"""Exported checkpoints: what transformers loads from them is the cut model."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from causal_models import VOCABULARY, tiny_causal

from weightspectra.ablation.choose.cuts import plan_cuts
from weightspectra.ablation.choose.labels import find, slug
from weightspectra.ablation.choose.selection import Spectrum
from weightspectra.ablation.edit.truncation import Stored, edited
from weightspectra.ablation.export import exporting, factorised
from weightspectra.ablation.settings import Cut
from weightspectra.base.errors import UserError
from weightspectra.models import live, loading
from weightspectra.spectra.svd import decompose

ONE_TENTH = {"keep": {"deciles": [9]}, "scope": "all"}
TOKENS = torch.from_numpy(np.random.default_rng(0).integers(3, VOCABULARY, (2, 9)))


class Source:
    """A tiny model on the disk, loaded as for an evaluation, with one cut."""

    def __init__(self, folder, architecture, entry, **changed):
        made = tiny_causal(architecture)
        for name, value in changed.items():
            setattr(made.config, name, value)
        made.tie_weights()
        made.save_pretrained(folder)
        (folder / "tokenizer_config.json").write_text("{}")
        self.folder = folder
        self.model = loading.load(folder, head="causal")
        self.matrices = live.matrices(self.model)
        found = {key: decompose(matrix.read().numpy()) for key, matrix in self.matrices.items()}
        spectra = {
            key: Spectrum(found[key].singular_values.numpy(), *matrix.read().shape)
            for key, matrix in self.matrices.items()
        }
        self.stored = Stored(lambda key: found[key].short_vectors.numpy().astype(np.float32))
        (self.cut,) = plan_cuts([Cut(**entry)], spectra)

    def logits_after_the_cut(self):
        with edited(self.matrices, self.cut.edits, self.stored):
            return logits(self.model)

    def export(self, folder):
        folder.mkdir()
        return exporting.write_checkpoint(self.model, self.matrices, self.cut, self.stored, self.folder, folder)


def logits(model):
    with torch.inference_mode():
        return model(input_ids=TOKENS, use_cache=False).logits


@pytest.mark.parametrize("architecture", ["Llama", "GPT2", "GPTNeoX", "Mixtral"])
def test_transformers_loads_the_very_model_that_was_evaluated(architecture, tmp_path):
    source = Source(tmp_path / "source", architecture, {"remove": {"deciles": [10]}, "scope": "all"})
    before = logits(source.model)
    exported = source.export(tmp_path / "export")

    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "export")
    assert torch.equal(logits(loaded), source.logits_after_the_cut())
    assert not torch.allclose(logits(loaded), before, atol=1e-2)
    assert torch.equal(logits(source.model), before)
    assert loaded.config.use_cache and not source.model.config.use_cache
    assert (tmp_path / "export" / "tokenizer_config.json").read_text() == "{}"
    assert exported.n_parameters == sum(parameter.numel() for parameter in loaded.parameters())


EVERY_ROLE = ["query", "key", "value", "attention_output", "up", "gate", "down"]


@pytest.mark.parametrize(
    ("architecture", "changed", "entry", "factorised_roles"),
    [
        ("Llama", {}, ONE_TENTH, EVERY_ROLE),
        ("Llama", {"tie_word_embeddings": True}, {"keep": {"deciles": [10]}, "roles": ["down"]}, ["down"]),
        ("GPT2", {}, ONE_TENTH, ["attention_output", "up", "down"]),  # the others share a tensor
        ("OPT", {}, ONE_TENTH, [role for role in EVERY_ROLE if role != "gate"]),
    ],
)
def test_a_factorised_copy_computes_the_same_with_fewer_parameters(
    architecture, changed, entry, factorised_roles, tmp_path
):
    source = Source(tmp_path / "source", architecture, entry, **changed)
    exported = source.export(tmp_path / "export")
    folder = tmp_path / "export" / "factorised"

    loaded = factorised.load(folder)
    torch.testing.assert_close(logits(loaded), source.logits_after_the_cut(), rtol=1e-4, atol=1e-4)
    ranks = json.loads((folder / "ranks.json").read_text())
    assert exported.n_factorised == len(ranks) == 2 * len(factorised_roles)
    for name, rank in ranks.items():
        first, second = loaded.get_submodule(name)
        assert first.weight.shape[0] == second.weight.shape[1] == rank <= 4
    assert exported.n_parameters_factorised == sum(parameter.numel() for parameter in loaded.parameters())
    assert exported.n_parameters_factorised < exported.n_parameters


def test_nothing_is_factorised_where_that_would_be_larger(tmp_path):
    source = Source(tmp_path / "source", "Llama", {"remove": {"deciles": [1]}, "scope": "all"})
    exported = source.export(tmp_path / "export")
    assert exported.n_factorised == 0 and exported.n_parameters_factorised == exported.n_parameters
    assert not (tmp_path / "export" / "factorised").exists()


def test_the_loader_beside_a_factorised_copy_needs_nothing_of_this_project(tmp_path):
    source = Source(tmp_path / "source", "Llama", ONE_TENTH)
    source.export(tmp_path / "export")
    shutil.move(tmp_path / "export" / "factorised", tmp_path / "moved")
    script = (
        "import importlib.util, torch\n"
        "assert importlib.util.find_spec('weightspectra') is None\n"
        "from load_factorised import load\n"
        f"tokens = torch.tensor({TOKENS.tolist()})\n"
        "print(load('moved')(input_ids=tokens).logits.double().sum().item())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "PYTHONPATH": str(tmp_path / "moved")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert float(found.stdout) == pytest.approx(float(source.logits_after_the_cut().double().sum()), abs=1e-2)


def test_a_factorised_copy_that_lacks_a_tensor_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    Source(tmp_path / "source", "Llama", ONE_TENTH).export(tmp_path / "export")
    path = tmp_path / "export" / "factorised" / "model.safetensors"
    tensors = load_file(path)
    tensors["stranger"] = tensors.pop("model.layers.0.mlp.up_proj.0.weight")
    save_file(tensors, path)
    with pytest.raises(ValueError, match=r"lacks \['model\.layers\.0\.mlp\.up_proj\.0\.weight'\].*\['stranger'\]"):
        factorised.load(path.parent)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_factors_give_the_matrix_back_up_to_its_rounding(shape, dtype):
    generator = torch.Generator().manual_seed(1)
    exact = torch.randn(shape[0], 7, generator=generator) @ torch.randn(7, shape[1], generator=generator)
    left, right = exporting.factors(exact.to(dtype), 7)
    assert (left.shape, right.shape) == ((shape[0], 7), (7, shape[1]))
    missed = torch.linalg.vector_norm(left.double() @ right.double() - exact.double())
    assert missed < 2 * torch.finfo(dtype).eps * torch.linalg.vector_norm(exact.double())
    with pytest.raises(ValueError, match="has not rank 6"):
        exporting.factors(exact.to(dtype), 6)


def test_labels_are_found_by_the_names_of_their_folders():
    labels = ["decile 1 of down", "decile 10 of down", "same count as below (calibrated) of layer 3 (query, value)"]
    assert [slug(label) for label in labels] == [
        "decile-1-of-down",
        "decile-10-of-down",
        "same-count-as-below-calibrated-of-layer-3-query-value",
    ]
    assert [find(slug(label), labels) for label in labels] == labels
    with pytest.raises(UserError, match=r"has no cut 'decile 1 of dwn' \(3 others\); perhaps 'decile 1 of down' or"):
        find("decile-1-of-dwn", labels)
