"""Independent tasks on several cores, with the time left; the results do not depend on how many."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import torch

from weightspectra.base import progress

Task = TypeVar("Task")
Found = TypeVar("Found")


def run(function: Callable[[Task], Found], tasks: Sequence[Task], label: str, n_workers: int = 1) -> list[Found]:
    """Call a function for every task, in as many processes as there are workers, with one thread each.

    Parameters
    ----------
    function : callable
        At the top level of a module, so that other processes find it.
    tasks : sequence
        Of about equal length, for the time left to be right.
    label : str
        What is being done.
    n_workers : int
        With one, everything happens in this process.
    """
    if n_workers == 1:
        return [function(task) for task in progress.track(tasks, len(tasks), label, "tasks")]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=use_one_thread) as pool:
        return list(progress.track(pool.map(function, tasks), len(tasks), label, "tasks"))


def use_one_thread() -> None:
    """Keep linear algebra to one thread: the processes share the cores already."""
    torch.set_num_threads(1)


def available() -> int:
    """Return how many workers this machine can take."""
    return os.cpu_count() or 1
