"""Which memories the weights of the simplified transformer hold.

Every matrix that it trains is probed as an associative memory: does it answer
each input with the output that the induction head needs? Rows of a weight are
the output (query) side, columns the input (key) side. Everything is computed in
float64 from the weights alone.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import log_softmax

from weightspectra.birth.model.parameters import WEIGHTS
from weightspectra.birth.probes.values import ProbeValue

Parameters = Mapping[str, np.ndarray]

EARLY = 64
"""Positions of the probe of early previous-token memories; these are learned first (arXiv 2306.00802, Section 5)."""


def recall(scores: np.ndarray) -> float:
    """Return the share of rows that are largest on the diagonal.

    Parameters
    ----------
    scores : ndarray of shape (n, n)
        Row i scores the candidates of input i, and candidate i is right.

    Notes
    -----
    ``R(W) = (1 / |M|) sum over (i, j) in M of 1[i = argmax_i' w_i'^T W u_j]``
    (arXiv 2306.00802, Section 5). Gaussian weights are right for one in n, on
    average over weights, whatever the embeddings.
    """
    return float((scores.argmax(axis=1) == np.arange(len(scores))).mean())


def weight_probes(
    parameters: Parameters, conditional: np.ndarray, frequencies: np.ndarray, triggers: np.ndarray | None
) -> list[ProbeValue]:
    """Return all probes of the weights of one simplified transformer.

    Parameters
    ----------
    parameters : mapping from str to ndarray
        By name, frozen ones included.
    conditional : ndarray of shape (n_tokens, n_tokens)
        Row i: the distribution of what follows token i.
    frequencies : ndarray of shape (n_tokens,)
        The distribution of tokens.
    triggers : ndarray of int, shape (n_triggers,), or None
        Those of all sequences; None if they are drawn for each.
    """
    weights = {name: np.asarray(values, dtype=np.float64) for name, values in parameters.items()}
    n_tokens = len(weights["embedding.weight"])
    keys = np.arange(n_tokens) if triggers is None else triggers
    scores = {"recall_output": output_scores(weights)}
    if WEIGHTS["feed_forward"] in weights:
        scores["recall_output_corrected"] = output_scores(weights, corrected=True)
    scores["recall_key_2"] = second_key_scores(weights, keys)
    first = first_key_scores(weights)
    scores |= {"recall_key_1": first, "recall_key_1_early": first[: EARLY - 1, : EARLY - 1]}
    probes = [ProbeValue(name, recall(found), len(found), chance=1 / len(found)) for name, found in scores.items()]
    left = np.setdiff1d(np.arange(n_tokens), [] if triggers is None else triggers)
    return probes + _divergence_probes(weights, conditional, frequencies, left)


def output_scores(weights: Parameters, *, corrected: bool = False) -> np.ndarray:
    """Return how strongly W_O^2 answers each attended token (rows) with each token (columns).

    ``w_U(j)^T W_O^2 W_V^2 w_E(k)`` for row k and column j. What the second layer writes
    also passes a linear map W_F after it, so that in such a model tokens are read out along
    ``(I + W_F)^T w_U(j)``; ``corrected`` puts that in place of ``w_U(j)``.
    """
    written = _embedded(weights, weights["embedding.weight"], layer=1)
    if corrected:
        written = written + written @ weights[WEIGHTS["feed_forward"]].T
    return written @ weights["unembedding.weight"].T


def second_key_scores(weights: Parameters, tokens: np.ndarray) -> np.ndarray:
    """Return how strongly the second layer at each of some tokens (rows) seeks what follows each of them (columns).

    ``w_E(k)^T W_K^2 w_1(k')`` for row k and column k', where ``w_1(k) = W_O^1 W_V^1 w_E(k)`` is what
    the first layer writes where it attends token k.
    """
    queries = weights["embedding.weight"][tokens]
    keys = _embedded(weights, queries, layer=0)
    return queries @ weights[WEIGHTS["key_2"]] @ keys.T


def first_key_scores(weights: Parameters) -> np.ndarray:
    """Return how strongly the first layer at each position but the first (rows) seeks each but the last (columns).

    ``p_t^T W_K^1 p_s``; the right answer to ``t`` is ``s = t - 1``, on the diagonal. Later positions
    are candidates too, although attention never sees them.
    """
    positions = weights["positions.weight"]
    return positions[1:] @ weights[WEIGHTS["key_1"]] @ positions[:-1].T


def divergences(weights: Parameters, conditional: np.ndarray, tokens: np.ndarray) -> np.ndarray | None:
    """Return how far what W_F alone predicts is from what follows each of some tokens, in nats.

    ``KL(pi_b(.|i) || softmax(W_U F(w_E(i))))``, F being the linear map or the perceptron
    without the residual stream beside it; None if there is neither.
    """
    written = _fed_forward(weights, weights["embedding.weight"][tokens])
    if written is None:
        return None
    logits = written @ weights["unembedding.weight"].T
    return _divergence(conditional[tokens], log_softmax(logits, axis=1))


def _divergence_probes(
    weights: Parameters, conditional: np.ndarray, frequencies: np.ndarray, tokens: np.ndarray
) -> list[ProbeValue]:
    """Return the mean divergence over tokens that are no fixed triggers, all alike and weighted by frequency."""
    found = divergences(weights, conditional, tokens)
    if found is None:
        return []
    weighting = {"divergence_bigram": None, "divergence_bigram_weighted": frequencies[tokens]}
    return [ProbeValue(name, float(np.average(found, weights=by)), len(tokens)) for name, by in weighting.items()]


def _divergence(target: np.ndarray, log_predicted: np.ndarray) -> np.ndarray:
    """Return KL(target || predicted) of each row, 0 log 0 being 0."""
    # Not by scipy.special.rel_entr, which takes the predicted shares themselves: they underflow.
    log_target = np.log(target, out=np.zeros_like(target), where=target > 0)
    return (target * (log_target - log_predicted)).sum(axis=1)


def _embedded(weights: Parameters, inputs: np.ndarray, layer: int) -> np.ndarray:
    """Return what a layer writes where it attends the inputs, one per row: ``W_O W_V x``."""
    attention = f"layers.{layer}.attention"
    return inputs @ weights[f"{attention}.value.weight"].T @ weights[f"{attention}.output.weight"].T


def _fed_forward(weights: Parameters, inputs: np.ndarray) -> np.ndarray | None:
    feed_forward = "layers.1.feed_forward"
    if WEIGHTS["feed_forward"] in weights:
        return inputs @ weights[WEIGHTS["feed_forward"]].T
    if f"{feed_forward}.up.weight" in weights:
        hidden = np.maximum(inputs @ weights[f"{feed_forward}.up.weight"].T, 0)
        return hidden @ weights[f"{feed_forward}.down.weight"].T
    return None
