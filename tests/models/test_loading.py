"""Loading a folder: heads that are missing are refused, nothing is printed, devices are resolved."""

import json
import shutil

import pytest
import torch

from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.models import devices, live, loading


def test_decoder_with_its_head(tiny_llama, capfd):
    model, tokenizer = loading.load(tiny_llama, head="causal"), loading.load_tokenizer(tiny_llama)
    said = capfd.readouterr()
    assert said.out == said.err == ""
    assert type(model).__name__ == "LlamaForCausalLM"
    assert not model.training
    assert model.config.use_cache is False
    assert tokenizer("abc")["input_ids"]


def test_encoder_without_a_head(tiny_bert):
    model = loading.load(tiny_bert)
    assert type(model).__name__ == "BertModel"
    assert len(live.matrices(model)) == 12


def test_decoder_without_its_head(tiny_llama):
    model = loading.load(tiny_llama, dtype=torch.bfloat16)
    assert type(model).__name__ == "LlamaModel"
    assert live.matrices(model)[MatrixKey(0, "up")].read().dtype == torch.bfloat16


def test_tied_heads_are_fine(tiny_models, tiny_llama, tmp_path):
    _, folder = tiny_models("gemma2")
    shutil.copytree(folder, tmp_path / "gemma2")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_llama / name, tmp_path / "gemma2" / name)
    model = loading.load(tmp_path / "gemma2", head="causal")
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_missing_head_is_refused(tiny_bert):
    with pytest.raises(UserError, match=r"lacks \d+ weights, which would be random: cls\.predictions"):
        loading.load(tiny_bert, head="causal")


def test_a_missing_block_weight_is_refused(tiny_llama, tmp_path):
    folder = shutil.copytree(tiny_llama, tmp_path / "llama")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(
        UserError, match=r"lacks 9 weights.*layers\.2\..*; remove the model's folder .* to fetch it anew"
    ):
        loading.load(folder)
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    with pytest.raises(
        UserError, match=rf"lacks 9 weights.*; complete the model in {folder}, to which this folder links"
    ):
        loading.load(linked)


def test_a_pooler_may_be_missing(tiny_models, tiny_bert, tmp_path):
    from transformers import AutoModel

    AutoModel.from_pretrained(tiny_bert, add_pooling_layer=False).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, tmp_path / name)
    loading.load(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="no readable model configuration"):
        loading.load(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tiny_models):
    with pytest.raises(UserError, match="no loadable tokenizer"):
        loading.load_tokenizer(tiny_models("llama")[1])


def test_devices():
    assert devices.device("cpu") == torch.device("cpu")
    assert devices.device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UserError, match=r"device: cuda:9, but PyTorch .* sees \d+ CUDA devices; set device: auto"):
        devices.device("cuda:9")


def test_results_name_the_gpu_they_were_computed_on(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    assert devices.name(torch.device("cuda:1")) == "GPU 1"
    assert devices.name(torch.device("cpu")) == "cpu"
