"""Which memories the bigram task stores in each matrix of the simplified transformer, and how to look for them.

A memory is a pair of directions: what the matrix should say (output, rows) to what it hears (input,
columns). W = sum_k c_k o_k i_k^T is the ideal; which o_k and i_k there are is known, because embeddings are frozen.

References
----------
Bietti et al., arXiv 2306.00802, Section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betaincc
from scipy.stats import beta

from weightspectra.birth.model.parameters import WEIGHTS

Parameters = Mapping[str, np.ndarray]

TOLERANCE = 1e-5
"""Relative singular value from which on directions that are stored in float32 count as independent."""

N_DIRECTIONS = 1000
"""Random directions behind a p-value of an alignment, which they leave with an error of some percent."""


@dataclass(frozen=True, eq=False)
class KnownMemories:
    """What one matrix should store.

    Attributes
    ----------
    outputs : ndarray of shape (n_outputs, n_out)
        Directions that it should write or ask with, one a row.
    inputs : ndarray of shape (n_inputs, n_in)
        Directions that it should read, one for each memory.
    target : ndarray of shape (n_outputs, n_inputs)
        How much of each output belongs to each input, up to a factor; NaN where nothing can be said.
        The identity where memories are pairs; columns sum to zero where outputs are relative.
    tokens : ndarray of shape (n_inputs,)
        Whose memories these are; empty if they are of positions.
    relative : bool
        Whether outputs compete, so that what is added to all of them alike is nothing: a softmax has no use for a
        logit that all tokens share.
    """

    outputs: np.ndarray
    inputs: np.ndarray
    target: np.ndarray
    tokens: np.ndarray
    relative: bool = False

    @property
    def n_memories(self) -> int:
        """Their number."""
        return len(self.inputs)

    @property
    def rank(self) -> int:
        """Of the largest matrix that they can fill: the smaller dimension of their two spaces."""
        return min(len(self.output_basis), len(self.input_basis))

    @cached_property
    def output_basis(self) -> np.ndarray:
        """Orthonormal rows that span the outputs, or their differences from the mean if they are relative."""
        return basis(self.outputs - self.outputs.mean(axis=0) if self.relative else self.outputs)

    @cached_property
    def input_basis(self) -> np.ndarray:
        """Orthonormal rows that span the inputs."""
        return basis(self.inputs)

    @cached_property
    def operator(self) -> np.ndarray:
        """The matrix that stores every memory with the same strength, of Frobenius norm 1; shape (n_out, n_in)."""
        made = self.outputs.T @ np.nan_to_num(self.target) @ self.inputs
        return made / np.linalg.norm(made)

    @property
    def separable(self) -> bool:
        """Whether each coefficient can be told from the others: all directions are independent."""
        return all(len(basis(directions)) == len(directions) for directions in (self.outputs, self.inputs))

    def coefficients(self, matrix: np.ndarray) -> np.ndarray:
        """Return how much of each pair of directions there is in a matrix.

        Parameters
        ----------
        matrix : ndarray of shape (n_out, n_in)

        Returns
        -------
        ndarray of shape (n_outputs, n_inputs)
            C with matrix = O^T C I as nearly as possible, by pseudo-inverses of the outputs O and the inputs I. Where
            more directions than dimensions leave that open, o^T matrix i / (|o|^2 |i|^2), in which other memories are
            heard as crosstalk.
        """
        exact = np.asarray(matrix, dtype=np.float64)
        if self.separable:
            return (
                np.linalg.pinv(self.outputs.T, rcond=TOLERANCE) @ exact @ np.linalg.pinv(self.inputs, rcond=TOLERANCE)
            )
        norms = (self.outputs**2).sum(axis=1)[:, None] * (self.inputs**2).sum(axis=1)
        return self.outputs @ exact @ self.inputs.T / norms

    def strengths(self, coefficients: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Compare coefficients with the target.

        Parameters
        ----------
        coefficients : ndarray of shape (n_outputs, n_inputs)
            Of :meth:`coefficients`.

        Returns
        -------
        strengths : ndarray of shape (n_inputs,)
            How many times its target each memory is stored: the diagonal, if memories are pairs. NaN for those of
            whose outputs the target prefers none.
        noise : float
            Root mean square of the rest, which is of no memory; NaN if there is no rest.
        correlation : float
            Of coefficients and target over all pairs of directions; NaN if one is the same everywhere.

        Notes
        -----
        Where outputs are relative, coefficients are taken from their mean over those of which the target tells.
        """
        told = np.isfinite(self.target)
        target = np.where(told, self.target, 0)
        found = np.where(told, coefficients, 0)
        if self.relative:
            found = np.where(told, found - found.sum(axis=0) / told.sum(axis=0), 0)
        energies = (target**2).sum(axis=0)
        strengths = np.divide(
            (found * target).sum(axis=0), energies, out=np.full(len(energies), np.nan), where=energies > 0
        )
        n_others = told.sum() - np.count_nonzero(energies)
        rest = ((found - target * np.nan_to_num(strengths))[told] ** 2).sum()
        noise = float(np.sqrt(rest / n_others)) if n_others else np.nan
        if not (np.ptp(found[told]) and np.ptp(target[told])):
            return strengths, noise, np.nan
        return strengths, noise, float(np.corrcoef(found[told], target[told])[0, 1])


