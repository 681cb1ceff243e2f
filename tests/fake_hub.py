"""A small hub of models on loopback, and the environment in which its library asks it and nothing else.

The library reads its environment when it is imported, so that what asks this hub runs in a process of its own.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from patience import HANGS_S

import weightspectra

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "lab/tiny"


class Hub(BaseHTTPRequestHandler):
    """Answers the four requests that downloads need; the server holds the files and the log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server.state
        hub.log.append((self.command, self.path, self.headers.get("Range")))
        info = re.fullmatch(r"/api/models/([^?]+)/revision/([^/?]+)", self.path)
        tree = re.fullmatch(r"/api/models/(.+)/tree/([^/?]+)\?.*", self.path)
        file = re.fullmatch(rf"/(.+)/resolve/(?:{COMMIT}|main)/(.+)", self.path)
        repo = (info or tree or file)[1]
        if repo == "lab/down":
            self.refuse(503)
        elif repo == "lab/gated" and file:
            self.refuse(403, "GatedRepo")
        elif repo not in (REPO, "lab/gated") or hub.gone:
            self.refuse(404, "RepoNotFound")
        elif info and info[2] not in (COMMIT, "main"):
            self.refuse(404, "RevisionNotFound")
        elif info:
            siblings = [{"rfilename": name} for name in hub.files]
            self.answer(200, json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode())
        elif tree:
            listed = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in hub.files.items()]
            self.answer(200, json.dumps(listed).encode())
        else:
            self.send_file(file[2])

    def send_file(self, name):
        content = self.server.state.files[name]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked else 0
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        broken = self.command == "GET" and name == self.server.state.breaks_at
        self.server.state.breaks_at = None if broken else self.server.state.breaks_at
        self.answer(206 if asked else 200, content[start:], headers, half=broken)

    def refuse(self, status, code=None):
        self.answer(status, b"", {"X-Error-Code": code} if code else {})

    def answer(self, status, body, headers=(), half=False):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: len(body) // 2] if half else body)
            if half and self.server.state.stalls:
                self.wfile.flush()
                self.server.state.stalled.set()
                self.server.state.released.wait(HANGS_S)
        self.close_connection = half


class State:
    """The files of the hub, how it misbehaves, and what it was asked."""

    def __init__(self, files: dict[str, bytes]):
        self.files = files
        self.log: list[tuple[str, str, str | None]] = []
        self.breaks_at: str | None = None
        self.stalls = False
        self.gone = False
        self.stalled, self.released = threading.Event(), threading.Event()

    def downloads(self) -> list[str]:
        """Return the files sent so far, and forget them."""
        found = [path.rpartition("/")[2] for command, path, _ in self.log if command == "GET" and "/resolve/" in path]
        self.log.clear()
        return sorted(found)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[State]:
    """Serve files as the one model of a hub while a block runs; yields its state."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    running.daemon_threads = True
    running.state = State(files)
    running.state.endpoint = f"http://127.0.0.1:{running.server_port}"
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running.state
    running.state.released.set()
    running.shutdown()
    running.server_close()


def environment(endpoint: str, home: Path, *, offline: bool = False) -> dict[str, str]:
    """Return the environment of a process that asks one hub and keeps its cache in one folder."""
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    plain |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"}
    plain |= {"PYTHONPATH": str(Path(weightspectra.__file__).parents[1]), "HF_HUB_DOWNLOAD_TIMEOUT": str(HANGS_S)}
    return plain | {"HF_HUB_OFFLINE": "1" if offline else "0"}
