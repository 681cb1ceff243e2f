"""What a transformer predicts on sequences of the bigram task, and where it looks."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from weightspectra.birth.probes.values import ProbeValue, mean_over
from weightspectra.birth.task.bigram_task import Sequences

ATTENTION_NUMBERS = 2**20
"""Attention weights of one head that exist at the same time: few enough for a processor's cache."""


class Behaviour(NamedTuple):
    """What a model does at every position of every sequence.

    Attributes
    ----------
    predictions : ndarray of int, shape (n_sequences, length)
        The most probable next token.
    losses : ndarray of float32, shape (n_sequences, length)
        Cross-entropy of the true next token, in nats.
    attended : list of ndarray of int, shape (n_sequences, n_heads, length)
        For each layer the position that gets the most attention; empty if it was not asked for.
    """

    predictions: np.ndarray
    losses: np.ndarray
    attended: list[np.ndarray]


def observe(model: Any, sequences: Sequences, *, attention: bool = True) -> Behaviour:
    """Run a model on sequences.

    Parameters
    ----------
    model : BigramTransformer
        In evaluation mode, on any device.
    sequences : Sequences
    attention : bool
        Whether to look at attention too.
    """
    inputs, targets = sequences.inputs, sequences.targets
    n_sequences, length = inputs.shape
    size = max(1, ATTENTION_NUMBERS // length**2)
    parts = [
        _observe_part(model, inputs[start : start + size], targets[start : start + size], attention)
        for start in range(0, n_sequences, size)
    ]
    predictions, losses, attended = zip(*parts, strict=True)
    layers = [np.concatenate(layer) for layer in zip(*attended, strict=True)]
    return Behaviour(np.concatenate(predictions), np.concatenate(losses), layers)


@torch.inference_mode()
def _observe_part(model: Any, inputs: np.ndarray, targets: np.ndarray, attention: bool) -> Behaviour:
    device = next(model.parameters()).device
    tokens = torch.as_tensor(inputs, dtype=torch.int64, device=device)
    labels = torch.as_tensor(targets, dtype=torch.int64, device=device)
    output = model(tokens, output_attentions=attention)
    losses = functional.cross_entropy(output.logits.flatten(0, 1), labels.flatten(), reduction="none")
    attended = [layer.argmax(dim=-1).cpu().numpy() for layer in output.attentions] if attention else []
    return Behaviour(output.logits.argmax(dim=-1).cpu().numpy(), losses.view_as(labels).cpu().numpy(), attended)


def accuracy_probe(behaviour: Behaviour, sequences: Sequences, chance: float, outputs: str = "") -> list[ProbeValue]:
    """Return the in-context accuracy: the share of outputs of triggers seen before that are predicted.

    Parameters
    ----------
    behaviour : Behaviour
    sequences : Sequences
        Those that it was observed on.
    chance : float
        What random weights would give.
    outputs : str
        What the sequences' outputs are drawn from, or empty if it is as in training.
    """
    hits = behaviour.predictions == sequences.targets
    return mean_over("in_context_accuracy", hits, sequences.predictable, chance=chance, outputs=outputs)


def induction_probe(behaviour: Behaviour, sequences: Sequences, chance: float) -> list[ProbeValue]:
    """Return the induction accuracy: the in-context accuracy where the output is not the trigger itself.

    A trigger that is its own output fills the rest of its sequence, and a model that has learned no more than to repeat
    the last token is right there. Parameters are those of :func:`accuracy_probe`.
    """
    hits = behaviour.predictions == sequences.targets
    return mean_over("induction_accuracy", hits, sequences.predictable & ~sequences.repeats, chance=chance)


def loss_probes(behaviour: Behaviour, sequences: Sequences) -> list[ProbeValue]:
    """Return the in-context loss, at triggers seen before, and the global one, where there is no trigger."""
    tested = {"in_context_loss": sequences.predictable, "global_loss": sequences.global_}
    return [probe for name, positions in tested.items() for probe in mean_over(name, behaviour.losses, positions)]