def basis(directions: np.ndarray) -> np.ndarray:
    """Return orthonormal rows that span the given rows."""
    _, values, rows = np.linalg.svd(np.asarray(directions, dtype=np.float64), full_matrices=False)
    return rows[values > TOLERANCE * values[0]]


def space_p_values(found: np.ndarray, dimension: int, n_components: int) -> np.ndarray:
    """Return the probability that a random direction has as large a share in a space of some dimension.

    Notes
    -----
    The share is the sum of ``dimension`` of the N squared components of a point of
    the unit sphere: it follows Beta(dimension / 2, (N - dimension) / 2). NaN where the space is everything.
    """
    if dimension >= n_components:
        return np.full(np.shape(found), np.nan)
    return beta.sf(found, dimension / 2, (n_components - dimension) / 2)


def alignments(left: np.ndarray, right: np.ndarray, operator: np.ndarray) -> np.ndarray:
    """Return u^T M v for pairs of unit vectors u and v (rows) and a matrix M: how far they associate as it does."""
    return np.einsum("ki,ki->k", left @ operator, right)


def alignment_p_values(found: np.ndarray, operator: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the probability that a random pair of directions is aligned as much with a matrix M.

    Notes
    -----
    Given v, u^T M v is |M v| times a component of a random direction, whose square follows Beta(1/2, (n_out - 1) / 2).
    The probability is its mean over ``N_DIRECTIONS`` random v, which keeps the long tails that an M of low rank has.
    """
    n_out, n_in = operator.shape
    draws = rng.standard_normal((N_DIRECTIONS, n_in))
    lengths = np.linalg.norm(draws @ operator.T, axis=1) / np.linalg.norm(draws, axis=1)
    components = np.minimum(np.abs(found)[:, None] / lengths, 1)
    beyond = betaincc(0.5, (n_out - 1) / 2, components**2).mean(axis=1) / 2
    return np.where(found > 0, beyond, 1 - beyond)


def of_matrices(
    parameters: Parameters, conditional: np.ndarray, triggers: np.ndarray | None
) -> dict[str, KnownMemories]:
    """Return the memories of every matrix that the simplified transformer trains.

    Parameters
    ----------
    parameters : mapping from str to ndarray
        All parameters of one checkpoint, by name. Where a linear W_F follows, what W_O^2 has to say depends on it.
    conditional : ndarray of shape (N, N)
        Row i: the distribution of what follows token i.
    triggers : ndarray of int, shape (K,), or None
        Those of all sequences; None if they are drawn for each.

    Returns
    -------
    dict from str to KnownMemories
        By the names of ``birth.parameters.WEIGHTS``, in their order.

    Notes
    -----
    With w_1(k) = W_O^1 W_V^1 w_E(k) for what the first layer writes where it attends token k:

    - W_O^2: w_U(k) (W_V^2 w_E(k))^T for every token. Outputs are relative: gradients of a softmax's loss sum to
      zero over them, so that what is learned has a rank of N - 1 at most. A linear W_F makes them (1 + W_F)^T w_U(k).
    - W_K^2: w_E(k) w_1(k)^T for every trigger (every token, if any can be a trigger).
    - W_K^1: p_t p_(t-1)^T for every position but the first.
    - W_F: sum_j log pi_b(j|i) w_U(j) w_E(i)^T for every token i, relative as well.
    """
    exact = {name: np.asarray(values, dtype=np.float64) for name, values in parameters.items()}
    embedding, positions = exact["embedding.weight"], exact["positions.weight"]
    every = np.arange(len(embedding))
    sought = every if triggers is None else np.asarray(triggers)
    unembedding = exact["unembedding.weight"]
    read_out = unembedding
    if WEIGHTS["feed_forward"] in exact:
        read_out = unembedding + unembedding @ exact[WEIGHTS["feed_forward"]]
    first = embedding @ _through(exact, 0).T
    centring = np.eye(len(every)) - 1 / len(every)
    found = {
        "output_2": KnownMemories(
            read_out, embedding @ exact["layers.1.attention.value.weight"].T, centring, every, True
        ),
        "key_2": KnownMemories(embedding[sought], first[sought], np.eye(len(sought)), sought),
        "key_1": KnownMemories(positions[1:], positions[:-1], np.eye(len(positions) - 1), every[:0]),
    }
    if WEIGHTS["feed_forward"] in exact:
        found["feed_forward"] = KnownMemories(unembedding, embedding, _log_odds(conditional), every, True)
    return found


def _through(weights: Parameters, layer: int) -> np.ndarray:
    attention = f"layers.{layer}.attention"
    return weights[f"{attention}.output.weight"] @ weights[f"{attention}.value.weight"]


def _log_odds(conditional: np.ndarray) -> np.ndarray:
    """Return log pi_b(j|i) at (j, i), its mean over the j that occur taken off; NaN for those that do not."""
    logs = np.log(conditional.T, out=np.full(conditional.T.shape, np.nan), where=conditional.T > 0)
    return logs - np.nanmean(logs, axis=0)
