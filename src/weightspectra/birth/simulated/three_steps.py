r"""The theorem of three gradient steps, as far as it can be tried: W_O^2, then W_K^2, then W_K^1, each from zero.

The task: T uniform tokens, the last one a trigger q that occurred once before, though not first; what followed it then
is the target. The transformer is the simplified one with

.. math:: h_t = x_t + \Phi \sum_s a_{ts} x_s, \quad x_t = w_E(z_t) + p_t, \quad \Phi = W_O^1 W_V^1,

.. math:: \mathrm{logits} = W_U W_O^2 W_V^2 \sum_t b_t h_t, \quad a_t = \mathrm{softmax}(x_t^T W_K^1 x_s), \quad
          b = \mathrm{softmax}(h_T^T W_K^2 h_t),

both causal, without the residual of the last layer, the loss being taken at the last token only.

With D the rows :math:`w_E, p, \Phi w_E, \Phi p`, which are 2(N + T), whatever gradient descent does from zero is
:math:`W_K^2 = D^T A D`, so that all is computed from coefficients A and the Gram matrices of embeddings; the cost
does not depend on the dimension, and orthonormal embeddings need none.

References
----------
Bietti et al., arXiv 2306.00802, Section 6 and its appendix.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from weightspectra.birth.probes.recalls import recall
from weightspectra.birth.simulated.associative_memory import embeddings, overlap_variances

CHUNK = 256
"""Sequences at once: their arrays stay in the processor's cache."""


class Sample(NamedTuple):
    """Sequences of the task.

    Attributes
    ----------
    tokens : ndarray of int, shape (n, T)
    targets : ndarray of int, shape (n,)
    answers : ndarray of int, shape (n,)
        Where the target stands, counted from 0.
    """

    tokens: np.ndarray
    targets: np.ndarray
    answers: np.ndarray


def draw(n: int, n_tokens: int, length: int, rng: np.random.Generator) -> Sample:
    """Draw n sequences of a given length.

    Other tokens than the trigger are uniform and never the trigger. That is never the first token, which sees but
    itself and would seem to have followed itself.
    """
    trigger = rng.integers(n_tokens, size=n)
    tokens = rng.integers(n_tokens - 1, size=(n, length))
    tokens += tokens >= trigger[:, None]
    answers = 2 + rng.integers(length - 3, size=n)
    tokens[np.arange(n), answers - 1] = trigger
    tokens[:, -1] = trigger
    return Sample(tokens, tokens[np.arange(n), answers], answers)


class Tables(NamedTuple):
    """One number for each pair of directions of each trained matrix: scores, or coefficients of sums of outer products.

    Attributes
    ----------
    output_2 : ndarray of shape (N, 2 (N + T))
        W_O^2: rows w_U, columns W_V^2 D.
    key_2 : ndarray of shape (2 (N + T), 2 (N + T))
        W_K^2: rows (queries) and columns (keys) D.
    key_1 : ndarray of shape (N + T, N + T)
        W_K^1: w_E and p on both sides.
    """

    output_2: np.ndarray
    key_2: np.ndarray
    key_1: np.ndarray

    @classmethod
    def zero(cls, n_tokens: int, length: int) -> "Tables":
        """Return those of matrices that are zero."""
        n = n_tokens + length
        return cls(np.zeros((n_tokens, 2 * n)), np.zeros((2 * n, 2 * n)), np.zeros((n, n)))


def memories(tables: Tables) -> Tables:
    """Return the blocks of the induction head's memories, each of them on its diagonal.

    Tokens out by tokens in; queries' tokens by the first layer's tokens; positions that can hold an answer, which are
    all but two at the beginning and one at the end, by those before them.
    """
    n_tokens, n = len(tables.output_2), len(tables.key_1)
    return Tables(
        tables.output_2[:, :n_tokens],
        tables.key_2[:n_tokens, n : n + n_tokens],
        tables.key_1[n_tokens + 2 : -1, n_tokens + 1 : -2],
    )


