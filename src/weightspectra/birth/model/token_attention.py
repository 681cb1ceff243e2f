"""Causal attention in a first layer whose maps are all that is learned: scores are read from tables.

The states that enter it are sums of a token's embedding and a position's, ``x_t = E[z_t] + P_t``.
So the score of position s at t is a sum of four numbers, one each from

- token z_t and token z_s: ``E W E'``, of shape (N, N),
- token z_t and position s: ``E W P'``, of shape (N, T),
- position t and token z_s: ``P W E'``, of shape (T, N),
- positions t and s: ``P W P'``, of shape (T, T),

and the gradient by W follows from the gradients by these tables, which are sums over sequences. No
product with the width of the states is needed for either.
"""

import math

import torch
from torch import Tensor

BLOCK = 64
"""Positions of which scores are computed together, for the positions up to the last of them."""


class TokenAttention:
    """Attention that begins with tokens, forwards and backwards.

    Parameters
    ----------
    token : Tensor of shape (N, d)
        Embeddings.
    position : Tensor of shape (T, d)
        Of as many positions as sequences have.
    between : Tensor of shape (d, d)
        W above: from keys (columns) to queries (rows), the scale included.
    value : Tensor of shape (d, d)
        What weights are multiplied with is ``x value'``.
    """

    def __init__(self, token: Tensor, position: Tensor, between: Tensor, value: Tensor):
        self._token, self._position = token, position
        self._values = token @ value.T, position @ value.T
        by_token, by_position = token @ between, position @ between
        self._token_token, self._position_token = by_token @ token.T, by_position @ token.T
        later = torch.ones(len(position), len(position), dtype=torch.bool).triu(1)
        self._position_position = (by_position @ position.T).masked_fill_(later, -math.inf)
        token_position = by_token @ position.T
        stops = [min(start + BLOCK, len(position)) for start in range(0, len(position), BLOCK)]
        self._spans = [(slice(start, stop), slice(stop)) for start, stop in zip([0, *stops], stops, strict=False)]
        self._token_positions = [token_position[:, reach].contiguous() for _, reach in self._spans]
        self._by_token_token = torch.zeros_like(self._token_token)
        self._by_token_position = torch.zeros_like(token_position)
        self._by_position_token = torch.zeros_like(self._position_token)
        self._by_position_position = torch.zeros_like(self._position_position)

    def states(self, tokens: Tensor) -> Tensor:
        """Return what enters the layer, shape (n, T, d), of tokens of shape (n, T)."""
        return torch.embedding(self._token, tokens).add_(self._position)

    def values(self, tokens: Tensor) -> Tensor:
        """Return what the weights are multiplied with, shape (n, T, d)."""
        by_token, by_position = self._values
        return torch.embedding(by_token, tokens).add_(by_position)

    def attend(self, tokens: Tensor, values: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what attention finds at each position, and its weights for :meth:`backward`."""
        found, weights = torch.empty_like(values), []
        of_keys = torch.embedding(self._token_token, tokens).add_(self._position_token)
        for (rows, reach), token_position in zip(self._spans, self._token_positions, strict=True):
            scores = torch.embedding(token_position, tokens[:, rows])
            scores += self._position_position[rows, reach]
            scores += of_keys[:, rows].gather(2, _looked_at(tokens, rows, reach))
            weights.append(torch.softmax(scores, 2))
            found[:, rows] = weights[-1] @ values[:, reach]
        return found, weights

    def backward(self, tokens: Tensor, values: Tensor, found: Tensor, weights: list[Tensor], gradient: Tensor) -> None:
        """Add to the gradients by the tables what follows from the gradient by what :meth:`attend` has found.

        With ``A = softmax(S)`` and ``O = A V`` the gradient by the scores is ``dS = A * (dO V' - rowsum(dO * O))``.
        """
        n_tokens = len(self._token)
        for (rows, reach), weight in zip(self._spans, weights, strict=True):
            here, outer = tokens[:, rows], gradient[:, rows]
            mean = (outer * found[:, rows]).sum(2, keepdim=True)
            by_scores = (outer @ values[:, reach].transpose(1, 2)).sub_(mean).mul_(weight)
            by_key = by_scores.new_zeros(*here.shape, n_tokens)
            by_key.scatter_add_(2, _looked_at(tokens, rows, reach), by_scores)
            self._by_token_token += summed_by(here, by_key, n_tokens)
            self._by_token_position[:, reach] += summed_by(here, by_scores, n_tokens)
            self._by_position_token[rows] += by_key.sum(0)
            self._by_position_position[rows, reach] += by_scores.sum(0)

    def gradient(self) -> Tensor:
        """Return the gradient by ``between`` of all that was added."""
        by_token = self._by_token_token @ self._token + self._by_token_position @ self._position
        by_position = self._by_position_token @ self._token + self._by_position_position @ self._position
        return self._token.T @ by_token + self._position.T @ by_position


def summed_by(tokens: Tensor, values: Tensor, n_tokens: int) -> Tensor:
    """Return the sum of the values that stand at each token."""
    return torch.ops.aten.embedding_dense_backward(values, tokens, n_tokens, -1, False)


def _looked_at(tokens: Tensor, rows: slice, reach: slice) -> Tensor:
    return tokens[:, None, reach].expand(-1, rows.stop - rows.start, -1)
