"""Many cuts, one loaded model: remove, measure, put back."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from weightspectra.ablation.cuts import NOTHING, Cut
from weightspectra.ablation.journal import Journal, Row
from weightspectra.ablation.perplexity import DocumentScores, paired_standard_error, score, standard_error
from weightspectra.ablation.selection import Spectrum
from weightspectra.ablation.truncation import UNCHANGED, Stored, Writable, edited
from weightspectra.activations.windows import Window
from weightspectra.contracts import MatrixKey
from weightspectra.errors import UserError
from weightspectra.progress import track


class Subject(NamedTuple):
    """A loaded model whose matrices can be cut.

    Attributes
    ----------
    model : transformers causal language model
        In evaluation mode.
    matrices : mapping from MatrixKey to a live matrix of the model
    spectra : mapping from MatrixKey to Spectrum
    vectors : callable from MatrixKey to ndarray of shape (n_values, n_values)
        Singular vectors of the short side, one per row, largest value first.
    device : torch device
    """

    model: Any
    matrices: Mapping[MatrixKey, Writable]
    spectra: Mapping[MatrixKey, Spectrum]
    vectors: Callable[[MatrixKey], np.ndarray]
    device: torch.device | str


def evaluate(
    subject: Subject,
    cuts: Sequence[Cut],
    windows: Sequence[Window],
    *,
    batch_size: int,
    journal: Journal,
    label: str,
) -> list[Row]:
    """Measure the perplexity of the untouched model and of the model after each cut.

    Parameters
    ----------
    subject : Subject
    cuts : sequence of Cut
    windows : sequence of Window
    batch_size : int
        Windows per forward pass.
    journal : Journal
        Holds what an earlier, interrupted run has finished; each cut is added when it is done.
    label : str
        What progress lines call this job.

    Returns
    -------
    list of dict
        The rows of ``contracts.EVALUATIONS`` but for model and experiment, the untouched model first.

    Raises
    ------
    UserError
        When the untouched model's perplexity is not a finite number.
    """
    planned = [NOTHING, *cuts]
    rows = {row["cut"]: row for row in journal.rows}
    left = [cut for cut in planned if cut.label not in rows]
    if rows:
        print(f"{label}: {len(rows)} of {len(planned)} cuts were finished before", file=sys.stderr)
    if len({window.document for window in windows}) == 1:
        print(
            f"{label}: all windows come from one document, so there are no standard errors; "
            "divide the corpus into more (documents: paragraph)",
            file=sys.stderr,
        )
    for cut in track(left, len(left), label, "cuts"):
        baseline = _scores(rows[NOTHING.label]) if rows else None
        change = UNCHANGED
        if baseline is not None and not cut.n_removed:
            scores = baseline
        else:
            with edited(subject.matrices, cut.edits, Stored(subject.vectors)) as change:
                scores = score(subject.model, windows, batch_size=batch_size, device=subject.device)
        _check_finite(cut, scores, label)
        rows[cut.label] = journal.append(_row(cut, change.removed_energy, scores, baseline or scores))
    return [rows[cut.label] for cut in planned]


def _check_finite(cut: Cut, scores: DocumentScores, label: str) -> None:
    """Refuse an untouched model that gives no number; report a cut that breaks the model's arithmetic."""
    if math.isfinite(scores.perplexity):
        return
    found = f"{label}: the perplexity after cut '{cut.label}' is {scores.perplexity}"
    if cut is NOTHING:
        raise UserError(f"{found}: the model's activations overflow; set the experiment's dtype to float32")
    print(f"{found}: the cut model's activations overflow", file=sys.stderr)


def _row(cut: Cut, removed_energy: float, scores: DocumentScores, baseline: DocumentScores) -> Row:
    return {
        "cut": cut.label,
        "scope": cut.scope,
        "removed": cut.removed,
        "decile": cut.decile,
        "roles": cut.roles,
        "layers": cut.layers,
        "n_removed": cut.n_removed,
        "removed_energy": removed_energy,
        "metric": "perplexity_per_token",
        "value": scores.perplexity,
        "standard_error": standard_error(scores),
        "difference": scores.perplexity - baseline.perplexity,
        "difference_se": paired_standard_error(scores, baseline),
        "n_tokens": int(scores.n_tokens.sum()),
        "documents": scores.documents,
        "document_tokens": scores.n_tokens.tolist(),
        "document_nll": scores.nll.tolist(),
    }


def _scores(row: Row) -> DocumentScores:
    return DocumentScores(row["documents"], np.array(row["document_tokens"]), np.array(row["document_nll"]))
