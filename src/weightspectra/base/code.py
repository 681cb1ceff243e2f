"""What a definition means and what it needs, found by reading the code and never by running it.

A *definition* is a function, class or constant at the top level of a module. It depends on what its
own text names, on what that names in turn, and on the loose statements of every module that is imported on the way,
since these run whatever is named. Where only running would tell what is named (``from m import *``, a module handed on
as a value or named in a string, ``globals()``), the whole module counts.

Comments, docstrings (those of fields too) and annotations of functions do not count, nor does what is no part of a
contract's signature: meanings and allowed values.
"""

import ast
from collections.abc import Iterator, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parents[1]
CARRIERS = {
    *(f"base.{name}" for name in ("atomic", "errors", "job", "lifetime", "locks")),
    *(f"base.{name}" for name in ("parquet", "progress", "provenance", "seals")),
    *(f"contracts.{name}" for name in ("contract", "values")),
}
"""Modules that carry results but do not compute them: only their constants count, where others name them."""

LOOKED_UP = {"models.families.registry", "models.fetching.kinds"}
"""Tables of which a job uses one row: none counts here but by its name, and the workflow gives
each job the digest of its own."""

NO_SIGNATURE = {"meaning", "minimum", "maximum", "one_of", "infinite", "key", "ordered", None}
"""Keywords of columns and contracts that are no part of a contract's signature; none stands for ``**allowed``."""

