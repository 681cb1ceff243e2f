"""Which files make up a model's folder: each once, none from a subfolder, no pickles unasked."""

import json

import pytest

from weightspectra.base.errors import UserError
from weightspectra.sources import folders


def test_an_index_leads_to_each_of_its_shards_once(tmp_path):
    places = {"a": "model-2.safetensors", "b": "model-1.safetensors", "c": "model-2.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    found = folders.weight_files("model.safetensors.index.json", tmp_path)
    assert found == ["model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors"]
    assert folders.weight_files("model.safetensors", tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("shard", ["../secret.safetensors", ".hidden", "sub/model.safetensors"])
def test_an_index_does_not_lead_out_of_its_folder(tmp_path, shard):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "ok", "b": shard}}))
    with pytest.raises(UserError, match="is not a plain file name"):
        folders.weight_files("model.safetensors.index.json", tmp_path)


def test_companions_are_the_files_of_configuration_and_tokenizer():
    here = ["config.json", "merges.txt", "spiece.model", "chat_template.jinja"]
    others = ["model.safetensors", "model.safetensors.index.json", "onnx/config.json", "README.md"]
    assert folders.companions([*others, *here, "modeling.py"]) == sorted(here)
    assert folders.companions([*others, *here, "modeling.py"], code=True) == sorted([*here, "modeling.py"])


def test_safetensors_are_taken_before_pickles_and_these_only_if_allowed():
    both = {"config.json", "pytorch_model.bin", "model.safetensors.index.json"}
    assert folders.checkpoint(both, "here", allow_pickle=True) == "model.safetensors.index.json"
    pickled = both - {"model.safetensors.index.json"}
    assert folders.checkpoint(pickled, "here", allow_pickle=True) == "pytorch_model.bin"
    with pytest.raises(UserError, match=r"here: its weights are pickled \(pytorch_model.bin\)"):
        folders.checkpoint(pickled, "here")
    with pytest.raises(UserError, match=r"here: no weights; .*found config.json$"):
        folders.checkpoint({"config.json"}, "here", allow_pickle=True)
    with pytest.raises(UserError, match=r"no config\.json"):
        folders.checkpoint({"model.safetensors"}, "here")
