"""A classifier on top of any encoder or decoder: its head, its examples, and what it scores on a test."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from weightspectra.activations.unknown import check_known
from weightspectra.base.errors import UserError

HEAD_STD = 0.02
"""Standard deviation of the new head's weights: that of BERT's own initialisation."""

HEAD_DROPOUT = 0.1
EVALUATION_BATCH = 64
"""Examples per forward pass when testing; fixed, because results move in the sixth digit with it."""


class Classifier(nn.Module):
    """An encoder, the mean of its last hidden states, dropout, and a linear head.

    Parameters
    ----------
    encoder : transformers base model
        Without a head, as ``loading.load(folder)`` returns it.
    n_classes : int
    pad_id : int
        The token to fill short examples with.

    Notes
    -----
    The library's own ``...ForSequenceClassification`` heads differ from family
    to family: BERT reads the pooled first token, RoBERTa and DistilBERT add
    a layer to it, ModernBERT another one, and decoders read the last token. A
    mean over tokens and one linear layer is the same for all, invents the fewest
    parameters, needs no token that the checkpoint was not trained to pool in
    (``minilm`` was trained with a mean), and is what the linear probe reads.
    """

    def __init__(self, encoder: Any, n_classes: int, pad_id: int):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(HEAD_DROPOUT)
        self.head = nn.Linear(encoder.config.hidden_size, n_classes)
        self.pad_id = pad_id
        self._known = inspect.signature(encoder.forward).parameters

    def new_head(self) -> None:
        """Draw the head's weights anew from PyTorch's generator."""
        nn.init.normal_(self.head.weight, std=HEAD_STD)
        nn.init.zeros_(self.head.bias)

    def forward(self, examples: Sequence[dict[str, list[int]]]) -> Tensor:
        """Return the logits of tokenised examples, shape (n_examples, n_classes)."""
        inputs = self._padded(examples)
        hidden = self.encoder(**inputs).last_hidden_state
        mask = inputs["attention_mask"][:, :, None].to(hidden.dtype)
        return self.head(self.dropout((hidden * mask).sum(1) / mask.sum(1)))

    def _padded(self, examples: Sequence[dict[str, list[int]]]) -> dict[str, Tensor]:
        """Fill examples up to the longest one, on the right."""
        longest = max(len(example["input_ids"]) for example in examples)
        names = [name for name in examples[0] if name in self._known]
        filler = {"input_ids": self.pad_id}
        rows = {
            name: [row[name] + [filler.get(name, 0)] * (longest - len(row[name])) for row in examples] for name in names
        }
        return {name: torch.tensor(values, device=self.head.weight.device) for name, values in rows.items()}


class Examples(NamedTuple):
    """Tokenised texts with their classes.

    Attributes
    ----------
    tokens : list of dict
        What the tokenizer gives for each example: ``input_ids``, ``attention_mask``, ...
    labels : ndarray of int64
        Classes, from 0.
    units : list of str
        What each example was taken from; its own name if it stands alone.
    unknown_tokens : float
        Share of the tokens that the tokenizer does not know.
    """

    tokens: list[dict[str, list[int]]]
    labels: np.ndarray
    units: list[str]
    unknown_tokens: float

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example."""
        return np.array([len(example["input_ids"]) for example in self.tokens])


def choose(examples: pd.DataFrame, split: str, count: int | None, rng: np.random.Generator) -> pd.DataFrame:
    """Choose rows of one split of ``contracts.EXAMPLES`` at random, in the order in which they stand; all if no count.

    Raises
    ------
    UserError
        When the split has fewer examples, or a class has none among those chosen.
    """
    rows = examples[examples["split"] == split]
    if count is not None and count > len(rows):
        raise UserError(
            f"the data set has {len(rows)} examples in its part '{split}'; n_{split} asks for {count}: "
            f"set it to at most {len(rows)}"
        )
    chosen = rows if count is None else rows.iloc[np.sort(rng.choice(len(rows), count, replace=False))]
    lacking = sorted(set(examples["label_name"]) - set(chosen["label_name"]))
    if lacking:
        raise UserError(
            f"none of the {len(chosen)} examples in the part '{split}' is of the class '{lacking[0]}'; "
            f"raise n_{split}, or divide the data set anew"
        )
    return chosen


