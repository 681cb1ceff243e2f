"""Fine-tuning before and after singular values are removed, paired by seed with fine-tuning that loses none."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from weightspectra.ablation.edit.truncation import Removal, Stored, Writable, edited
from weightspectra.base.journal import Journal, Row, check_complete
from weightspectra.base.progress import track
from weightspectra.base.seeds import seeded
from weightspectra.contracts import MatrixKey
from weightspectra.finetuning.classification import Classifier, Examples, score_examples
from weightspectra.finetuning.settings import Finetuning
from weightspectra.finetuning.training import training
from weightspectra.spectra.deciles import decile_ranks
from weightspectra.spectra.svd import decompose


class TuningSubject(NamedTuple):
    """A classifier to fine-tune, as its checkpoint left it, and the examples to do it with.

    Attributes
    ----------
    classifier : Classifier
    matrices : mapping from MatrixKey to a live matrix of its encoder
    stored : Stored
        The singular vectors of these matrices.
    train, test : Examples
    """

    classifier: Classifier
    matrices: Mapping[MatrixKey, Writable]
    stored: Stored
    train: Examples
    test: Examples


class TuningRun(NamedTuple):
    """One fine-tuning: the decile that goes first (0: none does), the run's number and its seed."""

    decile: int
    number: int
    seed: int


def planned(wanted: Finetuning, seeds: Sequence[int]) -> list[TuningRun]:
    """Return the runs of a fine-tuning, in the order in which they are done.

    Every seed is left untouched once; then, seed by seed, the first
    ``n_seeds_removed`` are fine-tuned after the removal of each of the ``deciles``.
    """
    untouched = [TuningRun(0, number, seed) for number, seed in enumerate(seeds)]
    twins = untouched[: wanted.n_seeds_removed]
    return untouched + [run._replace(decile=decile) for run in twins for decile in wanted.deciles]


def finetune(
    subject: TuningSubject, wanted: Finetuning, seeds: Sequence[int], *, journal: Journal, label: str
) -> list[Row]:
    """Fine-tune as planned, testing after every epoch; after the untouched runs' epochs also with each decile removed.

    Parameters
    ----------
    subject : TuningSubject
        Its encoder has its first weights again when all is done.
    wanted : Finetuning
    seeds : sequence of int
        One for each untouched run.
    journal : Journal
        Holds the runs that an earlier, interrupted job has finished; each is added when it is done.
    label : str
        What progress lines call this job.

    Returns
    -------
    list of dict
        The rows of ``contracts.FINETUNINGS`` but for model and fine-tuning, run by run.

    Raises
    ------
    UserError
        When a training loss is no longer a number, or a score is missing.

    Notes
    -----
    A run begins with the checkpoint's weights, a new head, and generators
    seeded by the run's seed alone. So runs of one seed have the same head, the
    same order of examples and the same dropout, and differ in what was removed:
    they are a pair.

    Removing after an epoch leaves no trace: the weights get their bits back, testing
    draws no random number, and the optimiser is not touched.
    """
    finished = {(row["decile"], row["number"]): row["rows"] for row in journal.rows}
    runs = planned(wanted, seeds)
    left = [run for run in runs if (run.decile, run.number) not in finished]
    if finished:
        print(f"{label}: {len(finished)} of {len(runs)} runs were finished before", file=sys.stderr)
    encoder, n_epochs = subject.classifier.encoder, wanted.epochs
    first = {name: value.clone() for name, value in encoder.state_dict().items()}
    epochs = ((run, epoch, rows) for run in left for epoch, rows in _epochs(subject, first, run, wanted))
    collected: list[Row] = []
    for run, epoch, rows in track(epochs, len(left) * n_epochs, label, "epochs"):
        collected = rows if epoch == 1 else collected + rows
        if epoch == n_epochs:
            whole = journal.append({"decile": run.decile, "number": run.number, "rows": collected})
            finished[run.decile, run.number] = whole["rows"]
    encoder.load_state_dict(first)
    sizes = {"n_train": len(subject.train.labels), "n_test": len(subject.test.labels)}
    n_tokens = [part.lengths.sum() for part in (subject.train, subject.test)]
    shares = [part.unknown_tokens for part in (subject.train, subject.test)]
    described = {**sizes, "unknown_tokens": float(np.average(shares, weights=n_tokens)), "units": subject.test.units}
    rows = [{**row, **described} for run in runs for row in finished[run.decile, run.number]]
    check_complete(f"{label}: scores", map(_asked_for, rows), _scores_of(runs, wanted))
    return rows


def _asked_for(row: Row) -> tuple[Any, ...]:
    return row["order"], row["decile"], row["seed"], row["epoch"]


def _scores_of(runs: Sequence[TuningRun], wanted: Finetuning) -> Iterator[tuple[Any, ...]]:
    """Yield what there must be a row of, in the order of the runs."""
    for run in runs:
        for epoch in range(1, wanted.epochs + 1):
            yield "remove_first" if run.decile else "none", run.decile, run.number, epoch
            for decile in () if run.decile else wanted.deciles:
                yield "remove_last", decile, run.number, epoch


def _epochs(
    subject: TuningSubject, first: Mapping[str, torch.Tensor], run: TuningRun, wanted: Finetuning
) -> Iterator[tuple[int, list[Row]]]:
    """Do one run from the weights it begins with, and yield each epoch's number and rows."""
    classifier = subject.classifier
    classifier.encoder.load_state_dict(first)
    edits = _removals(subject.matrices, run.decile)
    with (
        seeded(run.seed, classifier.head.weight.device),
        edited(subject.matrices, edits, subject.stored) as change,
    ):
        classifier.new_head()
        removed = {
            "order": "remove_first" if run.decile else "none",
            "decile": run.decile,
            "removed_energy": change.removed_energy,
        }
        for epoch, train_loss in enumerate(training(classifier, subject.train, wanted, run.seed), start=1):
            trained = {"seed": run.number, "epoch": epoch, "train_loss": train_loss}
            rows = [{**removed, **_scores(subject)}]
            if not run.decile:
                rows += _removed_last(subject, wanted.deciles)
            yield epoch, [{**row, **trained} for row in rows]


def _removed_last(subject: TuningSubject, deciles: Sequence[int]) -> Iterator[Row]:
    """Decompose the matrices as they are now, and test without each decile."""
    vectors = {
        key: decompose(matrix.read(), name=str(key)).short_vectors.float().cpu().numpy()
        for key, matrix in subject.matrices.items()
    }
    for decile in deciles:
        edits = _removals(subject.matrices, decile)
        with edited(subject.matrices, edits, Stored(vectors.__getitem__)) as change:
            removed = {"order": "remove_last", "decile": decile, "removed_energy": change.removed_energy}
            yield {**removed, **_scores(subject)}


def _removals(matrices: Mapping[MatrixKey, Writable], decile: int) -> dict[MatrixKey, Removal]:
    """Return the removal of one decile from every matrix; of decile 0, none."""
    shapes = {key: matrix.read().shape for key, matrix in matrices.items()} if decile else {}
    return {key: Removal(decile_ranks(min(shape), decile), *shape) for key, shape in shapes.items()}


def _scores(subject: TuningSubject) -> dict[str, Any]:
    return score_examples(subject.classifier, subject.test)._asdict()
