"""Perplexity of a causal model on windows of text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from weightspectra.ablation.measure.metrics import Measurement
from weightspectra.ablation.measure.positions import NOT_IN_WINDOWS, octave, profile, scored_by_octave
from weightspectra.ablation.measure.prefix import Prefix, forward_replaced
from weightspectra.ablation.measure.scored_text import has_words, words_and_bytes
from weightspectra.activations.windows import Window

CHUNK = 512
"""Positions whose logits exist at the same time: 512 of 128k words in float32 take 262 MB, and as much once more."""


class ScoredDocuments:
    """What a set of windows scores of each document: tokens, words and bytes.

    Documents come in the order in which they first appear. Words and bytes are
    those of the scored tokens only (see :func:`weightspectra.ablation.measure.scored_text.words_and_bytes`),
    whether a document is scored as a whole or in part. A text without spaces has
    no words, and no metric that counts them.

    Parameters
    ----------
    windows : sequence of Window
    texts : mapping from document name to text
        At least the documents of the windows.
    tokenizer : transformers tokenizer
        One that cannot say where its tokens end (a slow one) gives tokens only.
    read : mapping
        How the windows were cut: ``window``, ``stride`` and ``bos``, as in ``contracts.EVALUATIONS``.
    """

    def __init__(
        self, windows: Sequence[Window], texts: Mapping[str, str], tokenizer: Any, read: Mapping[str, Any] = {}
    ):
        self._read = {**NOT_IN_WINDOWS, **read}
        self.documents = list(dict.fromkeys(window.document for window in windows))
        number = {document: index for index, document in enumerate(self.documents)}
        self._owner = np.array([number[window.document] for window in windows])
        self._n_tokens = self.by_document([window.n_scored for window in windows])
        self._n_words, self._n_bytes = np.zeros((2, len(self.documents)))
        if tokenizer.is_fast:
            held = {document: words_and_bytes(texts[document], tokenizer) for document in self.documents}
            parted = has_words([texts[document] for document in self.documents])
            for window in windows:
                scored = slice(window.first_scored, window.first_scored + window.n_scored)
                n_words, n_bytes = (int(counts[scored].sum()) for counts in held[window.document])
                self._n_words[number[window.document]] += n_words if parted else 0
                self._n_bytes[number[window.document]] += n_bytes

    def by_document(self, amounts: Sequence[float] | np.ndarray) -> np.ndarray:
        """Add up amounts of windows, shape (n_windows, ...), by document."""
        amounts = np.asarray(amounts, dtype=np.float64)
        found = np.zeros((len(self.documents), *amounts.shape[1:]))
        np.add.at(found, self._owner, amounts)
        return found

    def measurements(
        self, nll: np.ndarray, prefix: str = "", profile: Mapping[str, Sequence[float]] = {}
    ) -> list[Measurement]:
        """Return perplexity per token and per word and bits per byte, as far as there are any of these.

        Parameters
        ----------
        nll : ndarray of shape (n_windows,)
            Negative log-likelihood of the windows' scored tokens, in nats.
        prefix : str
            What the names of the metrics begin with.
        profile : mapping
            Where in the windows the loss lies (:func:`weightspectra.ablation.measure.positions.profile`); goes
            with the first of the metrics.
        """
        kinds = {
            "perplexity_per_token": ("exp_ratio", self._n_tokens),
            "perplexity_per_word": ("exp_ratio", self._n_words),
            "bits_per_byte": ("bits_ratio", self._n_bytes),
        }
        values = self.by_document(nll)
        return [
            Measurement(
                *(f"{prefix}{name}", statistic, False, "document", self.documents, values, weights),
                read={**self._read, **(profile if weights is self._n_tokens else {})},
            )
            for name, (statistic, weights) in kinds.items()
            if weights.sum()
        ]


class Perplexity:
    """Perplexity per token and per word, and bits per byte, of a causal model.

    Parameters
    ----------
    windows : sequence of Window
        As ``windows.evaluation_windows`` cuts them.
    texts : mapping from document name to text
    tokenizer : transformers tokenizer
    batch_size : int
        Windows per forward pass.
    first_layers : sequence of int
        The ``first_layer`` of measurements to come, for :class:`Prefix`.
    read : mapping
        As for :class:`ScoredDocuments`.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        texts: Mapping[str, str],
        tokenizer: Any,
        *,
        batch_size: int,
        first_layers: Sequence[int] = (),
        read: Mapping[str, Any] = {},
    ):
        self._windows, self._batch_size = windows, batch_size
        self._documents = ScoredDocuments(windows, texts, tokenizer, read)
        self._n_scored = self._documents.by_document(scored_by_octave(windows))
        self._prefix = Prefix(first_layers)

    def measure(self, model: Any, first_layer: int = 0) -> list[Measurement]:
        """Score all windows; what the blocks before ``first_layer`` compute is kept for the next call."""
        nll, by_octave = window_losses(
            model, self._windows, batch_size=self._batch_size, prefix=self._prefix, first_layer=first_layer
        )
        losses = profile(self._documents.by_document(by_octave), self._n_scored)
        return self._documents.measurements(nll, profile=losses)


def window_nll(model: Any, windows: Sequence[Window], **options: Any) -> np.ndarray:
    """Return the first of what :func:`window_losses` does."""
    return window_losses(model, windows, **options)[0]


