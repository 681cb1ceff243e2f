"""Loss and gradients of one training step, by whichever way is fastest for the model."""

from collections.abc import Collection
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from weightspectra.birth.model.bigram_transformer import BigramTransformer
from weightspectra.birth.training import simplified_gradients
from weightspectra.birth.training.simplified_gradients import Batch

N_SEQUENCES = 16
"""Sequences at a time: of more, what automatic differentiation keeps no longer fits into a cache of 32 MB."""


class Step(NamedTuple):
    """What one batch says of a model.

    Attributes
    ----------
    loss : float
        Mean cross-entropy over the scored positions, in nats; 0 if there is none.
    accuracy : float
        Share of them whose target has the largest logit; 0 if there is none.
    n_scored : int
    gradients : dict from str to Tensor
        Of the loss, by the wanted parameters; zero if nothing is scored.
    """

    loss: float
    accuracy: float
    n_scored: int
    gradients: dict[str, Tensor]


def differentiate(model: BigramTransformer, batch: Batch, wanted: Collection[str]) -> Step:
    """Return the loss of a batch and its gradients by some parameters.

    Parameters
    ----------
    model : BigramTransformer
        Its parameters are read only.
    batch : Batch
        On the model's device.
    wanted : collection of str
        Names of the parameters.
    """
    n_scored = int(batch.scored.sum())
    known = simplified_gradients.can_differentiate(model, wanted)
    by = simplified_gradients.sums if known else sums_by_autograd
    loss, n_right, gradients = by(model, batch, wanted) if n_scored else (0.0, 0, _nothing(model, wanted))
    share = 1 / max(n_scored, 1)
    scaled = {name: gradients[name] * share for name in wanted}
    return Step(loss * share, n_right * share, n_scored, scaled)


def sums_by_autograd(
    model: BigramTransformer, batch: Batch, wanted: Collection[str]
) -> tuple[float, int, dict[str, Tensor]]:
    """Return summed cross-entropy, right predictions and the gradients of the former, by automatic differentiation."""
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in wanted)
    loss, n_right, gradients = 0.0, 0, _nothing(model, wanted)
    for inputs, targets, scored in zip(*(part.split(N_SEQUENCES) for part in batch), strict=True):
        if not scored.any():
            continue
        logits = model.unembedding(model.decoder(inputs).last_hidden_state[scored])
        answers = targets[scored]
        summed = F.cross_entropy(logits, answers, reduction="sum")
        found = torch.autograd.grad(summed, [parameters[name] for name in wanted])
        for name, gradient in zip(wanted, found, strict=True):
            gradients[name] += gradient
        loss += summed.item()
        n_right += int((logits.argmax(1) == answers).sum())
    return loss, n_right, gradients


def _nothing(model: BigramTransformer, wanted: Collection[str]) -> dict[str, Tensor]:
    parameters = dict(model.named_parameters())
    return {name: torch.zeros_like(parameters[name], requires_grad=False) for name in wanted}