def memories_alone(tables: Tables) -> Tables:
    """Return the tables with zeros everywhere but in the blocks of :func:`memories`."""
    kept = Tables(*map(np.zeros_like, tables))
    for block, found in zip(memories(kept), memories(tables), strict=True):
        block[...] = found
    return kept


@dataclass(frozen=True, eq=False)
class GramMatrices:
    """Gram matrices of embeddings: of w_U, of D, and of W_V^2 D."""

    outputs: np.ndarray
    directions: np.ndarray
    values: np.ndarray

    @classmethod
    def orthonormal(cls, n_tokens: int, length: int) -> "GramMatrices":
        """Return those of embeddings that do not interfere."""
        return cls(np.eye(n_tokens), *[np.eye(2 * (n_tokens + length))] * 2)

    @classmethod
    def gaussian(cls, n_tokens: int, length: int, dimension: int, rng: np.random.Generator) -> "GramMatrices":
        """Draw embeddings, Phi and W_V^2, all of independent normal entries of variance 1/dimension."""
        outputs, first, second = (embeddings(n, dimension, rng) for n in (n_tokens, dimension, dimension))
        inputs = embeddings(n_tokens + length, dimension, rng)
        directions = np.concatenate([inputs, inputs @ first.T])
        values = directions @ second.T
        return cls(outputs @ outputs.T, directions @ directions.T, values @ values.T)

    def scores(self, coefficients: Tables) -> Tables:
        """Return the scores ``r^T W c`` of all pairs of directions, from the coefficients of the matrices."""
        inputs = self.directions[: len(coefficients.key_1), : len(coefficients.key_1)]
        return Tables(
            self.outputs @ coefficients.output_2 @ self.values,
            self.directions @ coefficients.key_2 @ self.directions,
            inputs @ coefficients.key_1 @ inputs,
        )


def direction_overlaps(n_inputs: int, dimension: int, scale: float, n_maps: int) -> np.ndarray:
    """Return the variances of the inner products of the directions x and Phi x, after more random maps.

    Parameters
    ----------
    n_inputs : int
        Number of the embeddings x, of length 1.
    dimension : int
    scale : float
        Length of Phi x.
    n_maps : int
        Maps with entries of variance 1/dimension that are applied to all directions, for example one W_V^2.

    Returns
    -------
    ndarray of shape (2 n_inputs, 2 n_inputs)

    Notes
    -----
    To leading order, unit vectors overlap with variance 1/d, and each random map that both pass adds as much; the
    variances of squared lengths are twice as large.
    """
    maps_of_both = np.kron([[0, 0], [0, 1]], np.ones((n_inputs, n_inputs)))
    lengths = np.repeat([1.0, scale], n_inputs)
    once = overlap_variances(2 * n_inputs, dimension)
    return (1 + n_maps + maps_of_both) * np.outer(lengths, lengths) ** 2 * once


class Forward(NamedTuple):
    """What the transformer makes of n sequences.

    Attributes
    ----------
    inputs : ndarray of shape (n, T, N + T)
        x in the directions w_E and p.
    first : ndarray of shape (n, T, T)
        Attention a; rows look at columns.
    hidden : ndarray of shape (n, T, 2 (N + T))
        h in the directions D.
    second : ndarray of shape (n, T)
        Attention b of the last token.
    mixture : ndarray of shape (n, 2 (N + T))
        What it attends.
    probabilities : ndarray of shape (n, N)
    """

    inputs: np.ndarray
    first: np.ndarray
    hidden: np.ndarray
    second: np.ndarray
    mixture: np.ndarray
    probabilities: np.ndarray


def forward(scores: Tables, tokens: np.ndarray) -> Forward:
    """Return what the transformer with these scores makes of sequences, tokens being of shape (n, T)."""
    n, length = tokens.shape
    positions = np.broadcast_to(np.eye(length), (n, length, length))
    inputs = np.concatenate([np.eye(len(scores.output_2))[tokens], positions], axis=-1)
    future = np.where(np.tri(length, dtype=bool), 0.0, -np.inf)
    first = softmax(inputs @ scores.key_1 @ inputs.transpose(0, 2, 1) + future, axis=-1)
    hidden = np.concatenate([inputs, first @ inputs], axis=-1)
    second = softmax(np.einsum("ntr,nr->nt", hidden, hidden[:, -1] @ scores.key_2), axis=-1)
    mixture = np.einsum("nt,ntr->nr", second, hidden)
    return Forward(inputs, first, hidden, second, mixture, softmax(mixture @ scores.output_2.T, axis=-1))


