r"""Gradients as associative memories: what a single step from zero stores.

For the loss :math:`E[\ell(y, W_U W x)]`, cross-entropy of N classes, the gradient

.. math:: \nabla_W = \sum_k p(y = k)\, w_U(k) (\hat\mu_k - \mu_k)^T, \quad
          \mu_k = E[x | y = k], \quad \hat\mu_k = E[\hat p(k | x)\, x] / p(y = k)

is a sum of outer products. From W = 0 with equally frequent classes, one step of size :math:`\eta` leaves
:math:`W = (\eta / N) \sum_k w_U(k) (\mu_k - \mu)^T`: noise that is independent of y averages out.

References
----------
Bietti et al., arXiv 2306.00802, Section 4 (Lemma 2) and Section 6.
"""

from collections.abc import Iterable

import numpy as np
from scipy.special import softmax

from weightspectra.birth.task.bigram_task import Sequences


def cross_entropy_gradient(
    matrix: np.ndarray, outputs: np.ndarray, inputs: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Return the gradient by W of the mean cross-entropy of the logits ``outputs @ W @ x``.

    Parameters
    ----------
    matrix : ndarray of shape (d_out, d_in)
        W.
    outputs : ndarray of shape (n_classes, d_out)
        Row k is w_U(k).
    inputs : ndarray of shape (n, d_in)
    targets : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of shape (d_out, d_in)
    """
    excess = softmax(inputs @ matrix.T @ outputs.T, axis=-1)
    excess[np.arange(len(targets)), targets] -= 1
    return outputs.T @ (excess.T @ inputs) / len(targets)


def step_from_zero(
    outputs: np.ndarray, inputs: np.ndarray, n_examples: int, noise_std: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the change of a matrix that is zero by one step of size N on noisy inputs.

    Parameters
    ----------
    outputs, inputs : ndarray of shape (N, d)
        w_U(k) and u_k.
    n_examples : int
        Of each class y: x = u_y + noise.
    noise_std : float
        Standard deviation of each component of the noise, which is Gaussian.
    rng : numpy.random.Generator

    Notes
    -----
    In expectation ``w_U(i)^T W u_k`` is 1 - 1/N for i = k and -1/N otherwise, exactly so for orthonormal embeddings.
    What noise is left with each u_k has the squared length d noise_std^2 / n_examples.
    """
    targets = np.tile(np.arange(len(inputs)), n_examples)
    noisy = inputs[targets] + noise_std * rng.standard_normal((len(targets), inputs.shape[1]))
    zero = np.zeros((outputs.shape[1], inputs.shape[1]))
    return -len(inputs) * cross_entropy_gradient(zero, outputs, noisy, targets)


def output_coefficients(batches: Iterable[Sequences], n_tokens: int) -> np.ndarray:
    r"""Return what one step stores in W_O^2 from zero, while both layers attend uniformly.

    Parameters
    ----------
    batches : iterable of Sequences
        Of one task; their predictable positions are scored.
    n_tokens : int
        N.

    Returns
    -------
    ndarray of shape (2 (N + T), N)
        Coefficients C of :math:`W_O^2 = \sum C_{ki} w_U(i) (W_V^2 u_k)^T`, for a step of size 1. The inputs u are
        the tokens' embeddings w_E, the positions p, and what the first layer makes of both.

    Notes
    -----
    At zero every prediction is 1/N, so that coefficients depend on the data alone, neither on the dimension nor
    on the embeddings. What reaches the logits beside W_O^2 (the residual stream) is left out.
    """
    of_tokens = np.zeros((2, n_tokens, n_tokens))
    at_positions = np.zeros(())
    n_scored = 0
    for batch in batches:
        length = batch.inputs.shape[1]
        sequence, position = np.nonzero(batch.predictable)
        excess = np.eye(n_tokens)[batch.targets[sequence, position]] - 1 / n_tokens
        attended = np.eye(n_tokens, dtype=np.float32)[batch.inputs]
        for layer in range(2):
            attended = np.cumsum(attended, axis=1) / np.arange(1, length + 1, dtype=np.float32)[:, None]
            of_tokens[layer] += attended[sequence, position].T @ excess
        at_positions = at_positions + np.eye(length)[position].T @ excess
        n_scored += len(position)
    attention = np.tril(np.ones((length, length))) / np.arange(1, length + 1)[:, None]
    positions = [attention.T @ at_positions, (attention @ attention).T @ at_positions]
    return np.concatenate([of_tokens[0], positions[0], of_tokens[1], positions[1]]) / n_scored
