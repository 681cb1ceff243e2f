"""Fine-tuning a classifier: AdamW with a rate that rises and falls; a seed decides all that is random."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from weightspectra.base.errors import UserError
from weightspectra.finetuning.classification import Classifier, Examples, shuffled_batches
from weightspectra.finetuning.settings import Finetuning

LARGEST_GRADIENT = 1.0
"""Norm to which longer gradients are cut, as is usual in fine-tuning."""


def training(classifier: Classifier, examples: Examples, recipe: Finetuning, seed: int) -> Iterator[float]:
    """Fine-tune a classifier in place, pausing after every epoch.

    Parameters
    ----------
    classifier : Classifier
    examples : Examples
    recipe : Finetuning
    seed : int
        Of the order of examples; dropout draws from PyTorch's generator.

    Yields
    ------
    float
        Mean cross-entropy over the epoch's examples, each as it was seen, in nats.

    Raises
    ------
    UserError
        When the loss is no longer a number.

    Notes
    -----
    The rate rises linearly over the first ``warmup_share`` of the steps and
    falls linearly to zero. Biases and the scales of normalisations do not decay.
    """
    rng, lengths = np.random.default_rng(seed), examples.lengths
    n_examples = len(examples.labels)
    n_steps = recipe.epochs * -(-n_examples // recipe.batch_size)
    optimiser, labels = _optimiser(classifier, recipe), torch.from_numpy(examples.labels)
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    classifier.train()
    step = 0
    for _ in range(recipe.epochs):
        total = 0.0
        for batch in shuffled_batches(lengths, recipe.batch_size, rng):
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * rate_share(step, n_steps, recipe.warmup_share)
            logits = classifier([examples.tokens[number] for number in batch])
            loss = F.cross_entropy(logits, labels[batch].to(logits.device))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
            optimiser.step()
            total += float(loss.detach()) * len(batch)
            step += 1
        if not np.isfinite(total):
            raise UserError(f"the training loss is {total}: lower learning_rate ({recipe.learning_rate:g})")
        yield total / n_examples


def rate_share(step: int, n_steps: int, warmup_share: float) -> float:
    """Return the learning rate of a step, counted from 0, as a share of the largest one."""
    n_rising = round(warmup_share * n_steps)
    rising = (step + 1) / n_rising if step < n_rising else 1.0
    return min(rising, (n_steps - step) / max(n_steps - n_rising, 1))


def _optimiser(classifier: Classifier, recipe: Finetuning) -> torch.optim.Optimizer:
    """Return AdamW over all parameters; only matrices decay."""
    parameters = list(classifier.parameters())
    groups = [
        {"params": [value for value in parameters if value.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [value for value in parameters if value.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
