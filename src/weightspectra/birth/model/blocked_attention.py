"""Causal attention of chosen positions, forwards and backwards, a block of queries at a time."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class QueryBlock(NamedTuple):
    """Some of the queries of each sequence, and what they may look at.

    Attributes
    ----------
    queries : slice
        Their numbers.
    n_keys : int
        Positions up to the last that any of them may look at.
    first : int
        All of them may look at what stands before this position.
    hidden : Tensor of bool, shape (n, n_queries, n_keys - first)
        What of the rest each may not look at.
    """

    queries: slice
    n_keys: int
    first: int
    hidden: Tensor


def blocks(places: Tensor, size: int) -> list[QueryBlock]:
    """Cut queries into blocks.

    Parameters
    ----------
    places : Tensor of int64, shape (n, n_queries)
        The position of each query in its sequence, rising; it may look at those up to itself.
    size : int
        Queries in a block.
    """
    found = []
    for start in range(0, places.shape[1], size):
        here = places[:, start : start + size]
        first, n_keys = int(here.min()), int(here.max()) + 1
        hidden = torch.arange(first, n_keys) > here[:, :, None]
        found.append(QueryBlock(slice(start, start + here.shape[1]), n_keys, first, hidden))
    return found


def attend(cut: list[QueryBlock], queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return what attention finds for each query, and the weights of each block for :func:`backward`.

    Parameters
    ----------
    cut : list of QueryBlock
    queries : Tensor of shape (n, n_queries, d)
        Already scaled: the scores are their inner products with the keys.
    keys, values : Tensor of shape (n, T, d)

    Returns
    -------
    found : Tensor of shape (n, n_queries, d)
    weights : list of Tensor
    """
    found, weights = torch.empty_like(queries), []
    for block in cut:
        scores = queries[:, block.queries] @ keys[:, : block.n_keys].transpose(1, 2)
        scores[:, :, block.first :].masked_fill_(block.hidden, -math.inf)
        weights.append(torch.softmax(scores, 2))
        found[:, block.queries] = weights[-1] @ values[:, : block.n_keys]
    return found, weights


def backward(
    cut: list[QueryBlock],
    weights: list[Tensor],
    forward: tuple[Tensor, Tensor, Tensor, Tensor],
    gradient: Tensor,
    by_states: Tensor | None = None,
) -> Tensor:
    """Return the gradient by the queries, given that by what :func:`attend` has found.

    Parameters
    ----------
    cut : list of QueryBlock
    weights : list of Tensor
    forward : tuple of Tensor
        Queries, keys, values and what was found.
    gradient : Tensor of shape (n, n_queries, d)
    by_states : Tensor of shape (n, T, d), optional
        If given, the gradients by keys and by values are both added to it.

    Notes
    -----
    With ``A = softmax(S)`` and ``O = A V`` the gradient by the scores is
    ``dS = A * (dO V' - rowsum(dO * O))``: no sum over keys is needed.
    """
    queries, keys, values, found = forward
    by_queries = torch.empty_like(queries)
    mean = (gradient * found).sum(2, keepdim=True)
    for block, weight in zip(cut, weights, strict=True):
        rows, reach = block.queries, slice(block.n_keys)
        by_scores = gradient[:, rows] @ values[:, reach].transpose(1, 2)
        by_scores.sub_(mean[:, rows]).mul_(weight)
        by_queries[:, rows] = by_scores @ keys[:, reach]
        if by_states is not None:
            by_states[:, reach].baddbmm_(weight.transpose(1, 2), gradient[:, rows])
            by_states[:, reach].baddbmm_(by_scores.transpose(1, 2), queries[:, rows])
    return by_queries
