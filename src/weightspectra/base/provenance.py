"""Where a result came from: digests of configurations and files, and versions."""

import hashlib
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

VERSIONED = ("numpy", "scipy", "pandas", "pyarrow", "powerlaw", "torch", "transformers", "safetensors")


def digest(value: Any) -> str:
    """Return a short SHA-256 of any JSON-like value, independent of the order of keys."""
    described = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries that compute."""
    from weightspectra.version import VERSION

    found = {"python": platform.python_version(), "weightspectra": VERSION}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
