"""Models and tokenizers of a hub on loopback: what is refused before weights are sent, and whose tokenizer is taken.

The hub's library reads its environment when it is imported, so that each fetch runs in a process of its own.
"""

import json
import re
import subprocess
import sys

import pytest
from fake_hub import COMMIT, REPO, environment, serving
from patience import HANGS_S

FETCH = """
import json, sys
from pathlib import Path
from weightspectra.base.errors import UserError
from weightspectra.models.fetching.fetch import fetch
from weightspectra.models.settings import Model
try:
    facts = fetch("m", Model.model_validate(json.loads(sys.argv[1])), Path(sys.argv[2]), seed=1, texts=True)
    print(json.dumps([file["path"] for file in facts.files]))
except UserError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def hub(tiny_llama):
    with serving({path.name: path.read_bytes() for path in sorted(tiny_llama.iterdir())}) as state:
        yield state


@pytest.fixture
def fetch(tmp_path):
    """Return a function that fetches a model as its entry says; it returns the files' names, or what was refused."""

    def fetched(endpoint, **entry):
        command = [sys.executable, "-c", FETCH, json.dumps(entry), str(tmp_path / "out")]
        settings = environment(endpoint, tmp_path / "hf")
        done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=HANGS_S)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return fetched


def from_hub(repo=REPO, revision=COMMIT):
    return {"hub": {"repo": repo, "revision": revision}}


def test_packed_weights_are_refused_by_the_configuration_alone(hub, fetch):
    config = json.loads(hub.files["config.json"])
    hub.files["config.json"] = json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}).encode()
    said = fetch(hub.endpoint, source=from_hub())
    assert said.startswith("model 'm': config.json says that the weights are quantised (gptq), in a format that is not")
    assert hub.downloads() == ["config.json"]


def test_the_tokenizer_of_a_repository_takes_the_place_of_the_models_own(hub, fetch, tiny_llama, tmp_path):
    other = json.loads(hub.files["tokenizer_config.json"]) | {"model_max_length": 77}
    hub.files["tokenizer_config.json"] = json.dumps(other).encode()
    entry = {"source": {"path": str(tiny_llama)}, "tokenizer": from_hub(revision="main")}
    assert "tokenizer.json" in fetch(hub.endpoint, **entry)
    assert hub.downloads() == ["tokenizer.json", "tokenizer_config.json"]
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == hub.files[name]
    # Without the hub the same is taken from the cache; a damaged file there is not.
    assert "tokenizer.json" in fetch("http://127.0.0.1:9", **entry)
    kept = (tmp_path / "out" / "tokenizer_config.json").resolve()
    kept.write_bytes(kept.read_bytes().replace(b"77", b"78"))
    said = fetch("http://127.0.0.1:9", **entry)
    assert "tokenizer_config.json: damaged in the hub's cache" in said and not kept.exists()


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (from_hub(repo="lab/none"), "lab/none@0.*has no such model, or it is private; check the name"),
        (from_hub(revision="v9"), "the model has no such revision"),
        (from_hub(repo="lab/gated"), "the model is gated; accept its licence"),
        (from_hub(), "tokenizer: lab/tiny@0.* holds no tokenizer; expected one of tokenizer.json"),
    ],
)
def test_a_tokenizer_that_the_hub_lacks_is_refused_before_the_model_is_sent(hub, fetch, tokenizer, message):
    hub.files = {name: content for name, content in hub.files.items() if name != "tokenizer.json"}
    said = fetch(hub.endpoint, source=from_hub(), tokenizer=tokenizer)
    assert re.search(message, said), said
    assert "model.safetensors" not in hub.downloads()