PURE_DECORATORS = {"cache", "contextlib", "contextmanager", "dataclass", "functools", "lru_cache", "torch"}
"""First names of decorators that enter what they decorate in no table."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_COMPUTE_NOTHING = {(ast.FunctionDef, "returns"), (ast.AsyncFunctionDef, "returns"), (ast.arg, "annotation")}


class Target(NamedTuple):
    """A name in a module; ``*`` stands for all names, and an empty one for what runs when the module is imported."""

    module: str
    name: str


class Piece(NamedTuple):
    """What a target means, as text, and the targets that this depends on."""

    text: str
    needs: frozenset[Target]


class Module:
    """The top level of one file, by name."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.inner = name.partition(".")[2]
        self._parents = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        self.aliases: dict[str, Target] = {}
        self.defined: dict[str, list[ast.stmt]] = {}
        self._loose: list[ast.stmt] = []
        self._pieces: dict[str, Piece] = {}
        for statement in ast.parse(path.read_text()).body:
            self._sort(statement)

    def piece(self, name: str) -> Piece:
        """Return what a name means and needs; one that is found nowhere stands for the whole module."""
        if name not in self._pieces:
            self._pieces[name] = self._piece(name)
        return self._pieces[name]

    def _piece(self, name: str) -> Piece:
        if self.inner in LOOKED_UP:
            return Piece(name, frozenset())
        runs = {Target(self.name, "")}
        if name == "":
            return self._on_import
        if name in self.aliases:
            target = self.aliases[name]
            return Piece(f"{target.module}:{target.name}", frozenset(runs | _resolved(target, [])))
        if name not in self.defined:
            modules = {alias for alias, target in self.aliases.items() if _is_module(target)}
            names = (self.aliases.keys() | self.defined.keys()) - modules
            return Piece("", frozenset(runs | {Target(self.name, other) for other in names}))
        statements = self.defined[name]
        if self.inner in CARRIERS and any(isinstance(statement, _DEFINITIONS) for statement in statements):
            return Piece("", frozenset())
        text, needs = self._read(statements)
        return Piece(text, needs | runs)

    @cached_property
    def _on_import(self) -> Piece:
        if self.inner in CARRIERS:
            return Piece("", frozenset())
        text, needs = self._read(self._loose)
        above = {".".join(self._parents[: i + 1]) for i in range(len(self._parents))} - {self.name}
        imported = {run for target in self.aliases.values() for run in _run_by_import(target)}
        return Piece(text, needs | imported | {Target(package, "") for package in above})

    def _sort(self, statement: ast.stmt) -> None:
        if isinstance(statement, _IMPORTS):
            self.aliases.update(self.imported(statement))
            if "*" in self.aliases:
                self._loose.append(statement)
        elif isinstance(statement, _DEFINITIONS):
            self.defined.setdefault(statement.name, []).append(statement)
            if not all(_decorator(part) in PURE_DECORATORS for part in statement.decorator_list):
                self._loose.append(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign) and (names := _plain_names(statement)):
            for name in names:
                self.defined.setdefault(name, []).append(statement)
        elif not _for_types_alone(statement):
            self._loose.append(statement)
            for node in ast.walk(statement):
                if isinstance(node, _IMPORTS):
                    self.aliases.update(self.imported(node))
                elif isinstance(node, _DEFINITIONS):
                    self.defined.setdefault(node.name, []).append(statement)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self.defined.setdefault(node.id, []).append(statement)

    def imported(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Target]]:
        """Yield each name that an import sets, and what it stands for."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                head = alias.name.partition(".")[0]
                yield (alias.asname, Target(alias.name, "")) if alias.asname else (head, Target(head, ""))
            return
        above = self._parents[: len(self._parents) + 1 - statement.level] if statement.level else []
        module = ".".join([*above, *filter(None, [statement.module])])
        for alias in statement.names:
            yield alias.asname or alias.name, Target(module, alias.name)

    def _read(self, statements: Sequence[ast.stmt]) -> Piece:
        return _Reading(self).piece(statements)


class _Reading:
    """What statements say, without what computes nothing, and what they name."""

    def __init__(self, module: Module):
        self._module = module
        self._of_contract = module.inner.startswith("contracts.")
        self._aliases = dict(module.aliases)
        self._said: list[str] = []
        self._chains: dict[tuple[str, ...], None] = {}
        self._needs: set[Target] = set()

    def piece(self, statements: Sequence[ast.stmt]) -> Piece:
        """Return the meaning of statements."""
        for statement in statements:
            self._read(statement)
        used = {head: self._aliases[head] for head, *_ in self._chains if head in self._aliases}
        for head, *rest in self._chains:
            if head in used:
                self._needs |= _resolved(used[head], rest)
            elif head in self._module.defined:
                self._needs.add(Target(self._module.name, head))
            elif head in ("globals", "vars", "locals"):
                self._needs.add(Target(self._module.name, "*"))
        return Piece("".join([*self._said, *(f"{name}={used[name]}" for name in sorted(used))]), frozenset(self._needs))

    def _read(self, node: Any) -> None:
        if isinstance(node, list):
            self._said.append("[")
            for part in node:
                self._read(part)
            self._said.append("]")
        elif not isinstance(node, ast.AST):
            self._said.append(f"{node!r},")
        elif isinstance(node, ast.Attribute | ast.Name) and (chain := _chain(node)):
            self._chains[tuple(chain)] = None
            self._said.append(f"{'.'.join(chain)},")
        elif not (isinstance(node, ast.Expr) and _is_text(node.value)):  # a docstring
            if isinstance(node, _IMPORTS):
                self._note_import(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _file(node.value):
                self._needs.add(Target(node.value, "*"))
            self._said.append(f"{type(node).__name__}(")
            for name in node._fields:
                if (type(node), name) not in _COMPUTE_NOTHING:
                    self._read(self._counted(node, name))
            self._said.append(")")

    def _note_import(self, node: ast.Import | ast.ImportFrom) -> None:
        here = dict(self._module.imported(node))
        self._aliases |= here
        whole = [Target(alias.name, "") for alias in node.names] if isinstance(node, ast.Import) else []
        self._needs.update(run for target in [*here.values(), *whole] for run in _run_by_import(target))
        for target in here.values():
            if target.name == "*" or not _is_module(target):
                self._needs |= _resolved(target, [])

    def _counted(self, node: ast.AST, name: str) -> Any:
        """Return a field of a node; of a column or contract only what is part of the signature."""
        value = getattr(node, name)
        if self._of_contract and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if name == "args":
                return [part for i, part in enumerate(value) if i == 0 or not _is_text(part)]
            if name == "keywords":
                return [part for part in value if part.arg not in NO_SIGNATURE]
        return value


def _chain(node: ast.AST) -> list[str]:
    """Return ``["a", "b", "c"]`` for the expression ``a.b.c``, and nothing for others."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def _decorator(node: ast.expr) -> str:
    """Return the first name of a decorator, called or not."""
    return next(iter(_chain(node.func if isinstance(node, ast.Call) else node)), "")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _plain_names(statement: Any) -> list[str]:
    """Return the names that an assignment sets, if it sets nothing else."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    parts = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    return names if len(names) == len(parts) else []


def _for_types_alone(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and _chain(statement.test)[-1:] == ["TYPE_CHECKING"]


def _resolved(target: Target, path: Sequence[str]) -> set[Target]:
    """Return what ``a.b.c`` stands for when ``a`` was imported from ``target``; nothing outside this package."""
    module, names = target.module, [*filter(None, [target.name]), *path]
    while names and _file(f"{module}.{names[0]}"):
        module = f"{module}.{names.pop(0)}"
    return {Target(module, names[0] if names else "*")} if _file(module) else set()


def _is_module(target: Target) -> bool:
    return any(found.name == "*" for found in _resolved(target, []))


def _run_by_import(target: Target) -> Iterator[Target]:
    """Yield what an import runs."""
    for module in (target.module, f"{target.module}.{target.name}"):
        if _file(module):
            yield Target(module, "")


def _file(module: str) -> Path | None:
    """Return the file of a module of this package."""
    head, *rest = module.split(".")
    if head != PACKAGE.name or not all(part.isidentifier() for part in rest):
        return None
    return _existing(PACKAGE.joinpath(*rest))


@cache
def _existing(path: Path) -> Path | None:
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def module_of(name: str) -> Module:
    """Return what a module of this package holds."""
    path = _file(name)
    assert path is not None, name
    return parsed(name, path)


def parsed(name: str, path: Path) -> Module:
    """Return what a file holds. Each is read once, unless it changes."""
    return _parsed(name, path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1024)
def _parsed(name: str, path: Path, _mtime_ns: int) -> Module:
    return Module(name, path)
