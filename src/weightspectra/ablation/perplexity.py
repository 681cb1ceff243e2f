"""Perplexity of a causal model on windows of text, with standard errors over documents."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from weightspectra.activations.windows import Window

CHUNK = 512
"""Positions whose logits exist at the same time: 512 of 128k words in float32 take 262 MB."""


class DocumentScores(NamedTuple):
    """What a model gave each document.

    Attributes
    ----------
    documents : list of str
    n_tokens : ndarray of int, shape (n_documents,)
        Tokens scored.
    nll : ndarray of float64, shape (n_documents,)
        Their negative log-likelihood in nats.
    """

    documents: list[str]
    n_tokens: np.ndarray
    nll: np.ndarray

    @property
    def perplexity(self) -> float:
        """Perplexity per token, exp(sum of nll / number of tokens); infinite where float64 overflows."""
        with np.errstate(over="ignore"):
            return float(np.exp(self.nll.sum() / self.n_tokens.sum()))


def score(model: Any, windows: Sequence[Window], *, batch_size: int, device: torch.device | str) -> DocumentScores:
    """Score windows and add them up by document, in the order in which documents first appear."""
    nll = window_nll(model, windows, batch_size=batch_size, device=device)
    documents = list(dict.fromkeys(window.document for window in windows))
    number = {document: index for index, document in enumerate(documents)}
    owner = np.array([number[window.document] for window in windows])
    scored = np.array([window.n_scored for window in windows])
    n_tokens = np.bincount(owner, weights=scored, minlength=len(documents)).astype(np.int64)
    return DocumentScores(documents, n_tokens, np.bincount(owner, weights=nll, minlength=len(documents)))


def standard_error(scores: DocumentScores) -> float:
    """Return the standard error of a perplexity over documents; not a number if there is only one.

    Notes
    -----
    Perplexity is ``P = exp(R)`` with the ratio ``R = sum_d x_d / N`` of the
    documents' negative log-likelihoods ``x_d`` to their ``N = sum_d n_d``
    tokens. Documents are the independent units, tokens are not. To first order
    document d moves P by its influence ``z_d = P (x_d - R n_d) / N``, whose
    sum is zero, so that with D documents ``var(P) = D / (D - 1) sum_d z_d^2``.

    References
    ----------
    W. G. Cochran, Sampling Techniques (3rd ed., Wiley 1977), Eq. 6.13 (ratio
    estimator), with the delta method for the exponential.
    """
    return _error_of(_influence(scores))


def paired_standard_error(scores: DocumentScores, baseline: DocumentScores) -> float:
    """Return the standard error of the difference of two perplexities on the same documents.

    Notes
    -----
    The difference ``P1 - P0`` is moved by document d by ``z1_d - z0_d``, the
    difference of its two influences (see :func:`standard_error`), so that
    ``var(P1 - P0) = D / (D - 1) sum_d (z1_d - z0_d)^2``. What makes a document
    hard for both models cancels inside each term, which is why this is smaller
    than what two independent standard errors would give.

    Raises
    ------
    ValueError
        When the two were not scored on the same tokens of the same documents.
    """
    if scores.documents != baseline.documents or not np.array_equal(scores.n_tokens, baseline.n_tokens):
        raise ValueError("paired differences need the same documents and tokens on both sides")
    with np.errstate(invalid="ignore"):
        return _error_of(_influence(scores) - _influence(baseline))


def _influence(scores: DocumentScores) -> np.ndarray:
    total = scores.n_tokens.sum()
    ratio = scores.nll.sum() / total
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(scores.perplexity * (scores.nll - ratio * scores.n_tokens) / total)


def _error_of(influence: np.ndarray) -> float:
    count = len(influence)
    if count < 2:
        return float("nan")
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(count / (count - 1) * np.square(influence).sum()))


def window_nll(model: Any, windows: Sequence[Window], *, batch_size: int, device: torch.device | str) -> np.ndarray:
    """Return each window's negative log-likelihood over its scored tokens.

    Parameters
    ----------
    model : transformers causal language model
        In evaluation mode, on ``device``.
    windows : sequence of Window
        The last ``n_scored`` tokens of each are predicted from all before them.
    batch_size : int
        Windows per forward pass. It moves results in the sixth digit, because
        matrix products add up in another order, so compare only equal ones.
    device : torch device

    Returns
    -------
    ndarray of float64, shape (n_windows,)
        In nats, in the order of ``windows``.

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
    found = np.zeros(len(windows))
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            found[batch] = _batch_nll(model, [windows[index] for index in batch], device)
    return found


def _batch_nll(model: Any, batch: Sequence[Window], device: torch.device | str) -> np.ndarray:
    longest = max(len(window.input_ids) for window in batch)
    tokens = torch.zeros((len(batch), longest), dtype=torch.long)
    scored = torch.zeros((len(batch), longest - 1), dtype=torch.bool)
    for row, window in enumerate(batch):
        length = len(window.input_ids)
        tokens[row, :length] = torch.as_tensor(window.input_ids)
        scored[row, length - 1 - window.n_scored : length - 1] = True
    targets = tokens[:, 1:][scored].to(device)
    nll = [
        F.cross_entropy(logits.float(), wanted, reduction="none").double().cpu()
        for logits, wanted in zip(
            _logits(model, tokens[:, :-1].to(device), scored.to(device)), targets.split(CHUNK), strict=True
        )
    ]
    owner = scored.nonzero()[:, 0].numpy()
    return np.bincount(owner, weights=torch.cat(nll).numpy(), minlength=len(batch))


def _logits(model: Any, inputs: torch.Tensor, scored: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the logits of the scored positions, ``CHUNK`` positions at a time.

    The model's own ``forward`` is run twice around its decoder: once in full,
    with a decoder that keeps its hidden states to itself and hands an empty
    slice to the head, and then once for every chunk, with a decoder that hands
    over the chunk. So whatever the model does after its decoder (a cap or a
    scale on the logits) is done by its own code. A model that does not call
    its decoder as a whole gives all logits at once, and those are used.
    """
    decoder = model.get_decoder()
    run, outputs = decoder.forward, []

    def keep_hidden(*args: Any, **kwargs: Any) -> Any:
        output = run(*args, **kwargs)
        outputs.append(output)
        return _with_hidden(output, _hidden(output)[:, :0])

    with _forward_replaced(decoder, keep_hidden):
        answer = model(input_ids=inputs, use_cache=False)
    if not outputs:
        yield from answer.logits[scored].split(CHUNK)
        return
    (output,) = outputs
    for chunk in _hidden(output)[scored].split(CHUNK):
        with _forward_replaced(decoder, lambda *_, chunk=chunk, **__: _with_hidden(output, chunk[None])):
            yield model(input_ids=inputs[:1, :1], use_cache=False).logits[0]


@contextmanager
def _forward_replaced(module: torch.nn.Module, forward: Any) -> Iterator[None]:
    """Give one module another ``forward`` while a block runs."""
    own = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def _hidden(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output.last_hidden_state


def _with_hidden(output: Any, hidden: torch.Tensor) -> Any:
    if isinstance(output, tuple):
        return (hidden, *output[1:])
    return type(output)(**{**output, "last_hidden_state": hidden})
