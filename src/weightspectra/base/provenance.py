"""Where a result came from: digests of configuration and code, and versions."""

import ast
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from weightspectra import contracts

PACKAGE = Path(__file__).parents[1]
UNTRACKED = (
    "contracts.",
    *("base.atomic", "base.errors", "base.job", "base.parquet", "base.progress", "base.provenance", "base.seals"),
)
"""Modules that carry results but do not compute them; a change in them re-runs nothing.

A contract that a script names counts all the same, through its signature.
"""

VERSIONED = ("numpy", "scipy", "pandas", "pyarrow", "powerlaw", "torch", "transformers", "safetensors")


def digest(value: Any) -> str:
    """Return a short SHA-256 of any JSON-like value, independent of the order of keys."""
    described = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def code_digest(script: str | os.PathLike[str]) -> str:
    """Return a digest of the code that a script's result depends on.

    Covers the script, every module of this package that it imports, directly
    or through others, and the signature of every contract it names. Comments
    and docstrings do not count: editing one re-runs nothing.
    """
    seen: dict[str, str] = {}
    waiting = [Path(script)]
    while waiting:
        path = waiting.pop()
        tree = ast.parse(path.read_text())
        seen[path.stem if path == Path(script) else _dotted(path)] = ast.dump(_without_docstrings(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "contracts":
                found = getattr(contracts, node.attr, None)
                if isinstance(found, contracts.Contract):
                    seen[node.attr] = found.signature
        waiting.extend(found for found in _imported_files(tree) if _dotted(found) not in seen)
    return digest(seen)


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


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def _imported_files(tree: ast.AST) -> Iterator[Path]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            head, *rest = name.split(".")
            path = PACKAGE.joinpath(*rest).with_suffix(".py")
            if head == PACKAGE.name and rest and path.is_file() and not ".".join(rest).startswith(UNTRACKED):
                yield path


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                part
                for part in body
                if not (
                    isinstance(part, ast.Expr)
                    and isinstance(part.value, ast.Constant)
                    and isinstance(part.value.value, str)
                )
            ]
    return tree
