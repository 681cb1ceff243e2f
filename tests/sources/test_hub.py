"""The hub's library against a small hub on loopback: what is asked for, how often, and what is said when it fails.

The library reads its environment when it is imported, so that each fetch runs in a process of its own.
"""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_hub import COMMIT, REPO, State, environment, serving
from patience import HANGS_S
from safetensors.numpy import save
from transformers import BertModel

from weightspectra.sources import hub

FETCH = """
import json, sys
from weightspectra.base.errors import UserError
from weightspectra.sources.hub import fetch_snapshot
options = json.loads(sys.argv[3])
wanted = options.pop("model_type", None)
def check(config):
    if wanted and config["model_type"] != wanted:
        raise UserError(f"found {config['model_type']}")
try:
    folder, commit = fetch_snapshot(sys.argv[1], sys.argv[2], check=check, **options)
    print(json.dumps({"folder": str(folder), "commit": commit}))
except UserError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture
def server(tiny_bert, tmp_path):
    """A hub with one model in several shards, and files that nobody needs; yields its state."""
    BertModel.from_pretrained(tiny_bert).save_pretrained(tmp_path / "model", max_shard_size="40KB")
    files = {path.name: path.read_bytes() for path in sorted((tmp_path / "model").iterdir())}
    files |= {name: (tiny_bert / name).read_bytes() for name in ("tokenizer.json", "tokenizer_config.json")}
    files |= dict.fromkeys(("pytorch_model.bin", "README.md", "onnx/model.onnx", "original/params.json"), b"not needed")
    with serving(files) as state:
        yield state


WANTED = ["config.json", "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a fetch in a process of its own."""

    def started(endpoint, repo=REPO, revision=COMMIT, offline=False, **options):
        command = [sys.executable, "-c", FETCH, repo, revision, json.dumps(options)]
        return subprocess.Popen(
            command,
            env=environment(endpoint, tmp_path / "hf", offline=offline),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


@pytest.fixture
def fetch(start):
    """Return a function that fetches, and returns what was found; it gives up on a fetch that hangs."""

    def fetched(*args, **options):
        with start(*args, **options) as process:
            out, err = process.communicate(timeout=HANGS_S)
        assert out, err
        return {**json.loads(out), "said": err}

    return fetched


def shards(state: State) -> list[str]:
    return [name for name in state.files if name.endswith(".safetensors")]


def test_the_first_fetch_takes_what_is_needed_and_the_second_nothing(server, fetch):
    first = fetch(server.endpoint)
    assert len(shards(server)) > 2
    assert server.downloads() == sorted([*WANTED, *shards(server)])
    folder = Path(first["folder"])
    for name in (*WANTED, *shards(server)):
        assert (folder / name).read_bytes() == server.files[name]
    assert fetch(server.endpoint) == first
    assert server.log == []


def test_a_cached_commit_needs_no_hub(server, fetch):
    first = fetch(server.endpoint)
    assert fetch("http://127.0.0.1:9") == first
    assert fetch("http://127.0.0.1:9", offline=True) == first


def test_a_branch_is_resolved_to_its_commit(server, fetch):
    first = fetch(server.endpoint, revision="main")
    assert first["commit"] == COMMIT
    assert Path(first["folder"]).name == COMMIT
    server.downloads()
    assert fetch(server.endpoint, revision="main") == first
    asked = [("GET", f"/api/models/{REPO}/revision/main"), ("HEAD", f"/{REPO}/resolve/main/config.json")]
    assert [(command, path) for command, path, _ in server.log] == asked


def test_a_model_that_the_hub_no_longer_has_is_not_taken_from_the_cache(server, fetch):
    fetch(server.endpoint, revision="main")
    server.gone = True
    assert "has no such model, or it is private" in fetch(server.endpoint, revision="main")["error"]


def test_a_file_lost_from_the_cache_is_fetched_again(server, fetch):
    folder = Path(fetch(server.endpoint)["folder"])
    server.downloads()
    shard = folder / shards(server)[1]
    shard.resolve().unlink()
    shard.unlink()
    fetch(server.endpoint)
    assert server.downloads() == [shard.name]


def test_a_model_without_its_tokenizer_is_not_all_there(server, fetch):
    folder = Path(fetch(server.endpoint)["folder"])
    server.downloads()
    (folder / "tokenizer.json").resolve().unlink()
    (folder / "tokenizer.json").unlink()
    fetch(server.endpoint)
    assert server.downloads() == ["tokenizer.json"]


def test_a_link_that_leads_nowhere_is_fetched_again(server, fetch):
    folder = Path(fetch(server.endpoint)["folder"])
    server.downloads()
    (folder / "tokenizer_config.json").resolve().unlink()
    fetch(server.endpoint)
    assert server.downloads() == ["tokenizer_config.json"]


def test_a_broken_connection_resumes_where_it_broke(server, fetch):
    """The library writes blocks of 10 MiB: half of 32 MB is one block and a piece that is asked for again."""
    big, index = "model-extra.safetensors", "model.safetensors.index.json"
    server.files[big] = save({"extra": np.arange(8_000_000, dtype=np.float32)})
    listed = json.loads(server.files[index])
    listed["weight_map"]["extra"] = big
    server.files[index] = json.dumps(listed).encode()
    server.breaks_at = big
    folder = Path(fetch(server.endpoint)["folder"])
    assert [asked for _, path, asked in server.log if path.endswith(big) and asked] == [f"bytes={10 * 2**20}-"]
    assert (folder / big).read_bytes() == server.files[big]


def test_a_killed_download_keeps_its_finished_files(server, start, fetch):
    last = shards(server)[-1]
    server.breaks_at, server.stalls = last, True
    with start(server.endpoint) as process:
        assert server.stalled.wait(HANGS_S)
        process.kill()
    server.downloads()
    folder = Path(fetch(server.endpoint)["folder"])
    assert server.downloads() == [last]
    assert (folder / last).read_bytes() == server.files[last]


@pytest.mark.parametrize(
    ("request_for", "message"),
    [
        ({"revision": "f" * 40}, f"^{REPO}@f+: the model has no such revision; give a commit, branch or tag"),
        (
            {"repo": "lab/none"},
            f"^lab/none@{COMMIT}: .* has no such model, or it is private; check the name, or log in",
        ),
        ({"repo": "lab/gated"}, "the model is gated; accept its licence at .*/lab/gated, then: hf auth login$"),
        ({"repo": "lab/down"}, r"answered 503; run again later$"),
        ({"repo": "no name"}, "has no such model"),
        ({"offline": True}, "HF_HUB_OFFLINE is set; unset it"),
    ],
)
def test_refusals_are_one_line(server, fetch, request_for, message):
    found = fetch(server.endpoint, **request_for)
    assert re.search(message, found["error"])
    assert "\n" not in found["error"]


def test_a_shard_that_the_repository_lacks(server, fetch):
    del server.files[shards(server)[1]]
    assert "incomplete: its index names" in fetch(server.endpoint)["error"]
    assert not set(server.downloads()) & set(shards(server))


def test_pickles_need_permission(server, fetch):
    server.files = {n: c for n, c in server.files.items() if "safetensors" not in n}
    assert "its weights are pickled (pytorch_model.bin)" in fetch(server.endpoint)["error"]
    assert server.downloads() == []
    fetch(server.endpoint, allow_pickle=True)
    assert "pytorch_model.bin" in server.downloads()


def test_what_the_configuration_shows_is_refused_before_weights_are_sent(server, fetch):
    assert fetch(server.endpoint, model_type="llama") == {"error": "found bert", "said": ""}
    assert server.downloads() == ["config.json"]


def test_python_files_are_taken_only_if_asked_for(server, fetch):
    server.files["modeling.py"] = b"pass"
    fetch(server.endpoint)
    assert "modeling.py" not in server.downloads()
    fetch(server.endpoint, revision="main", code=True)
    assert server.downloads() == ["modeling.py"]


def test_a_closed_endpoint_is_refused(fetch):
    found = fetch("http://127.0.0.1:9")
    assert re.search(r"http://127\.0\.0\.1:9 cannot be reached \(.*refused.*\)", found["error"])
    assert "\n" not in found["error"]


def test_a_silent_endpoint_is_refused(fetch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = fetch(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert "cannot be reached" in found["error"]
    assert hub.ANSWER_SECONDS < 5


def test_a_branch_is_taken_from_the_cache_when_the_hub_is_away(server, fetch):
    first = fetch(server.endpoint, revision="main")
    again = fetch("http://127.0.0.1:9", revision="main")
    assert again["folder"] == first["folder"]
    assert f"cannot be reached ([Errno 111] Connection refused): taking commit {COMMIT}, which is in" in again["said"]
