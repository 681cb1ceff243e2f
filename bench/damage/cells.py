"""All deciles of all single matrices of a model in memory: predicted, and measured by removing them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from weightspectra.ablation.edit.truncation import Removal, Stored, edited
from weightspectra.base.progress import track
from weightspectra.damage import next_tokens, prediction, sensitivity
from weightspectra.models import live
from weightspectra.spectra import svd
from weightspectra.spectra.deciles import decile_ranks

N_PROBES = 4

CELLS = {
    "law": "predicted",
    "second order alone": "second_order",
    "first order": "first_order",
    "output energy": "output_energy",
    "centred output energy": "centred_energy",
    "weight energy": "weight_energy",
}
"""Predictors by the names that tables give them, with their columns; the law first."""

Outcomes = Callable[[Any, sensitivity.Batch], sensitivity.Outcomes]


def predict(model: Any, batches: Sequence[sensitivity.Batch], outcomes: Outcomes) -> dict[str, np.ndarray]:
    """Return each predictor of all cells, matrix by matrix."""
    matrices = live.matrices(model)
    found = {key: svd.decompose(matrix.read()) for key, matrix in matrices.items()}
    subject = sensitivity.ExaminedModel(model, matrices, lambda key: found[key].short_vectors.numpy(), outcomes)
    generator = torch.Generator().manual_seed(1)
    responses = sensitivity.respond(subject, batches, N_PROBES, generator, "predict")
    rows = prediction.predict({key: found[key].singular_values.numpy() for key in responses}, responses)
    return {name: np.array([row[column] for row in rows]) for name, column in CELLS.items()}


def measure(
    model: Any, batches: Sequence[sensitivity.Batch], outcomes: Outcomes
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Remove each cell in turn, in the order of :func:`predict`.

    Returns
    -------
    increases : ndarray of shape (n_cells, n_sequences)
        Of the summed loss of each sequence, in nats.
    weights : ndarray of shape (n_sequences,)
        Scored tokens of each.
    roles : ndarray of str, shape (n_cells,)
    """
    matrices = live.matrices(model)
    vectors = {key: svd.decompose(matrix.read()).short_vectors.numpy() for key, matrix in matrices.items()}
    untouched, weights = losses(model, batches, outcomes)
    cells = [(key, decile) for key in matrices for decile in range(1, 11)]
    increases = []
    for key, decile in track(cells, len(cells), "measure", "cells"):
        shape = matrices[key].read().shape
        edit = Removal(decile_ranks(min(shape), decile), *shape)
        with edited(matrices, {key: edit}, Stored(vectors.__getitem__)):
            increases.append(losses(model, batches, outcomes)[0] - untouched)
    return np.array(increases), weights, np.array([key.role for key, _ in cells])


def losses(model: Any, batches: Sequence[sensitivity.Batch], outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Return the summed loss of each sequence in nats, and how many targets it has."""
    sums, counts = [], []
    with torch.inference_mode():
        for batch in batches:
            found = outcomes(model, batch)
            loss = F.cross_entropy(found.logits.float(), found.targets, reduction="none").double()
            targets = batch["targets"]
            scored = (targets != next_tokens.UNSCORED).reshape(len(targets), -1)
            owner = scored.nonzero()[:, 0]
            sums.append(torch.zeros(len(targets), dtype=torch.float64).index_add(0, owner, loss))
            counts.append(scored.sum(dim=1))
    return torch.cat(sums).numpy(), torch.cat(counts).double().numpy()
