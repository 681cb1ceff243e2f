"""Gradients of the simplified transformer, several times faster than by automatic differentiation.

The same numbers, up to rounding; what makes the difference:

- Embeddings, positions and the first layer's value and output maps never change, so that what layer 1 needs of a
  sequence are rows of small products of these with the trained maps. Gradients by queries are summed by token
  and by position before anything is multiplied with them.
- In layer 2 only scored positions need queries, and logits.
- The product U W_O^2 W_V^2 has as many rows as there are tokens: logits are read from it, and their gradients
  summed in its shape.
- Scores of what a whole block of queries may not look at are never computed.
- A few sequences at a time stay in a processor's cache.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from weightspectra.birth import blocked_attention
from weightspectra.birth.parameters import WEIGHTS
from weightspectra.models.bigram_transformer import BigramTransformer

if TYPE_CHECKING:
    from weightspectra.birth.gradients import Batch

N_SEQUENCES = {"cpu": 4, "cuda": 64}
"""Sequences at a time, by the type of device."""

BLOCK_1, BLOCK_2 = 64, 32
"""Queries in a block of layer 1, which has one at each position, and of layer 2."""


def can_differentiate(model: BigramTransformer, wanted: Collection[str]) -> bool:
    """Say whether :func:`sums` can be used for these parameters of a model."""
    config = model.config
    known = config.kind == "simplified" and config.feed_forward in ("none", "linear")
    return known and set(wanted) <= set(WEIGHTS.values())


def sums(model: BigramTransformer, batch: "Batch", wanted: Collection[str]) -> tuple[float, int, dict[str, Tensor]]:
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
        length, device = batch.inputs.shape[1], batch.inputs.device
        work = _Work(_Tables.of(weights, length, model.config.attention_scale), set(wanted))
        n_scored, order = batch.scored.sum(1).sort(descending=True, stable=True)
        size = N_SEQUENCES[device.type]
        for rows, counts in zip(order.split(size), n_scored.split(size), strict=True):
            if counts[0] > 0:
                queries = _Queries.of(batch.targets[rows], batch.scored[rows], counts)
                work.add(batch.inputs[rows], queries)
        return float(work.loss), int(work.n_right), work.gradients(weights)


class _Tables(NamedTuple):
    """Products of weights that hold for all sequences; of a pair the first is by token, the second by position.

    Maps are transposed where states, which are rows, are multiplied with them from the right.
    """

    states: tuple[Tensor, Tensor]
    queries: tuple[Tensor, Tensor]
    values: tuple[Tensor, Tensor]
    key_2: Tensor
    of_state: Tensor
    of_attended: Tensor
    scale: float

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], length: int, scale: float) -> "_Tables":
        token, position = weights["embedding.weight"], weights["positions.weight"][:length]
        key_1, key_2 = scale * weights[WEIGHTS["key_1"]], scale * weights[WEIGHTS["key_2"]]
        value_1 = (weights["layers.0.attention.output.weight"] @ weights["layers.0.attention.value.weight"]).T
        fed, unembedding = weights.get(WEIGHTS["feed_forward"]), weights["unembedding.weight"]
        of_state = unembedding if fed is None else unembedding + unembedding @ fed
        return cls(
            states=(token, position),
            queries=(token @ key_1, position @ key_1),
            values=(token @ value_1, position @ value_1),
            key_2=key_2,
            of_state=of_state,
            of_attended=of_state @ weights[WEIGHTS["output_2"]] @ weights["layers.1.attention.value.weight"],
            scale=scale,
        )


class _Queries(NamedTuple):
    """The scored positions of some sequences; those with fewer than others repeat their last one, without weight."""

    places: Tensor
    targets: Tensor
    is_real: Tensor

    @classmethod
    def of(cls, targets: Tensor, scored: Tensor, counts: Tensor) -> "_Queries":
        is_real = torch.arange(int(counts[0]), device=counts.device) < counts[:, None]
        places = torch.zeros(is_real.shape, dtype=torch.int64, device=counts.device)
        places[is_real] = scored.nonzero()[:, 1]
        places = torch.where(is_real, places, places.amax(1, keepdim=True))
        return cls(places, targets.gather(1, places), is_real)


class _Work:
    """What is summed over sequences."""

    def __init__(self, tables: _Tables, wanted: set[str]):
        self._tables, self._wanted = tables, wanted
        token, position = tables.states
        self._everywhere = blocked_attention.blocks(torch.arange(len(position), device=token.device)[None], BLOCK_1)
        self.loss = torch.zeros((), dtype=torch.float64, device=token.device)
        self.n_right = torch.zeros((), dtype=torch.int64, device=token.device)
        self._by_token, self._by_position = torch.zeros_like(token), torch.zeros_like(position)
        self._by_key_2 = torch.zeros_like(tables.key_2)
        self._by_state, self._by_attended = torch.zeros_like(tables.of_state), torch.zeros_like(tables.of_attended)

    def add(self, tokens: Tensor, asked: _Queries) -> None:
        """Go forwards and backwards through some sequences."""
        tables, needed = self._tables, {WEIGHTS["key_1"], WEIGHTS["key_2"]} & self._wanted
        states, queries, values = (_rows(pair, tokens) for pair in (tables.states, tables.queries, tables.values))
        mixed, weights = blocked_attention.attend(self._everywhere, queries, states, values)
        after = states + mixed

        flat = asked.places + len(tables.states[1]) * torch.arange(len(tokens), device=tokens.device)[:, None]
        here = after.flatten(0, 1)[flat]
        queries_2 = here @ tables.key_2
        cut = blocked_attention.blocks(asked.places, BLOCK_2)
        attended, weights_2 = blocked_attention.attend(cut, queries_2, after, after)
        by_logits = self._score(here, attended, asked)
        if not needed:
            return
        by_after = torch.zeros_like(after) if WEIGHTS["key_1"] in needed else None
        by_queries = blocked_attention.backward(
            cut, weights_2, (queries_2, after, after, attended), by_logits @ tables.of_attended, by_after
        )
        self._by_key_2 += here.flatten(0, 1).T @ by_queries.flatten(0, 1)
        if by_after is None:
            return
        by_here = by_logits @ tables.of_state + by_queries @ tables.key_2.T
        by_here *= asked.is_real[:, :, None]
        by_after.flatten(0, 1).index_add_(0, flat.flatten(), by_here.flatten(0, 1))
        forward = queries, states, values, mixed
        by_queries = blocked_attention.backward(self._everywhere, weights, forward, by_after)
        self._by_position += by_queries.sum(0)
        self._by_token += _summed_by(tokens, by_queries, len(self._by_token))

    def _score(self, here: Tensor, attended: Tensor, asked: _Queries) -> Tensor:
        """Add to the loss and to the gradients of the logits' tables; return the gradients by the logits."""
        logits = here @ self._tables.of_state.T + attended @ self._tables.of_attended.T
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

    def gradients(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the gradients of the loss by the weights."""
        tables, value_2 = self._tables, weights["layers.1.attention.value.weight"]
        token, position = tables.states
        by_attended = self._by_attended @ value_2.T
        found = {
            WEIGHTS["key_1"]: tables.scale * (token.T @ self._by_token + position.T @ self._by_position),
            WEIGHTS["key_2"]: tables.scale * self._by_key_2,
            WEIGHTS["output_2"]: tables.of_state.T @ by_attended,
        }
        if WEIGHTS["feed_forward"] in self._wanted:
            by_logits = self._by_state + by_attended @ weights[WEIGHTS["output_2"]].T
            found[WEIGHTS["feed_forward"]] = weights["unembedding.weight"].T @ by_logits
        return {name: gradient for name, gradient in found.items() if name in self._wanted}


def _rows(pair: tuple[Tensor, Tensor], tokens: Tensor) -> Tensor:
    """Return the sums of the rows of tokens and of their positions."""
    by_token, by_position = pair
    return torch.embedding(by_token, tokens).add_(by_position)


def _summed_by(tokens: Tensor, values: Tensor, n_tokens: int) -> Tensor:
    """Return the sum of the values that stand at each token."""
    return torch.ops.aten.embedding_dense_backward(values, tokens, n_tokens, -1, False)
