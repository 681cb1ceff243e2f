"""From a task of the configuration to files that evaluation reads: the resolved tasks, their code and their data."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml
from jinja2 import TemplateError
from lm_eval.api.task import ConfigurableTask, Task

from weightspectra.ablation.settings import Task as Entry
from weightspectra.ablation.tasks import task_data
from weightspectra.ablation.tasks.choices import choice_rows, write_choice_task
from weightspectra.ablation.tasks.harness import SEED, quiet_lm_eval
from weightspectra.ablation.tasks.task_building import build, generated_code, needed_splits
from weightspectra.ablation.tasks.task_code import keep_code, located, own_functions
from weightspectra.ablation.tasks.task_index import Expansion, Leaf, expand, expand_file, runs_generated_code
from weightspectra.ablation.tasks.task_record import recorded
from weightspectra.base.atomic import replace_folder
from weightspectra.base.errors import UserError
from weightspectra.base.provenance import file_sha256

UNBUILDABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    TemplateError,
    yaml.YAMLError,
)
"""What the code of a task may raise when its file, its data or a package that it wants is not as it expects."""


class Resolved(NamedTuple):
    """A task that can be asked, and the settings that it was resolved with."""

    task: Task
    settings: dict[str, Any]


def prepare(
    name: str,
    entry: Entry,
    folder: Path,
    *,
    examples: pd.DataFrame | None = None,
    tokenizer: Path | None = None,
) -> list[dict[str, Any]]:
    """Resolve one task of the configuration, fetch its data, and fill a folder with what evaluation reads.

    The folder is made anew beside its place and takes it when it is complete.
    Every task is built from its copy and its first prompt is made, so that what
    is wrong is found here.

    Parameters
    ----------
    name : str
        The task's name in the configuration.
    entry : settings.Task
    folder : path
        Where the files will stand.
    examples : DataFrame, optional
        ``contracts.EXAMPLES`` of the data set that the entry names.
    tokenizer : path, optional
        Folder of the tokenizer with which a task measures the texts that it makes up.

    Returns
    -------
    list of dict
        Rows of ``contracts.TASKS`` but for ``task``, one for each task of lm-eval.

    Raises
    ------
    UserError
        When the task is not known, its data cannot be had, it cannot be built,
        or it runs functions of its own, or programs that the model writes, without
        being allowed to.
    """
    if {"tokenizer", "pretrained", "model"} & (entry.metadata or {}).keys():
        raise UserError(f"task '{name}': name a tokenizer in tasks/{name}/tokenizer, not in metadata")
    try:
        with replace_folder(folder) as staging, quiet_lm_eval():
            expansion = _expand(name, entry, staging, examples)
            _refuse_code(name, entry, expansion)
            return [_resolve(leaf, name, entry, expansion, staging, examples, tokenizer) for leaf in expansion.leaves]
    except UserError as error:
        raise UserError(f"task '{name}': {error}") from error


def load(folder: Path, file: str, sha256: str) -> Resolved:
    """Build a task from the files that :func:`prepare` left, without any network.

    Parameters
    ----------
    folder : path
    file, sha256 : str
        As in ``contracts.TASKS``.

    Raises
    ------
    UserError
        When a file is missing or changed; names it, and what makes it anew.
    """
    for path, digest in recorded(folder, file, sha256):
        _check(located(path, folder), digest, folder)
    settings = yaml.safe_load((folder / file).read_text())
    data = folder / settings["data"]
    with quiet_lm_eval(), generated_code(settings["run_generated_code"]):
        return Resolved(
            build(settings, folder, lambda task: task_data.stored_splits(data, settings["splits"])), settings
        )


def _expand(name: str, entry: Entry, staging: Path, examples: pd.DataFrame | None) -> Expansion:
    if entry.name:
        return expand(entry.name)
    if entry.file:
        return expand_file(Path(entry.file))
    if examples is None:
        raise ValueError(f"the examples of the data set '{entry.data_set}' are needed")
    classes = list(examples.drop_duplicates("label").sort_values("label")["label_name"])
    return Expansion([Leaf(name, write_choice_task(staging / "own", name, classes), {})], {})


def _refuse_code(name: str, entry: Entry, expansion: Expansion) -> None:
    """Refuse code that the entry does not allow, before any of it is imported: functions, and what a model writes."""
    functions = [function for leaf in expansion.leaves for function in own_functions(leaf.file)]
    if functions and not entry.allow_code:
        raise UserError(
            f"its file names Python code to be run ({', '.join(functions[:3])}{', ...' if functions[3:] else ''}); "
            f"if you trust its author, set tasks/{name}/allow_code: true"
        )
    running = [leaf.name for leaf in expansion.leaves if runs_generated_code(leaf)]
    if running and not entry.run_generated_code:
        raise UserError(
            f"{', '.join(running)} runs programs that the model writes, on this machine and with your rights; "
            f"to let it, in a sandbox only, set tasks/{name}/run_generated_code: true"
        )


def _resolve(
    leaf: Leaf,
    name: str,
    entry: Entry,
    expansion: Expansion,
    staging: Path,
    examples: pd.DataFrame | None,
    tokenizer: Path | None,
) -> dict[str, Any]:
    """Copy a task's own files, fetch its data, build it, and write its settings; return its row."""
    source, code = keep_code(leaf.file, staging)
    shots = {} if entry.n_shots is None else {"num_fewshot": entry.n_shots}
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", leaf.name)
    settings: dict[str, Any] = {
        "task": leaf.name,
        "source": source,
        "code": code,
        "overrides": {**leaf.overrides, **shots},
        "metadata": entry.metadata or {},
        "averages": expansion.averages,
        "calibrated": examples is not None,
        "limit": entry.limit,
        "max_length": entry.max_length,
        "run_generated_code": entry.run_generated_code,
        "data": f"data/{stem}",
    }
    origins: list[str] = []
    local = Path(entry.data) if entry.data else None

    def provide(task: Task) -> Mapping[str, Any]:
        fetched = _fetch(task, leaf, local, examples, entry)
        origins.append(fetched.origin)
        return fetched.splits

    made_with = {"tokenizer": str(tokenizer)} if tokenizer else {}
    try:
        with generated_code(settings["run_generated_code"]):
            task = build(settings, staging, provide, made_with)
            task.set_fewshot_seed(SEED)
            task.build_all_requests(limit=1)
    except UserError as error:
        cure = "" if entry.data or entry.data_set else f"; or set tasks/{name}/data to a local folder with it"
        raise UserError(f"{leaf.name}: {error}{cure}") from error
    except UNBUILDABLE as error:
        raise UserError(f"{leaf.name} cannot be built: {_reason(error, name)}") from error
    if getattr(task, "MULTIMODAL", False):
        raise UserError(f"{leaf.name} asks about images or sounds; only texts can be asked")
    settings["splits"] = task_data.store(needed_splits(task), staging / settings["data"])
    file = staging / f"{stem}.yaml"
    file.write_text(yaml.safe_dump(settings, sort_keys=True, allow_unicode=True))
    return {
        "name": leaf.name,
        "version": str(task.VERSION),
        "output_type": task.OUTPUT_TYPE or "python",
        "metrics": sorted(map(str, task.aggregation())),
        "n_documents": min(len(task.eval_docs), settings["limit"] or len(task.eval_docs)),
        "data": origins[0],
        "file": file.name,
        "sha256": file_sha256(file),
    }


