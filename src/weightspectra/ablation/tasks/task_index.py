"""Which task files of lm-eval a name stands for: found by reading their text, so that 14,000 need not be parsed."""

import difflib
import functools
import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lm_eval
import yaml
from lm_eval.api.group import Group
from lm_eval.tasks._factory import TaskFactory
from lm_eval.tasks._index import Entry, Kind, TaskIndex
from lm_eval.tasks._yaml_loader import load_yaml

from weightspectra.base.errors import UserError

logging.getLogger("lm_eval.tasks").setLevel(logging.ERROR)  # it warns of duplicates among its own files

BUILT_IN = Path(lm_eval.__file__).parent / "tasks"
"""The task files that lm-eval brings."""

NAMED = re.compile(
    rb"""^["']?(?:task|group|tag)["']?[ \t]*:[ \t]*(?:([^\s\[#][^\n#]*)|(\[[^\]]*\])|\n((?:[ \t]*-[^\n]*\n?)+))""",
    re.MULTILINE,
)
"""A line that names a task, group or tag, or a list of tags."""

INCLUDED = re.compile(rb"^include:[ \t]*[\"']?(\.\./[^\s\"'#]+)", re.MULTILINE)
"""A line that includes a file of another folder."""

NO_YAML = {".py", ".pyc", ".md", ".json", ".jsonl", ".txt", ".sh", ".csv"}
"""Endings of files that are no task files; those that others include may have any other, or none."""


class Leaf(NamedTuple):
    """One task: its name, its file, and what the groups above it change in it."""

    name: str
    file: Path
    overrides: dict[str, Any]


class Expansion(NamedTuple):
    """What a name stands for.

    Attributes
    ----------
    leaves : list of Leaf
    averages : dict from str to bool
        The metrics that a group averages over its tasks, and whether every
        document weighs the same (otherwise every task does).
    """

    leaves: list[Leaf]
    averages: dict[str, bool]


def expand(name: str) -> Expansion:
    """Find the tasks that the name of a task, a group or a tag of lm-eval stands for.

    Raises
    ------
    UserError
        When lm-eval has no such name; names the nearest ones.
    """
    entries = _entries_of([name])
    if name not in entries:
        near = ", ".join(difflib.get_close_matches(name, built_in_names(), n=3)) or "none"
        raise UserError(
            f"lm-eval has no task or group '{name}' (nearest names: {near}); correct 'name', or give a file of your own"
        )
    return _expand(entries[name], entries)


def expand_file(path: Path) -> Expansion:
    """Find the tasks that a file stands for: one, or those of a group, whose members lie beside it or in lm-eval.

    Raises
    ------
    UserError
        When there is no such file, or it is no task file.
    """
    if not path.is_file():
        raise UserError(f"the task file {path} does not exist; correct 'file'")
    own: dict[str, Entry] = {}
    try:
        TaskIndex.process_cfg(load_yaml(path, resolve_func=False), path.resolve(), own)
    except (ValueError, OSError, KeyError, yaml.YAMLError) as error:
        raise UserError(f"{path}: no readable task file, which has a key 'task' or 'group': {error}") from error
    entry = next(iter(own.values()))
    entries = _parse(path.parent.resolve().rglob("*.yaml")) if entry.kind is Kind.GROUP else {}
    return _expand(entry, {**entries, **own})


@functools.cache
def built_in_names() -> Mapping[str, frozenset[Path]]:
    """Map every task, group and tag that lm-eval brings to the folders of the files that speak of it."""
    found: dict[str, set[Path]] = {}
    readers: dict[Path, set[Path]] = {}  # from a folder to those with files that include one of its files
    for folder in map(Path, (folder for folder, _, _ in os.walk(BUILT_IN))):
        for file in folder.iterdir():
            if file.is_dir() or file.suffix in NO_YAML:
                continue
            text = file.read_bytes()
            for one, *several in NAMED.findall(text):
                names = [one] if one else re.split(rb"[\n,]", b"".join(several).strip(b"[]"))
                for name in names:
                    found.setdefault(name.strip(b" \t-\"'\r").decode(), set()).add(folder)
            for included in INCLUDED.findall(text):
                readers.setdefault((folder / included.decode()).resolve().parent, set()).add(folder)
    return {
        name: frozenset(folders | {reader for folder in folders for reader in readers.get(folder, ())})
        for name, folders in found.items()
    }


def _entries_of(names: Iterable[str]) -> dict[str, Entry]:
    """Parse the task files in the folders of names."""
    folders = {folder for name in names for folder in built_in_names().get(name, ())}
    return _parse({file for folder in folders for file in folder.rglob("*.yaml")})


def _parse(files: Iterable[Path]) -> dict[str, Entry]:
    """Parse task files; of two with one name the first by path counts, as in lm-eval."""
    entries: dict[str, Entry] = {}
    for file in sorted(files, key=Path.as_posix):
        try:
            TaskIndex.process_cfg(load_yaml(file, resolve_func=False), file, entries)
        except (ValueError, OSError, yaml.YAMLError):  # no task file, or a broken one that nobody asked for
            continue
    return entries


class _Member:
    """A task in place of the one that lm-eval would build."""

    def __init__(self, name: str):
        self.task_name = name


class _Expander(TaskFactory):
    """lm-eval's own way from a group to its tasks, of which none is built."""

    def __init__(self, entries: dict[str, Entry]):
        super().__init__()
        self.entries = entries
        self.leaves: dict[str, Leaf] = {}

    def _build_task(self, entry: Entry, overrides: dict[str, Any] | None) -> Any:
        changed = {key: value for key, value in (overrides or {}).items() if key != "task"}
        name = (overrides or {}).get("task", entry.name)
        if entry.yaml_path is None:
            raise UserError(f"task '{name}' has no file of its own; write it into one")
        self.leaves[name] = Leaf(name, Path(entry.yaml_path), changed)
        return _Member(name)

    def _build_group_members(
        self, member_list: list[Any], group_name: str, overrides: dict[str, Any] | None, registry: dict[str, Entry]
    ) -> list[Any]:
        for member in member_list:
            name = member if isinstance(member, str) else member.get("task", member.get("group"))
            if not isinstance(name, str) or name in registry:
                continue
            found = _entries_of([name])
            if name not in found and not (isinstance(member, dict) and isinstance(member.get("task"), list)):
                raise UserError(f"group '{group_name}' names the task '{name}', which lm-eval has not")
            registry.update({other: entry for other, entry in found.items() if other not in registry})
        return super()._build_group_members(member_list, group_name, overrides, registry)


def _expand(entry: Entry, entries: dict[str, Entry]) -> Expansion:
    expander = _Expander(entries)
    built = expander.build(entry, registry=entries)
    averages = {}
    if isinstance(built, Group):
        for wanted in built.aggregate_metric_list or []:
            averages[wanted.metric] = bool(wanted.weight_by_size)
    return Expansion(list(expander.leaves.values()), averages)


def runs_generated_code(leaf: Leaf) -> bool:
    """Say whether a task runs the programs that a model writes; nothing of the task is imported to find out."""
    settings = {**load_yaml(leaf.file, resolve_func=False), **leaf.overrides}
    return bool(settings.get("unsafe_code", False))