def window_losses(
    model: Any, windows: Sequence[Window], *, batch_size: int, prefix: Prefix | None = None, first_layer: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the negative log-likelihood of scored tokens: of each window, and of each octave of positions in it.

    Parameters
    ----------
    model : transformers causal language model
        In evaluation mode.
    windows : sequence of Window
        The last ``n_scored`` tokens of each are predicted from all before them.
    batch_size : int
        Windows per forward pass. It moves results in the sixth digit, because
        matrix products add up in another order, so compare only equal ones.
    prefix : Prefix, optional
        Keeps what the blocks before ``first_layer`` compute.
    first_layer : int
        No block before it has changed since the first call with this prefix.

    Returns
    -------
    of_windows : ndarray of float64, shape (n_windows,)
        In nats, in the order of ``windows``.
    by_octave : ndarray of float64, shape (n_windows, n_octaves)
        The same, divided by :func:`weightspectra.ablation.measure.positions.octave`.

    Notes
    -----
    Windows are sorted by length (longest first, ties in their order) and cut
    into batches, so that what shares a batch depends on nothing but the
    windows. Short ones are padded on the right, where a causal model does not
    look. The model runs as far as its last hidden states; only scored positions
    go on through its own head, ``CHUNK`` at a time, so that the logits of a
    large vocabulary never exist for a whole batch. Log-probabilities are float32
    from logits of any format, and add up in float64.
    """
    order = sorted(range(len(windows)), key=lambda index: -len(windows[index].input_ids))
    n_octaves = 1 + int(octave(np.array(max(len(window.input_ids) for window in windows) - 1)))
    found, by_octave = np.zeros(len(windows)), np.zeros((len(windows), n_octaves))
    kept = prefix or Prefix()
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            rows, positions, nll = _batch_nll(model, [windows[index] for index in batch], kept, start, first_layer)
            found[batch] = np.bincount(rows, nll, minlength=len(batch))
            places = rows * n_octaves + octave(positions)
            by_octave[batch] = np.bincount(places, nll, minlength=len(batch) * n_octaves).reshape(-1, n_octaves)
    return found, by_octave


def _batch_nll(
    model: Any, batch: Sequence[Window], prefix: Prefix, number: int, first_layer: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each scored token of a batch the number of its window, its position there, and its loss."""
    longest = max(len(window.input_ids) for window in batch)
    tokens = torch.zeros((len(batch), longest), dtype=torch.long)
    scored = torch.zeros((len(batch), longest - 1), dtype=torch.bool)
    for row, window in enumerate(batch):
        length = len(window.input_ids)
        tokens[row, :length] = torch.as_tensor(window.input_ids)
        scored[row, length - 1 - window.n_scored : length - 1] = True
    device = next(model.parameters()).device
    targets = tokens[:, 1:][scored].to(device)
    decoded = _Decoded(model, tokens[:, :-1].to(device))
    hidden = prefix.run(model, number, first_layer, decoded.run)
    nll = [
        F.cross_entropy(logits.float(), wanted, reduction="none").double().cpu()
        for logits, wanted in zip(decoded.logits(hidden[scored.to(device)]), targets.split(CHUNK), strict=True)
    ]
    rows, before = scored.nonzero().numpy().T
    return rows, before + 1, torch.cat(nll).numpy()


class _Decoded:
    """One batch in a model, in two steps: to the last hidden states, and from some of these to their logits.

    The model's own ``forward`` is run twice around its decoder: once in full,
    with a decoder that keeps its hidden states to itself and hands an empty
    slice to the head, and then once for every chunk, with a decoder that hands
    over the chunk. So whatever the model does after its decoder (a cap or a
    scale on the logits) is done by its own code. A model that does not call
    its decoder as a whole gives all logits at once, and those are used.
    """

    def __init__(self, model: Any, inputs: torch.Tensor):
        self._model, self._inputs = model, inputs
        self._output: Any = None

    def run(self) -> torch.Tensor:
        """Return the last hidden states (or the logits) of all positions."""
        decoder = self._model.get_decoder()
        own = decoder.forward

        def keep_hidden(*args: Any, **kwargs: Any) -> Any:
            self._output = own(*args, **kwargs)
            return with_hidden(self._output, hidden_of(self._output)[:, :0])

        with forward_replaced(decoder, keep_hidden):
            answer = self._model(input_ids=self._inputs, use_cache=False)
        return answer.logits if self._output is None else hidden_of(self._output)

    def logits(self, hidden: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the logits of hidden states of shape (n_positions, n_hidden), ``CHUNK`` positions at a time."""
        decoder, output = self._model.get_decoder(), self._output
        for chunk in hidden.split(CHUNK):
            if output is None:
                yield chunk
                continue
            with forward_replaced(decoder, lambda *_, chunk=chunk, **__: with_hidden(output, chunk[None])):
                yield self._model(input_ids=self._inputs[:1, :1], use_cache=False).logits[0]


def hidden_of(output: Any) -> torch.Tensor:
    """Return the hidden states in what a decoder or an encoder returns."""
    return output[0] if isinstance(output, tuple) else output.last_hidden_state


def with_hidden(output: Any, hidden: torch.Tensor) -> Any:
    """Return the same with other hidden states."""
    if isinstance(output, tuple):
        return (hidden, *output[1:])
    return type(output)(**{**output, "last_hidden_state": hidden})