def gradients(scores: Tables, sample: Sample) -> Tables:
    """Return the coefficients of the gradients of the mean loss, in the same directions as the scores."""
    total = Tables(*map(np.zeros_like, scores))
    for start in range(0, len(sample.tokens), CHUNK):
        part = Sample(*(values[start : start + CHUNK] for values in sample))
        for summed, found in zip(total, _summed_gradients(scores, part), strict=True):
            summed += found
    return Tables(*(summed / len(sample.tokens) for summed in total))


def _summed_gradients(scores: Tables, sample: Sample) -> Tables:
    """Return the gradients of the summed loss, backwards through both layers."""
    found = forward(scores, sample.tokens)
    excess = found.probabilities.copy()
    excess[np.arange(len(excess)), sample.targets] -= 1
    by_mixture = excess @ scores.output_2
    by_second = _through_softmax(found.second, np.einsum("ntr,nr->nt", found.hidden, by_mixture))
    query = found.hidden[:, -1]
    key = np.einsum("nt,ntr->nr", by_second, found.hidden)
    by_hidden = found.second[:, :, None] * by_mixture[:, None]
    by_hidden += by_second[:, :, None] * (query @ scores.key_2)[:, None]
    by_hidden[:, -1] += key @ scores.key_2.T
    n_inputs = found.inputs.shape[-1]
    by_first = _through_softmax(found.first, by_hidden[:, :, n_inputs:] @ found.inputs.transpose(0, 2, 1))
    of_key_1 = found.inputs.reshape(-1, n_inputs).T @ (by_first @ found.inputs).reshape(-1, n_inputs)
    return Tables(excess.T @ found.mixture, query.T @ key, of_key_1)


def _through_softmax(shares: np.ndarray, by_shares: np.ndarray) -> np.ndarray:
    return shares * (by_shares - (shares * by_shares).sum(axis=-1, keepdims=True))


def step(overlaps: GramMatrices, scores: Tables, sample: Sample, matrix: str) -> Tables:
    """Return scores of which one matrix, zero so far, has made a gradient step of size 1."""
    coefficients = Tables(*(-found for found in gradients(scores, sample)))
    return scores._replace(**{matrix: getattr(overlaps.scores(coefficients), matrix)})


def scaled(scores: Tables, matrix: str, factor: float) -> Tables:
    """Return scores of which one matrix is multiplied by a factor."""
    return scores._replace(**{matrix: factor * getattr(scores, matrix)})


def stored(scores: Tables, matrix: str) -> float:
    """Return the mean score of a matrix's memories."""
    return float(getattr(memories(scores), matrix).diagonal().mean())


def recalled(scores: Tables, matrix: str) -> float:
    """Return the share of a matrix's memories that it recalls.

    W_O^2 has to choose the output for each input, W_K^2 the key for each query, and W_K^1 the position before each
    that can hold an answer, among all positions, later ones included.
    """
    block = getattr(memories(scores), matrix)
    if matrix == "output_2":
        block = block.T
    elif matrix == "key_1":
        n_tokens = len(scores.output_2)
        # The first position, the right one of none, goes to the end.
        block = np.roll(scores.key_1[n_tokens + 2 : -1, n_tokens:], -1, axis=1)
    return recall(block)


def behaviour(scores: Tables, sample: Sample) -> tuple[float, float]:
    """Return the share of sequences answered rightly, and of those whose last token looks most at the answer."""
    right, looks = [], []
    for start in range(0, len(sample.tokens), CHUNK):
        tokens, targets, answers = (values[start : start + CHUNK] for values in sample)
        found = forward(scores, tokens)
        right.append(found.probabilities.argmax(axis=1) == targets)
        looks.append(found.second.argmax(axis=1) == answers)
    return float(np.concatenate(right).mean()), float(np.concatenate(looks).mean())
