"""A random control has the architecture of its original, the library's initialisation, and reproducible bytes."""

import shutil
from collections import namedtuple

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertModel, LlamaForCausalLM

from weightspectra.base.errors import UserError
from weightspectra.models.fetching.fetch import fetch
from weightspectra.models.made.random import write_control
from weightspectra.models.settings import Model


def control(name, like, folder, *, seed=1):
    entry = Model.model_validate({"source": {"random": {"like": "original"}}})
    return fetch(name, entry, folder, seed=seed, made_from=like)


def test_the_same_name_and_seed_give_the_same_bytes(tiny_llama, tmp_path):
    torch.manual_seed(99)
    first = control("twin", tiny_llama, tmp_path / "a")
    torch.rand(7)
    assert control("twin", tiny_llama, tmp_path / "b") == first


@pytest.mark.parametrize("changed", [{"name": "other"}, {"seed": 2}], ids=["name", "seed"])
def test_another_name_or_seed_gives_other_weights(tiny_llama, tmp_path, changed):
    first = control("twin", tiny_llama, tmp_path / "a")
    second = control(**{"name": "twin", **changed}, like=tiny_llama, folder=tmp_path / "b")
    hashes = [{file["path"]: file["sha256"] for file in facts.files} for facts in (first, second)]
    assert hashes[0].keys() == hashes[1].keys()
    assert [path for path in hashes[0] if hashes[0][path] != hashes[1][path]] == ["model.safetensors"]


def test_the_generator_of_the_caller_is_left_alone(tiny_llama, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    control("twin", tiny_llama, tmp_path / "a")
    assert torch.equal(torch.rand(3), expected)


def test_architecture_head_and_tokenizer_are_the_original_s(tiny_llama, tmp_path):
    facts = control("twin", tiny_llama, tmp_path / "a")
    assert (facts.origin.kind, facts.origin.name, facts.architecture) == ("random", "original", "LlamaForCausalLM")
    original = AutoModelForCausalLM.from_pretrained(tiny_llama)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "a")
    assert type(model) is LlamaForCausalLM
    assert {n: p.shape for n, p in model.named_parameters()} == {n: p.shape for n, p in original.named_parameters()}
    assert not torch.equal(model.lm_head.weight, original.lm_head.weight)
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (tiny_llama, tmp_path / "a")]
    assert tokenizers[0]("some text")["input_ids"] == tokenizers[1]("some text")["input_ids"]


def test_the_initialisation_is_the_library_s(tiny_llama, tmp_path):
    write_control(tiny_llama, tmp_path / "a", seed=42)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "a")
    torch.manual_seed(42)
    expected = LlamaForCausalLM(model.config).state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in model.state_dict().items())
    entries = torch.cat([p.flatten() for name, p in model.named_parameters() if name.endswith("proj.weight")])
    assert entries.std().item() == pytest.approx(model.config.initializer_range, rel=0.05)
    assert entries.mean().item() == pytest.approx(0, abs=5 * 0.02 / entries.numel() ** 0.5)


def test_half_precision_originals_get_float32_controls(tiny_llama, tmp_path):
    AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.bfloat16).save_pretrained(tmp_path / "half")
    write_control(tmp_path / "half", tmp_path / "a", seed=1)
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "a").dtype == torch.float32


def test_an_unknown_class_falls_to_the_bare_model(tiny_bert, tmp_path):
    like = tmp_path / "like"
    shutil.copytree(tiny_bert, like)
    text = (like / "config.json").read_text()
    (like / "config.json").write_text(text.replace('"BertModel"', '"BertForOwnPurposes"'))
    write_control(like, tmp_path / "a", seed=1)
    assert BertModel.from_pretrained(tmp_path / "a").config.num_hidden_layers == 2


def test_a_full_disk_is_named_before_anything_is_written(tiny_bert, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 90, 10))
    with pytest.raises(UserError, match=r"the disk is full: [\d,]+ bytes are needed, 10 are free"):
        write_control(tiny_bert, tmp_path / "a", seed=1)
    assert list((tmp_path / "a").iterdir()) == []
