"""Gradients of the simplified transformer, several times faster than by automatic differentiation.

The same numbers, up to rounding; what makes the difference:

- Embeddings, positions and the first layer's value and output maps never change, so that its scores and values are
  read from small tables (:mod:`weightspectra.birth.model.token_attention`).
- In layer 2 only scored positions need queries, and logits.
- The product U W_O^2 W_V^2 has as many rows as there are tokens: logits are read from it, and their gradients
  summed in its shape.
- Scores of what a whole block of queries may not look at are never computed.
- A few sequences at a time stay in a processor's cache.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from weightspectra.birth.model import blocked_attention
from weightspectra.birth.model.bigram_transformer import BigramTransformer
from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.model.token_attention import TokenAttention

N_SEQUENCES = 8
"""Sequences at a time."""

BLOCK = 32
"""Queries of layer 2 in a block."""


class Batch(NamedTuple):
    """Sequences to learn from, all of shape (n, T): inputs, targets, and which of these are scored."""

    inputs: Tensor
    targets: Tensor
    scored: Tensor


def can_differentiate(model: BigramTransformer, wanted: Collection[str]) -> bool:
    """Say whether :func:`sums` can be used for these parameters of a model: on a CPU, which it was written for."""
    config = model.config
    known = model.device.type == "cpu" and config.kind == "simplified" and config.feed_forward in ("none", "linear")
    return known and set(wanted) <= set(WEIGHTS.values())


def sums(model: BigramTransformer, batch: Batch, wanted: Collection[str]) -> tuple[float, int, dict[str, Tensor]]:
    """Return summed cross-entropy, right predictions and the gradients of the former.

    Parameters
    ----------
    model : BigramTransformer
        One that :func:`can_differentiate` knows.
    batch : Batch
    wanted : collection of str

    Notes
    -----
    With tokens z, embeddings E and positions P, both layers' scale in the maps
    W_K, and all vectors as rows, what is computed is::

        x_t = E[z_t] + P_t                      M_1 = W_O^1 W_V^1,  M_2 = W_O^2 W_V^2
        o_t = sum_s softmax_s(x_t W_K^1 x_s') x_s M_1'
        h_t = x_t + o_t
        a_t = sum_s softmax_s(h_t W_K^2 h_s') h_s
        logits_t = (h_t + a_t M_2') L'          L = U (1 + W_F)

    Of the logits' gradients g_t the sums ``G = sum_t g_t' a_t`` and ``F = sum_t g_t' h_t``
    give those by W_O^2, ``L' G (W_V^2)'``, and by W_F, ``U' (F + G M_2')``.
    """
    with torch.no_grad():
        weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
        work = _Work(weights, batch.inputs.shape[1], model.config.attention_scale, set(wanted))
        n_scored, order = batch.scored.sum(1).sort(descending=True, stable=True)
        for rows, counts in zip(order.split(N_SEQUENCES), n_scored.split(N_SEQUENCES), strict=True):
            if counts[0] > 0:
                work.add(batch.inputs[rows], _Queries.of(batch.targets[rows], batch.scored[rows], counts))
        return work.loss.item(), int(work.n_right), work.gradients()


class _Queries(NamedTuple):
    """The scored positions of some sequences; those with fewer than others repeat their last one, without weight."""

    places: Tensor
    targets: Tensor
    is_real: Tensor

    @classmethod
    def of(cls, targets: Tensor, scored: Tensor, counts: Tensor) -> "_Queries":
        """Gather what is scored of each sequence; ``counts`` fall, so that the first has most scored positions."""
        is_real = torch.arange(int(counts[0])) < counts[:, None]
        places = torch.zeros(is_real.shape, dtype=torch.int64)
        places[is_real] = scored.nonzero()[:, 1]
        places = torch.where(is_real, places, places.amax(1, keepdim=True))
        return cls(places, targets.gather(1, places), is_real)


class _Work:
    """What is summed over sequences."""

    def __init__(self, weights: Mapping[str, Tensor], length: int, scale: float, wanted: set[str]):
        self._weights, self._wanted, self._scale = weights, wanted, scale
        value_1 = weights["layers.0.attention.output.weight"] @ weights["layers.0.attention.value.weight"]
        token, position = weights["embedding.weight"], weights["positions.weight"][:length]
        self._first = TokenAttention(token, position, scale * weights[WEIGHTS["key_1"]], value_1)
        self._key_2 = scale * weights[WEIGHTS["key_2"]]
        fed, unembedding = weights.get(WEIGHTS["feed_forward"]), weights["unembedding.weight"]
        self._of_state = unembedding if fed is None else unembedding + unembedding @ fed
        self._of_attended = self._of_state @ weights[WEIGHTS["output_2"]] @ weights["layers.1.attention.value.weight"]
        self.loss, self.n_right = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
        self._by_key_2 = torch.zeros_like(self._key_2)
        self._by_state, self._by_attended = torch.zeros_like(unembedding), torch.zeros_like(unembedding)

    def add(self, tokens: Tensor, asked: _Queries) -> None:
        """Go forwards and backwards through some sequences."""
        values = self._first.values(tokens)
        mixed, weights = self._first.attend(tokens, values)
        after = self._first.states(tokens).add_(mixed)

        flat = asked.places + tokens.shape[1] * torch.arange(len(tokens))[:, None]
        here = torch.embedding(after.flatten(0, 1), flat)
        queries = here @ self._key_2
        cut = blocked_attention.blocks(asked.places, BLOCK)
        attended, weights_2 = blocked_attention.attend(cut, queries, after, after)
        by_logits = self._score(here, attended, asked)

        needed = {WEIGHTS["key_1"], WEIGHTS["key_2"]} & self._wanted
        if not needed:
            return
        by_after = torch.zeros_like(after) if WEIGHTS["key_1"] in needed else None
        by_queries = blocked_attention.backward(
            cut, weights_2, (queries, after, after, attended), by_logits @ self._of_attended, by_after
        )
        self._by_key_2 += here.flatten(0, 1).T @ by_queries.flatten(0, 1)
        if by_after is None:
            return
        by_here = by_logits @ self._of_state + by_queries @ self._key_2.T
        by_after.flatten(0, 1).index_add_(0, flat.flatten(), by_here.flatten(0, 1))
        self._first.backward(tokens, values, mixed, weights, by_after)

    def _score(self, here: Tensor, attended: Tensor, asked: _Queries) -> Tensor:
        """Add to the loss and to the gradients of the logits' tables; return the gradients by the logits."""
        logits = here @ self._of_state.T + attended @ self._of_attended.T
        logarithms, targets = logits.log_softmax(2), asked.targets[:, :, None]
        right = logarithms.gather(2, targets)[:, :, 0]
        self.loss -= right[asked.is_real].sum(dtype=torch.float64)
        self.n_right += (logits.argmax(2) == asked.targets)[asked.is_real].sum()
        by_logits = logarithms.exp_()
        by_logits.scatter_add_(2, targets, -torch.ones_like(targets, dtype=by_logits.dtype))
        by_logits *= asked.is_real[:, :, None]
        flat = by_logits.flatten(0, 1).T
        self._by_attended += flat @ attended.flatten(0, 1)
        if WEIGHTS["feed_forward"] in self._wanted:
            self._by_state += flat @ here.flatten(0, 1)
        return by_logits

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients of the summed loss by the wanted weights."""
        weights = self._weights
        by_attended = self._by_attended @ weights["layers.1.attention.value.weight"].T
        found = {WEIGHTS["output_2"]: self._of_state.T @ by_attended, WEIGHTS["key_2"]: self._scale * self._by_key_2}
        if WEIGHTS["key_1"] in self._wanted:
            found[WEIGHTS["key_1"]] = self._scale * self._first.gradient()
        if WEIGHTS["feed_forward"] in self._wanted:
            by_logits = self._by_state + by_attended @ weights[WEIGHTS["output_2"]].T
            found[WEIGHTS["feed_forward"]] = weights["unembedding.weight"].T @ by_logits
        return {name: gradient for name, gradient in found.items() if name in self._wanted}
