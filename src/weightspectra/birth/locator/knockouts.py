"""Knock-outs: what a transformer of the bigram task can still do when singular values are taken from its matrices."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from weightspectra.ablation.edit import truncation
from weightspectra.base.progress import track
from weightspectra.birth.model.checkpoints import Run
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes import behaviour
from weightspectra.birth.task.bigram_task import Sequences
from weightspectra.spectra import svd
from weightspectra.statistics import paired


class Knockout(NamedTuple):
    """Some singular values of some matrices stay, the others go.

    Attributes
    ----------
    matrix, cut, n_values
        As in ``contracts.KNOCKOUTS``.
    kept : mapping from str to slice
        For each matrix that is cut, the ranks that stay; 0 is the largest value.
    """

    matrix: str
    cut: str
    n_values: int
    kept: Mapping[str, slice]


class Matrix(NamedTuple):
    """A trained matrix inside a live model, and what is needed to cut it.

    Attributes
    ----------
    parameter : Tensor of shape (n_out, n_in)
        Where it lives.
    vectors : ndarray of shape (n_values, n_values)
        Its singular vectors of the short side, largest value first.
    energies : ndarray of shape (n_values,)
        Its squared singular values.
    n_located : int
        How many of them are located.
    """

    parameter: torch.Tensor
    vectors: np.ndarray
    energies: np.ndarray
    n_located: int

    @classmethod
    def of(cls, parameter: torch.Tensor, n_located: int) -> "Matrix":
        """Decompose the matrix that a parameter holds now."""
        found = svd.decompose(parameter.detach(), device="cpu")
        return cls(parameter, found.short_vectors.numpy(), np.square(found.singular_values.numpy()), n_located)


def chosen(iterations: list[int]) -> list[int]:
    """Return of a run's rising iterations the middle one and the last, where knock-outs are made."""
    return sorted({iterations[len(iterations) // 2], iterations[-1]})


def cuts(matrices: Mapping[str, Matrix], n_triggers: int | None) -> list[Knockout]:
    """List the cuts.

    Parameters
    ----------
    matrices : mapping from str to Matrix
        By the names of ``birth.parameters.WEIGHTS``.
    n_triggers : int or None
        Triggers of all sequences: memories of W_K^2, whose first values are kept one by one up to two more than
        that. Of other matrices, and if each sequence has its own triggers (None), 1, 2, 4 and so on are kept.
    """
    found = [Knockout("", "none", 0, {})]
    for name, matrix in matrices.items():
        size, n = len(matrix.energies), matrix.n_located
        found += _of_one(name, size, n)
        counts = range(1, n_triggers + 3) if name == "key_2" and n_triggers else 2 ** np.arange(np.log2(size))
        found += [_cut(name, "keep_largest", {name: (0, int(k))}) for k in counts if k <= size]
    return [*found, *_of_all(matrices)]


def _of_one(name: str, size: int, n: int) -> list[Knockout]:
    smallest = sorted({n, size // 2} - {0})
    return [
        _cut(name, "keep_located", {name: (0, n)}),
        _cut(name, "remove_located", {name: (n, size)}, n),
        *(_cut(name, "remove_smallest", {name: (0, size - r)}, r) for r in smallest),
    ]


def _of_all(matrices: Mapping[str, Matrix]) -> list[Knockout]:
    located = {name: matrix.n_located for name, matrix in matrices.items()}
    sizes = {name: len(matrix.energies) for name, matrix in matrices.items()}
    halves = {name: size // 2 for name, size in sizes.items()}
    return [
        _cut("all", "keep_located", {name: (0, n) for name, n in located.items()}),
        _cut("all", "remove_located", {name: (n, sizes[name]) for name, n in located.items()}, sum(located.values())),
        *(
            _cut("all", "remove_smallest", {name: (0, sizes[name] - r) for name, r in gone.items()}, sum(gone.values()))
            for gone in (located, halves)
        ),
    ]


def _cut(matrix: str, cut: str, kept: Mapping[str, tuple[int, int]], n_values: int | None = None) -> Knockout:
    count = sum(stop - start for start, stop in kept.values()) if n_values is None else n_values
    return Knockout(matrix, cut, count, {name: slice(*ends) for name, ends in kept.items()})


def knock_out(
    run: Run,
    iteration: int,
    n_located: Mapping[str, int],
    sequences: Sequences,
    n_triggers: int | None,
    device: torch.device,
) -> list[dict[str, Any]]:
    """Return rows of ``contracts.KNOCKOUTS`` for one checkpoint.

    Parameters
    ----------
    run : Run
    iteration : int
        Of the checkpoint.
    n_located : mapping from str to int
        Located values of each matrix, by the names of ``birth.parameters.WEIGHTS``.
    sequences, n_triggers
        As for :func:`measure`.
    device : torch.device
    """
    model: Any = run.model(iteration)
    model.to(device)
    parameters = dict(model.named_parameters())
    matrices = {name: Matrix.of(parameters[WEIGHTS[name]], n) for name, n in n_located.items()}
    named = {"birth": run.birth, "seed": run.seed, "iteration": iteration}
    return [{**named, **row} for row in measure(model, matrices, sequences, n_triggers)]


def measure(
    model: Any, matrices: Mapping[str, Matrix], sequences: Sequences, n_triggers: int | None
) -> Iterator[dict[str, Any]]:
    """Yield what each cut does, in the columns of ``contracts.KNOCKOUTS``; birth, seed and iteration are left out.

    Parameters
    ----------
    model : BigramTransformer
        In evaluation mode; it has its old weights again after each cut.
    matrices : mapping from str to Matrix
        Its own.
    sequences : Sequences
        The same for all cuts, so that errors of differences are paired.
    n_triggers : int or None
        As for :func:`cuts`.

    Notes
    -----
    Cuts are those of :mod:`weightspectra.ablation.edit.truncation`: of W itself, not of what it has learned.
    Accuracy and loss are ratios of sums over positions to numbers of positions, over sequences.
    """
    listed = cuts(matrices, n_triggers)
    scored = {"accuracy": sequences.predictable.sum(axis=1), "loss": sequences.global_.sum(axis=1)}
    untouched: dict[str, np.ndarray] = {}
    for cut in track(listed, len(listed), "knock out", unit="cuts"):
        with knocked_out(matrices, cut) as removed_energy:
            sums = _sums(model, sequences) if removed_energy or not untouched else untouched
        untouched = untouched or sums
        row: dict[str, Any] = {
            "matrix": cut.matrix,
            "cut": cut.cut,
            "n_values": cut.n_values,
            "removed_energy": removed_energy,
            "n_sequences": len(sequences.tokens),
        }
        for name, column in (("accuracy", "in_context_accuracy"), ("loss", "global_loss")):
            difference, counts = sums[name] - untouched[name], scored[name].astype(np.float64)
            row |= {
                column: paired.estimate("mean", sums[name], counts),
                f"{name}_change": paired.estimate("mean", difference, counts),
                f"{name}_change_error": paired.standard_error("mean", difference, counts),
            }
        yield row


def _sums(model: Any, sequences: Sequences) -> dict[str, np.ndarray]:
    """Return for each sequence the right predictions of known outputs, and the loss where bigrams rule."""
    seen = behaviour.observe(model, sequences, attention=False)
    hits = sequences.predictable & (seen.predictions == sequences.targets)
    losses = np.where(sequences.global_, seen.losses, 0)
    return {"accuracy": hits.sum(axis=1, dtype=np.float64), "loss": losses.sum(axis=1, dtype=np.float64)}


@contextmanager
def knocked_out(matrices: Mapping[str, Matrix], cut: Knockout) -> Iterator[float]:
    """Cut while a block runs, and put every weight back afterwards, to the bit.

    Yields
    ------
    float
        Squared Frobenius norm of what is gone, as a share of that of the matrices that are cut.
    """
    originals = {name: matrices[name].parameter.detach().clone() for name in cut.kept}
    gone = total = 0.0
    try:
        for name, kept in cut.kept.items():
            matrix, original = matrices[name], originals[name]
            removed = np.delete(np.arange(len(matrix.energies)), kept)
            total += matrix.energies.sum()
            gone += matrix.energies[removed].sum()
            _write(matrix.parameter, truncation.without(original, matrix.vectors, removed))
        yield float(gone / total) if total else 0.0
    finally:
        for name, original in originals.items():
            _write(matrices[name].parameter, original)


@torch.no_grad()
def _write(parameter: torch.Tensor, values: torch.Tensor) -> None:
    parameter.copy_(values)
