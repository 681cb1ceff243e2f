"""Data sets of the hub, from its cache and from a small hub on loopback.

The hub's library reads its settings when it is imported, so that each fetch runs in a process of its own.
"""

import hashlib
import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from patience import HANGS_S

from weightspectra.base.errors import UserError
from weightspectra.sources.hub_data_sets import read_splits

COMMIT = "c" * 40
FILES = {
    "train.jsonl": b'{"text": "one\\n", "n": 1}\n{"text": "", "n": 2}\n{"text": "two\\n", "n": 3}\n',
    "test.jsonl": b'{"text": "three", "n": 4}\n',
}
FETCH = """
import json, sys
from weightspectra.sources.settings import CorpusSource
from weightspectra.sources.texts import fetch_texts
from weightspectra.base.errors import UserError
try:
    print(json.dumps(fetch_texts(CorpusSource(hub={"repo": sys.argv[1], "revision": sys.argv[2]}))))
except UserError as error:
    print(json.dumps(str(error)))
"""
NOWHERE = "http://127.0.0.1:9"
FETCHED = [{"train": "one\n\ntwo", "test": "three"}, "hub", "lab/data", COMMIT]


class Hub(BaseHTTPRequestHandler):
    """Knows one data set, lab/data, whose branch main stands at COMMIT."""

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        info = re.fullmatch(r"/api/datasets/lab/data/revision/(.+)", self.path)
        file = re.fullmatch(rf"/datasets/lab/data/resolve/(?:main|{COMMIT})/(.+)", self.path)
        if info and info[1] in ("main", COMMIT):
            siblings = [{"rfilename": name} for name in FILES]
            self.answer(json.dumps({"id": "lab/data", "sha": COMMIT, "siblings": siblings}).encode())
        elif file:
            self.answer(FILES[file[1]], ETag=f'"{hashlib.sha256(FILES[file[1]]).hexdigest()}"')
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RevisionNotFound" if info else "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def answer(self, content, **headers):
        self.send_response(200)
        for name, value in {"X-Repo-Commit": COMMIT, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.address = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(home, endpoint, repo="lab/data", revision="main"):
    """Fetch in a new process; return what it got, or its message, and what it said."""
    settings = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "PATH": "", "PYTHONPATH": "src"}
    command = [sys.executable, "-c", FETCH, repo, revision]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=True, timeout=HANGS_S)
    return json.loads(done.stdout), done.stderr


def test_a_data_set_is_downloaded_once_and_then_needs_no_network(hub, tmp_path):
    assert fetch(tmp_path, hub.address)[0] == FETCHED
    downloads = [path for command, path in hub.asked if command == "GET" and "/resolve/" in path]
    assert len(downloads) == len(FILES)
    # The branch may move on meanwhile: all but the first file are those of the commit that it stood at.
    assert [path.split("/")[5] for path in downloads] == ["main", COMMIT]
    assert fetch(tmp_path, hub.address)[0] == FETCHED
    assert len([path for command, path in hub.asked if command == "GET" and "/resolve/" in path]) == len(FILES)
    got, said = fetch(tmp_path, NOWHERE)
    assert got == FETCHED
    assert f"{NOWHERE} cannot be reached; commit {COMMIT} of lab/data is taken from the cache" in said
    blobs = tmp_path / "hub" / "datasets--lab--data" / "blobs"
    (blobs / "something.incomplete").write_text("")
    assert "its download broke off" in fetch(tmp_path, NOWHERE)[0]


def test_what_does_not_exist_is_refused(hub, tmp_path):
    for repo, revision in (("lab/data", "v9"), ("lab/nothing", "main")):
        message, _ = fetch(tmp_path, hub.address, repo, revision)
        assert f"data set {repo} (revision {revision}): {hub.address} has no such data set or revision" in message


def test_a_data_set_out_of_reach_is_refused_with_the_cure(tmp_path):
    message, _ = fetch(tmp_path, NOWHERE)
    assert f"is not in the cache, and {NOWHERE} cannot be reached" in message
    assert "hf download lab/data --repo-type dataset --revision main" in message


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    data = tmp_path / "data"
    data.mkdir()
    for name, content in FILES.items():
        (data / name).write_bytes(content)
    return data


def test_rows_are_joined_by_lines(folder):
    assert read_splits(folder, None, "text") == FETCHED[0]
    assert read_splits(folder, None, "text", ["test"]) == {"test": "three"}


@pytest.mark.parametrize(
    ("name", "column", "splits", "message"),
    [
        (None, "text", ["valid"], "has no split 'valid'; it has train, test"),
        (None, "body", [], "has no text column 'body'; its columns are text, n"),
        (None, "n", [], "has no text column 'n'"),
        ("wrong", "text", [], "cannot be read: BuilderConfig 'wrong' not found"),
    ],
)
def test_what_a_data_set_lacks_is_named(folder, name, column, splits, message):
    with pytest.raises(UserError, match=message):
        read_splits(folder, name, column, splits)
