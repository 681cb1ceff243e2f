"""Labelled texts as a task: the classes' names as answers to a prompt, with the bias towards a name taken out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from datasets import Dataset
from scipy.special import log_softmax, logsumexp

from weightspectra.base.errors import UserError

CONTENT_FREE = ("N/A", "", "[MASK]")
"""Texts that say nothing; what a model answers to them is its bias."""


def write_choice_task(folder: Path, name: str, classes: Sequence[str]) -> Path:
    """Write the task file of a data set: a prompt, and the names of its classes as answers after a space."""
    settings = {
        "task": name,
        "dataset_path": "",
        "output_type": "multiple_choice",
        "training_split": "train",
        "test_split": "test",
        "fewshot_split": "train",
        "doc_to_text": "prompt",
        "doc_to_target": "label",
        "doc_to_choice": list(classes),
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "num_fewshot": 0,
        "metadata": {"version": 1},
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(settings, allow_unicode=True))
    return file


def choice_rows(examples: pd.DataFrame, prompt: str) -> dict[str, Dataset]:
    """Return the rows of both parts of a data set, and prompts about texts that say nothing.

    Parameters
    ----------
    examples : DataFrame
        Rows of ``contracts.EXAMPLES`` of one data set.
    prompt : str
        The question, with ``{text}`` and, for pairs, ``{pair}``.

    Returns
    -------
    dict from 'train', 'test' and 'content_free' to Dataset
        With the columns example, group, prompt and label; the label of a text
        that says nothing is that of the first class.

    Raises
    ------
    UserError
        When the prompt has not the places that the texts need.
    """
    paired = bool((examples["pair"] != "").any())
    for place, needed in (("{text}", True), ("{pair}", paired)):
        if (place in prompt) != needed:
            state = "lacks" if needed else "has"
            raise UserError(
                f"prompt: {prompt!r} {state} the place {place}; the texts are {'' if paired else 'no '}pairs"
            )
    splits = {}
    for split in ("train", "test"):
        rows = examples[examples["split"] == split]
        splits[split] = _rows(rows, prompt)
    nothing = pd.DataFrame(dict.fromkeys(("example", "group", "text", "pair"), CONTENT_FREE)).assign(label=0)
    return {**splits, "content_free": _rows(nothing, prompt)}


def _rows(examples: pd.DataFrame, prompt: str) -> Dataset:
    filled = [_fill(prompt, text, pair) for text, pair in zip(examples["text"], examples["pair"], strict=True)]
    names = {name: list(map(str, examples[name])) for name in ("example", "group")}
    return Dataset.from_dict({**names, "prompt": filled, "label": list(map(int, examples["label"]))})


def _fill(prompt: str, text: str, pair: str) -> str:
    """Put texts into a prompt; braces in a text are no places."""
    return pair.join(part.replace("{text}", text) for part in prompt.split("{pair}"))


def calibrated(log_likelihoods: np.ndarray, content_free: np.ndarray) -> np.ndarray:
    """Take a model's bias towards answers out of its log-likelihoods.

    Parameters
    ----------
    log_likelihoods : ndarray of shape (n_items, n_classes)
        Of each answer, in nats.
    content_free : ndarray of shape (n_texts, n_classes)
        The same after prompts about texts that say nothing.

    Returns
    -------
    ndarray of shape (n_items, n_classes)
        ``log p(c | x) - log b(c)``, where ``p`` are the answers' likelihoods made
        to sum to one and ``b`` is their mean over the texts that say nothing.

    References
    ----------
    T. Z. Zhao, E. Wallace, S. Feng, D. Klein and S. Singh, Calibrate Before
    Use, ICML 2021 (arXiv 2102.09690), Section 5, with ``W = diag(b)^-1``.
    """
    bias = logsumexp(log_softmax(content_free, axis=1), axis=0) - np.log(len(content_free))
    shares: np.ndarray = log_softmax(log_likelihoods, axis=1) - bias
    return shares
