"""Text -> batches, and what a causal language model says of their tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from weightspectra.activations.windows import Window, observation_windows
from weightspectra.damage.sensitivity import Batch, Outcomes

UNSCORED = -100
"""The target of a position that is not scored."""


def scored_windows(texts: Mapping[str, str], tokenizer: Any, *, window: int, n_tokens: int, bos: bool) -> list[Window]:
    """Cut texts into windows of which every token but the first is scored.

    Parameters
    ----------
    texts, tokenizer, window, n_tokens
        As in :func:`weightspectra.activations.windows.observation_windows`.
    bos : bool
        Put the beginning-of-sequence token before every window where the tokenizer has one and does not do so itself.

    Returns
    -------
    list of Window

    Raises
    ------
    UserError
        When all texts together are shorter than one window.
    """
    start = [tokenizer.bos_token_id] if bos and tokenizer.bos_token_id is not None else []
    found = []
    for each in observation_windows(texts, tokenizer, window=window, n_tokens=n_tokens):
        ids = each.input_ids if each.input_ids[: len(start)] == start else [*start, *each.input_ids]
        if len(ids) > 1:
            found.append(each._replace(input_ids=ids, n_scored=len(ids) - 1))
    return found


def language_batches(
    windows: Sequence[Window], batch_size: int, pad_id: int, device: torch.device | str = "cpu"
) -> list[Batch]:
    """Group windows into batches for :func:`predict`, long ones first; padding stands on the right.

    The last token of a window is a target only.
    """
    by_length = sorted(windows, key=lambda window: -len(window.input_ids))
    batches: list[Batch] = []
    for start in range(0, len(by_length), batch_size):
        rows = by_length[start : start + batch_size]
        shape = (len(rows), len(rows[0].input_ids) - 1)
        inputs, targets = torch.full(shape, pad_id), torch.full(shape, UNSCORED)
        mask = torch.zeros(shape, dtype=torch.long)
        for row, window in enumerate(rows):
            ids, length = torch.tensor(window.input_ids), len(window.input_ids) - 1
            inputs[row, :length], mask[row, :length] = ids[:-1], 1
            targets[row, length - window.n_scored : length] = ids[len(ids) - window.n_scored :]
        batch = {"input_ids": inputs, "attention_mask": mask, "targets": targets}
        batches.append({name: tensor.to(device) for name, tensor in batch.items()})
    return batches


def predict(model: Any, batch: Batch) -> Outcomes:
    """Return what a causal language model says of the scored tokens of a batch."""
    answer = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    scored = batch["targets"] != UNSCORED
    return Outcomes(answer.logits[scored], batch["targets"][scored])