def tokenised(tokenizer: Any, rows: pd.DataFrame, *, max_length: int) -> Examples:
    """Tokenise rows of ``contracts.EXAMPLES``.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    rows : DataFrame
    max_length : int
        Tokens, special ones included, to which longer examples are cut; of a pair the longer text is cut first.

    Raises
    ------
    UserError
        When a text gives no token, or the tokenizer does not know too many of them.
    """
    second = rows["pair"].to_list() if rows["pair"].any() else None
    found = tokenizer(
        rows["text"].to_list(), second, truncation=True, max_length=max_length, return_attention_mask=True
    )
    tokens = [{name: list(values[number]) for name, values in found.items()} for number in range(len(rows))]
    for number, example in enumerate(tokens):
        if not example["input_ids"]:
            raise UserError(
                f"the example '{rows['example'].iloc[number]}' gives no token; take such texts out of the data set"
            )
    unknown = check_known((example["input_ids"] for example in tokens), tokenizer, "the labelled texts")
    units = rows["group"].where(rows["group"] != "", rows["example"])
    return Examples(tokens, rows["label"].to_numpy(np.int64, copy=True), units.to_list(), unknown)


def shuffled_batches(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Divide examples into batches of like length, at random.

    Parameters
    ----------
    lengths : ndarray of int, shape (n_examples,)
    batch_size : int
    rng : numpy Generator

    Yields
    ------
    ndarray of int
        Positions of one batch's examples; every example is in one batch.

    Notes
    -----
    The shuffled examples are sorted by length within pools of eight batches,
    and the batches are shuffled again: little is padded, and what meets in a
    batch still changes from epoch to epoch.
    """
    order = rng.permutation(len(lengths))
    pools = [order[start : start + 8 * batch_size] for start in range(0, len(order), 8 * batch_size)]
    batches = [batch for pool in pools for batch in _by_length(pool, lengths, batch_size)]
    yield from (batches[number] for number in rng.permutation(len(batches)))


class Score(NamedTuple):
    """What a classifier scores on a test.

    Attributes
    ----------
    loss : float
        Mean cross-entropy in nats.
    accuracy : float
    auc : float
        Area under the ROC curve; with more than two classes the mean of each
        class against the rest. Not a number where the logits are not finite.
    right : list of int
        1 for each example classified rightly, else 0.
    """

    loss: float
    accuracy: float
    auc: float
    right: list[int]


def score_examples(classifier: Classifier, examples: Examples) -> Score:
    """Test a classifier, without dropout; it goes back to training afterwards if that is where it was."""
    training = classifier.training
    classifier.eval()
    logits = torch.empty(len(examples.labels), classifier.head.out_features, dtype=torch.float64)
    with torch.inference_mode():
        for batch in _by_length(np.arange(len(logits)), examples.lengths, EVALUATION_BATCH):
            logits[batch] = classifier([examples.tokens[number] for number in batch]).double().cpu()
    classifier.train(training)
    loss = F.cross_entropy(logits, torch.from_numpy(examples.labels))
    right = (logits.argmax(1).numpy() == examples.labels).astype(int)
    return Score(float(loss), float(right.mean()), _auc(logits.numpy(), examples.labels), right.tolist())


def _auc(logits: np.ndarray, labels: np.ndarray) -> float:
    if not np.isfinite(logits).all():
        return float("nan")
    likelihood = log_softmax(logits, axis=1)
    classes = [1] if logits.shape[1] == 2 else range(logits.shape[1])
    return float(np.mean([roc_auc_score(labels == number, likelihood[:, number]) for number in classes]))


def _by_length(chosen: np.ndarray, lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Sort by length, longest first and ties as they are, and cut into batches."""
    ordered = chosen[np.argsort(-lengths[chosen], kind="stable")]
    return [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