def _fetch(
    task: Task, leaf: Leaf, local: Path | None, examples: pd.DataFrame | None, entry: Entry
) -> task_data.Fetched:
    """Read a task's data from wherever its file says, or the configuration instead."""
    if examples is not None:
        return task_data.Fetched(choice_rows(examples, entry.prompt or ""), f"data set {entry.data_set}")
    base: Any = type(task).__mro__[1]
    config = task.config
    if (callable(config.custom_dataset) or base.download is not ConfigurableTask.download) and local is None:
        base.download(task, config.dataset_kwargs)
        return task_data.Fetched(task.dataset, f"made by {leaf.name}")
    path, kwargs = task.DATASET_PATH or "", config.dataset_kwargs or {}
    return task_data.fetch(path, task.DATASET_NAME, kwargs, local=local, beside=leaf.file.parent)


def _check(file: Path, sha256: str, folder: Path) -> None:
    if not file.is_file() or file_sha256(file) != sha256:
        state = "has changed" if file.is_file() else "is missing"
        raise UserError(
            f"{file} {state} since the task was fetched; to fetch it again: rm {folder}.parquet, and run again"
        )


def _reason(error: BaseException, name: str) -> str:
    """Say in a line why a task cannot be built, and what may cure it."""
    found = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    if isinstance(error, ImportError):
        return f"{found}; install the packages that it asks for beside this one"
    if "tokenizer" in found:
        return f"{found}; set tasks/{name}/tokenizer to a model of this configuration"
    if isinstance(error, OSError):
        return f"{found}; connect to the network, or set tasks/{name}/data to a local folder with its data"
    return found
