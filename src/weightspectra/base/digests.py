"""Digests of the code behind a result, so that it is made anew when that code changes and not when other code does."""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from weightspectra.base import code
from weightspectra.base.code import Module, Target


def code_digest(script: Path, also: Sequence[Target] = ()) -> str:
    """Return a digest of all that a script's result depends on, and of what is named besides."""
    return _digest(dependencies(script, also))


def digest_of(target: Target) -> str:
    """Return a digest of one definition and all that it depends on."""
    return _digest(_followed([target], {}))


def dependencies(script: Path, also: Sequence[Target] = ()) -> dict[Target, str]:
    """Return the definitions that a script's result depends on, with their meanings as text.

    Raises
    ------
    SyntaxError
        When one of the files is no Python.
    """
    return _followed([Target(script.stem, "*"), *also], {script.stem: code.parsed(script.stem, script)})


class Digests:
    """The digests of one tree, remembered until the tree changes.

    To read the whole package takes seconds, and most plans find it as the plan before has left it. So do the jobs on a
    cluster, each of which reads the workflow once more.

    Parameters
    ----------
    scripts : path
        The folder of the scripts.
    store : path
        The file in which digests are kept. It may be absent or damaged.
    """

    def __init__(self, scripts: Path, store: Path):
        self._scripts, self._store = scripts, store
        self._tree = fingerprint(scripts)
        try:
            kept = json.loads(store.read_text())
            self._digests: dict[str, str] = kept["digests"] if kept["tree"] == self._tree else {}
        except (OSError, ValueError, KeyError, TypeError):
            self._digests = {}

    def of_script(self, name: str, also: Sequence[Target] = ()) -> str:
        """Return the digest of the script of this name, and of what is named besides."""
        return self._found(repr((name, also)), lambda: code_digest(self._scripts / f"{name}.py", also))

    def of(self, target: Target) -> str:
        """Return the digest of one definition."""
        return self._found(repr(target), lambda: digest_of(target))

    def _found(self, key: str, compute: Callable[[], str]) -> str:
        if key not in self._digests:
            self._digests[key] = compute()
            self._store.parent.mkdir(parents=True, exist_ok=True)
            staged = self._store.with_name(f"{self._store.name}.{secrets.token_hex(8)}")  # nodes share the folder
            staged.write_text(json.dumps({"tree": self._tree, "digests": self._digests}))
            staged.replace(self._store)
        return self._digests[key]


def fingerprint(scripts: Path) -> str:
    """Return a digest of every file of the package, and of the scripts, to the byte."""
    found = hashlib.sha256()
    for folder in (code.PACKAGE, scripts):
        for path in sorted(folder.rglob("*.py")):
            text = path.read_bytes()
            found.update(f"{path.relative_to(folder)} {len(text)}\n".encode() + text)
    return found.hexdigest()


def _digest(found: dict[Target, str]) -> str:
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]


def _followed(waiting: list[Target], modules: dict[str, Module]) -> dict[Target, str]:
    """Return the meanings of targets and of all that they need."""
    found: dict[Target, str] = {}
    while waiting:
        target = waiting.pop()
        if target in found:
            continue
        module = modules.get(target.module) or modules.setdefault(target.module, code.module_of(target.module))
        found[target], needs = module.piece(target.name)
        waiting.extend(needs)
    return {target: text for target, text in found.items() if text}
