"""The files that make up a task: its own, those that it includes, and the modules that it names."""

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from weightspectra.ablation.tasks.task_index import BUILT_IN
from weightspectra.base.provenance import file_sha256


def keep_code(file: Path, staging: Path) -> tuple[str, dict[str, str]]:
    """Copy a task's file, what it includes and the modules that it names; lm-eval's own stay where they are.

    Returns the name under which evaluation finds the file, and the digest of each.
    """
    files = [path.resolve() for path in _closure(file)]
    outside = [path for path in files if BUILT_IN not in path.parents and staging.resolve() not in path.parents]
    root = Path(os.path.commonpath([path.parent for path in outside])) if outside else Path()
    names = {}
    for path in files:
        if path in outside:
            copy = staging / "own" / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            names[path] = f"own/{path.relative_to(root)}"
        else:
            inside = BUILT_IN in path.parents
            names[path] = (
                f"lm_eval/{path.relative_to(BUILT_IN)}" if inside else str(path.relative_to(staging.resolve()))
            )
    return names[file.resolve()], {name: file_sha256(path) for path, name in names.items()}


def own_functions(file: Path) -> list[str]:
    """Return the Python functions that a task file, or one that it includes, names and lm-eval does not bring.

    Reads only; none of them is imported.
    """
    return list(dict.fromkeys(named for path, named in _named(file) if BUILT_IN not in path.resolve().parents))


def _closure(file: Path) -> list[Path]:
    """Return a task file, what it includes and the modules that it names, each once."""
    modules = [path for path, _ in _named(file) if path.exists()]
    return list(dict.fromkeys([*_files(file), *modules]))


def _files(file: Path) -> list[Path]:
    """Return a task file and what it includes."""
    included = _content(file)[0].get("include", [])
    inner = [file.parent / path for path in (included if isinstance(included, list) else [included])]
    return [file, *(found for path in inner for found in _files(path))]


def _named(file: Path) -> list[tuple[Path, str]]:
    """Return each function that a task file or one that it includes names, after the module that would be imported."""
    return [
        (path.parent / f"{name.rpartition('.')[0].replace('.', '/')}.py", name)
        for path in _files(file)
        for name in _content(path)[1]
    ]


def _content(file: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of a task file, and the functions that it names."""
    functions: list[str] = []

    class Loader(yaml.SafeLoader):
        pass

    def note(loader: Loader, node: Any) -> None:
        functions.append(loader.construct_scalar(node))

    Loader.add_constructor("!function", note)
    return yaml.load(file.read_text(), Loader=Loader), functions


def located(name: str, folder: Path) -> Path:
    """Return the file behind a name that :func:`keep_code` gave."""
    first, _, rest = name.partition("/")
    return BUILT_IN / rest if first == "lm_eval" else folder / name
