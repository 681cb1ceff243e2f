r"""Associative memories that are sums of outer products, and how much of them interference leaves.

.. math:: W = \sum_k c_k w_k u_k^T

answers the input :math:`u_k` with the output :math:`w_k` if :math:`w_k^T W u_k` exceeds
:math:`w_i^T W u_k` for every other i. With orthonormal embeddings it always does. Random ones in d dimensions
overlap by :math:`1 / \sqrt d`, and N memories disturb each other the more, the larger :math:`N \ln N / d^2` is.

References
----------
Bietti et al., arXiv 2306.00802, Section 4. The formulas for the interference and for the recall are derived here;
their errors are in the notes.
"""

from typing import Any

import numpy as np
from scipy.special import log_ndtr

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS /= WEIGHTS.sum()
"""Quadrature over a normal variable; twice as many nodes change no predicted recall by more than 0.001."""


def embeddings(n: int, dimension: int, rng: np.random.Generator, *, orthonormal: bool = False) -> np.ndarray:
    """Draw embeddings, one a row: independent normal entries of variance 1/dimension, or orthonormal rows.

    Raises
    ------
    ValueError
        When more than ``dimension`` shall be orthonormal.
    """
    if not orthonormal:
        return rng.standard_normal((n, dimension)) / np.sqrt(dimension)
    if n > dimension:
        raise ValueError(f"{n} orthonormal directions do not fit into {dimension} dimensions")
    basis, triangle = np.linalg.qr(rng.standard_normal((dimension, n)))
    return (basis * np.sign(np.diagonal(triangle))).T


def store(outputs: np.ndarray, inputs: np.ndarray, strengths: Any = 1.0) -> np.ndarray:
    """Return the sum of ``strengths[k]`` times the outer product of ``outputs[k]`` and ``inputs[k]``.

    Parameters
    ----------
    outputs : ndarray of shape (n, d_out)
    inputs : ndarray of shape (n, d_in)
    strengths : float or array_like of shape (n,)

    Returns
    -------
    ndarray of shape (d_out, d_in)
    """
    return (outputs.T * strengths) @ inputs


