"""A linear probe: which class a text has, read linearly off the mean of a model's last hidden states.

The probe is fitted anew on each model. So it tells whether the information is
still there in linear form after a cut, not whether a reader trained before the
cut still finds it where it was.

References
----------
G. Alain, Y. Bengio, Understanding intermediate layers using linear classifier
probes (ICLR workshop 2017, arXiv 1610.01644).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from weightspectra.ablation.measure.metrics import Measurement
from weightspectra.ablation.measure.positions import NOT_IN_WINDOWS
from weightspectra.activations.unknown import check_known
from weightspectra.base.errors import UserError

N_TRAIN = 800
"""Texts to learn from: the first of the training part, whose order is random."""

N_TEST = 2000
"""Texts to test on, as far as there are so many: accuracies of 0.8 then have a standard error of 0.9 %."""

MAX_TOKENS = 128
"""Longer texts are cut, like those of a fine-tuning by default."""

N_FOLDS = 5
"""Parts of the training texts, each left out once to choose the penalty; texts of one group share a part."""

STRENGTHS = tuple(np.logspace(-4, 0, 9))
"""Inverse L2 penalties to choose from, for features of unit variance."""

MAX_STEPS = 5000
"""Steps of the optimiser; standardised features need some hundred."""


@dataclass(frozen=True)
class LinearProbe:
    """The accuracy (and, for two classes, the area under the ROC curve) of a linear probe; a metric.

    Parameters
    ----------
    data_set : str
        Its name, which begins the metrics' names.
    examples : DataFrame
        Rows of ``contracts.EXAMPLES`` of this data set.
    tokenizer : tokenizer of transformers
    batch_size : int
        Texts per forward pass.
    device : torch device

    Raises
    ------
    UserError
        When a class has fewer groups of training texts than there are folds.
    """

    data_set: str
    examples: pd.DataFrame = field(repr=False)
    tokenizer: Any = field(repr=False)
    batch_size: int
    device: torch.device | str

    def __post_init__(self) -> None:
        """Refuse what cannot be cross-validated, before any model runs."""
        train = self._part("train")
        alone = train["group"].where(train["group"] != "", train["example"])
        counts = alone.groupby(train["label_name"].astype(str)).nunique()
        if len(counts) < 2 or counts.min() < N_FOLDS:
            raise UserError(
                f"{self.data_set}: a probe needs {N_FOLDS} texts (or groups of texts) of each of two classes or more "
                f"among the first {N_TRAIN} training texts, found {counts.to_dict()}; take a larger data set"
            )

    def measure(self, model: Any, first_layer: int = 0) -> list[Measurement]:
        """Fit the probe to a model and test it.

        Parameters
        ----------
        model : transformers model
            An encoder or a decoder, with or without a head, on ``device``.
        first_layer : int
            Not used: every text is run through all blocks.

        Returns
        -------
        list of Measurement
            ``<data set>/probe_accuracy``, values 1 where the class was found;
            for two classes also ``<data set>/probe_auc``, values the signed
            distance from the boundary, weights the class.

        Raises
        ------
        UserError
            When the hidden states are not finite, or the tokenizer does not know too many tokens.
        """
        train, test = self._part("train"), self._part("test")
        texts = {"train": self._tokens(model, train), "test": self._tokens(model, test)}
        ids = [row for encoded in texts.values() for row in encoded["input_ids"]]
        read = NOT_IN_WINDOWS | {"unknown_tokens": check_known(ids, self.tokenizer, f"the texts of {self.data_set}")}
        known = (train[name].to_numpy() for name in ("label", "group"))
        probe = fit_probe(self._features(model, texts["train"]), *known)
        features, labels = self._features(model, texts["test"]), test["label"].to_numpy()
        units = list(test["example"].astype(str))
        right = (probe.predict(features) == labels).astype(np.float64)
        ones = np.ones(len(units))
        found = [Measurement(f"{self.data_set}/probe_accuracy", "mean", True, "item", units, right, ones, read)]
        if len(probe.classes_) == 2:
            scores, positive = probe.decision_function(features), (labels == probe.classes_[1]).astype(np.float64)
            found.append(Measurement(f"{self.data_set}/probe_auc", "auc", True, "item", units, scores, positive, read))
        return found

    def _part(self, split: str) -> pd.DataFrame:
        rows = self.examples[self.examples["split"] == split]
        return rows.head(N_TRAIN if split == "train" else N_TEST)

    def _tokens(self, model: Any, rows: pd.DataFrame) -> dict[str, list[list[int]]]:
        pairs = list(rows["pair"]) if (rows["pair"] != "").any() else None
        limit = min(MAX_TOKENS, getattr(model.config, "max_position_embeddings", MAX_TOKENS))
        return dict(self.tokenizer(list(rows["text"]), pairs, truncation=True, max_length=limit))

    def _features(self, model: Any, encoded: Mapping[str, list[list[int]]]) -> np.ndarray:
        found = mean_hidden_states(model, encoded, batch_size=self.batch_size, device=self.device)
        if not np.isfinite(found).all():
            raise UserError(
                f"{self.data_set}: the model's last hidden states are not finite, so that nothing can be read off "
                "them; set dtype: float32, or leave this cut out"
            )
        return found


def mean_hidden_states(
    model: Any, encoded: Mapping[str, Sequence[Sequence[int]]], *, batch_size: int, device: torch.device | str
) -> np.ndarray:
    """Return the mean of the last hidden states over the tokens of each text.

    Parameters
    ----------
    model : transformers model
        Only its base model is run, without a head.
    encoded : mapping
        What the tokenizer made of the texts, unpadded: ``input_ids``, one list
        for each text, and what else the model takes.
    batch_size : int
    device : torch device

    Returns
    -------
    ndarray of float64, shape (n_texts, hidden size)

    Notes
    -----
    Texts are sorted by length, so that a batch has little padding. Padding is on
    the right: no token of a causal model sees it, and an encoder is told by the
    mask. It is left out of the mean.
    """
    ids = encoded["input_ids"]
    order = sorted(range(len(ids)), key=lambda index: -len(ids[index]))
    means: dict[int, np.ndarray] = {}
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            padded = {name: _pad([values[index] for index in batch], device) for name, values in encoded.items()}
            padded["attention_mask"] = mask = _pad([[1] * len(ids[index]) for index in batch], device)
            hidden = model.base_model(**padded).last_hidden_state.double() * mask[:, :, None]
            means.update(zip(batch, (hidden.sum(1) / mask.sum(1, keepdim=True)).cpu().numpy(), strict=True))
    return np.stack([means[index] for index in range(len(ids))])


def fit_probe(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Any:
    """Fit a logistic regression with an L2 penalty to standardised features.

    Parameters
    ----------
    features : ndarray, shape (n_texts, n_features)
    labels : ndarray of int, shape (n_texts,)
    groups : ndarray of str, shape (n_texts,)
        What a text was taken from; '' if it stands alone.

    Returns
    -------
    sklearn.model_selection.GridSearchCV
        Fitted to all texts with the penalty whose mean log-likelihood of the
        texts left out is largest, the stronger of two that are equal.
    """
    steps = [("scale", StandardScaler()), ("classify", LogisticRegression(max_iter=MAX_STEPS))]
    alone = [group or f"\n{number}" for number, group in enumerate(groups)]
    folds = StratifiedGroupKFold(N_FOLDS)
    search = GridSearchCV(Pipeline(steps), {"classify__C": STRENGTHS}, scoring=_log_likelihood, cv=folds)
    return search.fit(features, labels, groups=alone)


def _log_likelihood(probe: Any, features: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean log-likelihood of the right classes, minus infinity where one was not learned."""
    scores = probe.decision_function(features)
    scores = np.column_stack([np.zeros(len(scores)), scores]) if scores.ndim == 1 else scores
    chosen = labels[:, None] == probe.classes_[None, :]
    return float(np.where(chosen, log_softmax(scores, axis=1), -np.inf).max(axis=1).mean())


def _pad(rows: Sequence[Sequence[int]], device: torch.device | str) -> torch.Tensor:
    padded = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = torch.as_tensor(values)
    return padded.to(device)
