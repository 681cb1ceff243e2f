"""A whole run of training, from checkpoint to checkpoint: a killed one goes on after the last."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from weightspectra import contracts
from weightspectra.base.journal import Journal, Row, check_complete
from weightspectra.base.progress import track
from weightspectra.base.provenance import file_sha256
from weightspectra.birth.model.bigram_transformer import BigramTransformer
from weightspectra.birth.training.steps import Snapshot, Trainer


class Kept:
    """Finished checkpoints: a folder with one file of ``contracts.CHECKPOINTS`` for each, and a journal.

    Files appear whole or not at all. A line of the journal says that one is
    there, with its hash and the rows of learning that lead to it. What is found
    with another hash, and all that came after, is made again.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    key : str
        Digest of everything that the run depends on.
    """

    def __init__(self, folder: Path, key: str):
        self._folder, self._journal = folder, Journal(folder / "journal", key)
        whole = 0
        for row in self._journal.rows:
            path = self._part(row["iteration"])
            if not path.is_file() or file_sha256(path) != row["sha256"]:
                break
            whole += 1
        if whole < len(self._journal.rows):
            kept = self._journal.rows[:whole]
            self._journal.remove()
            self._journal = Journal(folder / "journal", key)
            for row in kept:
                self._journal.append(row)

    def add(self, rows: list[Row], learning: list[Row], iteration: int) -> None:
        """Keep one checkpoint, as rows of its contract, and the rows of learning that lead to it."""
        path = self._part(iteration)
        contracts.CHECKPOINTS.write(rows, path, {})
        self._journal.append({"iteration": iteration, "sha256": file_sha256(path), "learning": learning})

    @property
    def last(self) -> Snapshot | None:
        """Where to go on; None if nothing is kept."""
        if not self._journal.rows:
            return None
        iteration = self.iterations[-1]
        return snapshot_at(contracts.CHECKPOINTS.read(self._part(iteration)), iteration)

    @property
    def iterations(self) -> list[int]:
        """Those of the checkpoints."""
        return [row["iteration"] for row in self._journal.rows]

    @property
    def learning(self) -> list[Row]:
        """The rows of learning of all stretches."""
        return [each for row in self._journal.rows for each in row["learning"]]

    def checkpoints(self) -> pd.DataFrame:
        """Return the rows of all checkpoints."""
        return contracts.CHECKPOINTS.read([self._part(iteration) for iteration in self.iterations])

    def remove(self) -> None:
        """Delete everything; for when it stands in complete files."""
        shutil.rmtree(self._folder)

    def _part(self, iteration: int) -> Path:
        return self._folder / f"iteration-{iteration:06d}.parquet"


def train(trainer: Trainer, kept: Kept, run: Mapping[str, Any]) -> None:
    """Train from the last kept checkpoint, or the beginning, to the end of the recipe.

    Parameters
    ----------
    trainer : Trainer
        Untouched: as it begins.
    kept : Kept
        Gets each checkpoint as soon as it is reached.
    run : mapping
        The columns ``birth`` and ``seed``.

    Raises
    ------
    UserError
        When the loss is no longer a number, or what is kept in the end is not all that the recipe asks for.
    """
    label, last = f"train {run['birth']}, seed {run['seed']}", kept.last
    if last is None:
        last = trainer.snapshot(0)
        kept.add(list(rows_of(last, trainer.model, run)), [], 0)
    elif last.iteration:
        print(f"{label}: going on after iteration {last.iteration}", file=sys.stderr)
        trainer.restore(last)
    learning: list[Row] = []
    steps = range(last.iteration, trainer.recipe.n_iterations)
    for iteration in track(steps, len(steps), label, "iterations"):
        learning.append(trainer.step(iteration))
        if iteration + 1 in trainer.recipe.checkpoints:
            snapshot = trainer.snapshot(iteration + 1)
            kept.add(list(rows_of(snapshot, trainer.model, run)), learning, iteration + 1)
            learning = []
    check_complete(f"{label}: checkpoints", kept.iterations, trainer.recipe.checkpoints)
    check_complete(
        f"{label}: iterations", (row["iteration"] for row in kept.learning), range(trainer.recipe.n_iterations)
    )


def snapshot_at(checkpoints: pd.DataFrame, iteration: int) -> Snapshot:
    """Return what training can go on from.

    Parameters
    ----------
    checkpoints : DataFrame
        Rows of ``contracts.CHECKPOINTS`` of one run.
    iteration : int
        One of its checkpoints.
    """
    found = Snapshot(iteration, {}, {}, {})
    rows = checkpoints[(checkpoints["iteration"] == iteration) & checkpoints["trained"]]
    columns = {"values": found.parameters, "momentum": found.momentum, "second_moment": found.second_moment}
    for row in rows.to_dict("records"):
        for column, kept in columns.items():
            if len(row[column]):
                kept[str(row["parameter"])] = np.array(row[column], np.float32).reshape(tuple(row["shape"]))
    return found


def rows_of(snapshot: Snapshot, model: BigramTransformer, run: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of ``contracts.CHECKPOINTS`` of one checkpoint.

    Parameters
    ----------
    snapshot : Snapshot
    model : BigramTransformer
        Its frozen parameters are stored with iteration 0.
    run : mapping
        The columns ``birth`` and ``seed``.
    """
    nothing = np.zeros(0, np.float32)
    shared = {**run, "config": model.config.to_json_string(), "iteration": snapshot.iteration}
    for name, parameter in model.named_parameters():
        trained = name in snapshot.parameters
        if not trained and snapshot.iteration:
            continue
        values = snapshot.parameters[name] if trained else parameter.detach().cpu().numpy()
        yield {
            **shared,
            "parameter": name,
            "trained": trained,
            "shape": list(values.shape),
            "values": values.ravel(),
            "momentum": snapshot.momentum.get(name, nothing).ravel(),
            "second_moment": snapshot.second_moment.get(name, nothing).ravel(),
        }
