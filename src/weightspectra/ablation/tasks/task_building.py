"""A task of lm-eval, built from its settings and from data that are at hand."""

import inspect
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval.api.task import ConfigurableTask, Task
from lm_eval.tasks._yaml_loader import load_yaml

from weightspectra.ablation.tasks.harness import SEED
from weightspectra.ablation.tasks.task_code import located

Provider = Callable[[Task], Mapping[str, Any]]
"""From a task that is being built to its rows by split."""


def build(settings: Mapping[str, Any], folder: Path, provide: Provider, extra: Mapping[str, Any] | None = None) -> Task:
    """Build a task as lm-eval does, but for where its data come from."""
    written = load_yaml(located(settings["source"], folder), resolve_func=True)
    config = {**written, **settings["overrides"], "task": settings["task"]}
    found = config.get("metadata") or {}
    found = found if isinstance(found, dict) else {"_metadata": found}
    config["metadata"] = {**found, **settings["metadata"], **(extra or {}), "config_source": settings["source"]}
    for key in ("tag", "group", "task_list"):
        config.pop(key, None)

    def download(task: Any, *_: Any, **__: Any) -> None:
        task.dataset = provide(task)

    original: Any = config.get("class", ConfigurableTask)
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 (tasks that make up their data draw from the global generators)
    kind: Any = type(original.__name__, (original,), {"download": download})
    task: Task = kind(config=config) if "config" in inspect.signature(original.__init__).parameters else kind()
    task.config.task = settings["task"]
    if task.config.num_fewshot is None:
        task.config.num_fewshot = 0
    return _with_documents(task)


def _with_documents(task: Task) -> Task:
    """Let a task process its documents once, and not at every look."""
    docs: Any = task.eval_docs
    which = "test_docs" if task.has_test_docs() else "validation_docs"
    setattr(task, which, lambda: docs)
    return task


def needed_splits(task: Any) -> dict[str, Any]:
    """Return the splits that a task reads; all where its class decides."""
    config = task.config
    names = [config.training_split, config.validation_split, config.test_split, task.fewshot_cfg.split]
    wanted = {name for name in names if name in task.dataset} or set(task.dataset)
    return {name: rows for name, rows in task.dataset.items() if name in wanted or name == "content_free"}


@contextmanager
def generated_code(allowed: bool) -> Iterator[None]:
    """Allow the metric of lm-eval that runs programs to run them, or forbid it whatever the environment says."""
    before = os.environ.get("HF_ALLOW_CODE_EVAL")
    os.environ["HF_ALLOW_CODE_EVAL"] = "1" if allowed else "0"
    try:
        yield
    finally:
        del os.environ["HF_ALLOW_CODE_EVAL"]
        if before is not None:
            os.environ["HF_ALLOW_CODE_EVAL"] = before