def scores(matrix: np.ndarray, outputs: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Return how strongly a matrix answers each input (row) with each output (column): ``outputs[i]^T W inputs[k]``."""
    return inputs @ matrix.T @ outputs.T


def off_diagonal_std(dimension: int, n_memories: int) -> float:
    r"""Return the standard deviation of :math:`w_i^T W u_k` for i different from k, embeddings being Gaussian.

    Notes
    -----
    Exactly :math:`\sqrt{2/d + (N + 2)/d^2}`: memory i enters by :math:`|w_i|^2 u_i^T u_k`, memory k by
    :math:`w_i^T w_k |u_k|^2`, both of variance :math:`(1 + 2/d)/d`, and each of the N - 2 others by a product of
    variance :math:`1/d^2`; all are uncorrelated. Often quoted to leading order, :math:`\sqrt{2/d + N/d^2}`.
    """
    return float(np.sqrt(2 / dimension + (n_memories + 2) / dimension**2))


def overlap_variances(n: int, dimension: int) -> np.ndarray:
    """Return the variances of the inner products of n Gaussian embeddings: 1/d, and 2/d of squared lengths."""
    return (1 + np.eye(n)) / dimension


def predicted_recall(dimension: int, n_memories: int, noise_variance: float = 0.0) -> float:
    r"""Return the share of equal memories that is expected to be recalled, embeddings being Gaussian.

    Parameters
    ----------
    dimension : int
        d.
    n_memories : int
        N.
    noise_variance : float
        Squared length of noise that was stored with each input, :math:`W = \sum_k w_k (u_k + \nu_k)^T`.

    Notes
    -----
    The probability that a normal variable of mean 1, the memory's own score, exceeds the largest of N - 1 others of
    mean 0. With :math:`s = 1 + \mathrm{noise\_variance}` their variances are

    .. math:: (1 + s) / d + s (N - 1) / d^2 \quad \mathrm{and} \quad (1 + s) / d + s N / d^2 .

    That of the own score leaves out the length of :math:`u_k`, which scales it and its rivals alike. Error: overlaps
    and their products are taken to be normal and independent. For N from 16 to 1024 and d from 16 to 128, simulated
    recall differs by less than 0.04, being higher where it is above 0.5 and lower where it is small.
    """
    s = 1 + noise_variance
    own, rivals = (np.sqrt((1 + s) / dimension + s * n / dimension**2) for n in (n_memories - 1, n_memories))
    exceeds = (n_memories - 1) * log_ndtr((1 + own * NODES) / rivals)
    return float(WEIGHTS @ np.exp(exceeds))


def predicted_recall_of(
    coefficients: np.ndarray,
    input_overlaps: np.ndarray,
    output_overlaps: np.ndarray,
    inputs: np.ndarray,
    outputs: np.ndarray,
) -> float:
    r"""Return the share of some memories that is expected to be recalled from any sum of outer products.

    Parameters
    ----------
    coefficients : ndarray of shape (n_inputs, n_outputs)
        :math:`C_{ki}` of :math:`W = \sum C_{ki} w_i u_k^T`.
    input_overlaps : ndarray of shape (n_inputs, n_inputs)
        Variances of :math:`u_k^T u_l`; those of the squared lengths, on the diagonal, are not used.
    output_overlaps : ndarray of shape (n_outputs, n_outputs)
        The same of the outputs, whose lengths do count.
    inputs, outputs : ndarray of int, both of shape (n_memories,)
        Which input each memory answers, and the right output; these outputs are the candidates.

    Notes
    -----
    The score of output i for input k has the mean :math:`C_{ki}` and, with the elementwise square S of C and the
    variances V of overlaps, the variance :math:`V_u S + S V_w + V_u S V_w`. Otherwise as :func:`predicted_recall`,
    which this is for the identity. Of single gradient steps on the bigram task it errs by up to 0.15: a few strong
    coefficients disturb many scores in the same way.
    """
    squares = coefficients**2
    heard = np.where(np.eye(len(input_overlaps), dtype=bool), 0.0, input_overlaps) @ squares
    variance = heard + (squares + heard) @ output_overlaps
    mean, std = (found[np.ix_(inputs, outputs)] for found in (coefficients, np.sqrt(variance)))
    expected = 0.0
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        own = mean.diagonal() + std.diagonal() * node
        exceeds = log_ndtr((own[:, None] - mean) / std)
        np.fill_diagonal(exceeds, 0.0)
        expected += weight * np.exp(exceeds.sum(axis=1)).mean()
    return float(expected)


def singular_value_edges(dimension: int, n_memories: int) -> tuple[float, float]:
    r"""Return the asymptotic smallest and largest of the min(d, N) singular values of a sum of N equal memories.

    The embeddings have Gaussian directions and length 1. N equal memories are not N times the same singular value:
    they spread out, and merge with zero where N reaches d.

    Notes
    -----
    The squares of the non-zero values of :math:`A B^T` are the eigenvalues of :math:`(A^T A)(B^T B)`, a free product of
    two Marchenko-Pastur laws of ratio c = N/d. Its moment series z solves :math:`\lambda(z) = (1 + z)(1 + cz)^2 / z`,
    whose stationary points :math:`z_\pm = (-c \pm \sqrt{c^2 + 8c}) / 4c` are the edges; for c >= 1 the lower one is
    the third stationary point z = -1/c, with :math:`\lambda = 0`.

    References
    ----------
    Voiculescu, J. Operator Theory 18, 223 (1987), for products of free variables.
    """
    c = n_memories / dimension
    root = np.sqrt(c**2 + 8 * c)

    def edge(z: float) -> float:
        return float(np.sqrt((1 + z) * (1 + c * z) ** 2 / z))

    return (edge((-c - root) / (4 * c)) if c < 1 else 0.0), edge((-c + root) / (4 * c))
