"""Shuffled matrices: every entry kept, every direction destroyed."""

import numpy as np
import torch

from weightspectra.spectra.law import edges
from weightspectra.spectra.orthogonality import gram


def extremes(
    matrix: np.ndarray, n_permutations: int, rng: np.random.Generator, *, device: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Shuffle the entries of a matrix again and again, and measure its extreme singular values.

    Parameters
    ----------
    matrix : ndarray of shape (n_out, n_in)
    n_permutations : int
    rng : Generator
    device : str, optional
        Where to compute; the CPU by default.

    Returns
    -------
    largest, smallest : ndarray of shape (n_permutations,)
        In units of the noise's standard deviation, fitted to each shuffled
        spectrum as to the original one (:func:`weightspectra.spectra.law.edges.fit`).
        That makes shuffled and original matrices of noise exchangeable, and the
        p-values exact.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    found = np.empty((n_permutations, 2))
    for row in found:
        shuffled = torch.tensor(rng.permutation(wide.reshape(-1)).reshape(wide.shape), dtype=torch.float64)
        squares = torch.linalg.eigvalsh(gram(shuffled.to(device))).flip(0).clamp(min=0)
        values = squares.sqrt().cpu().numpy()
        row[:] = values[[0, -1]] / edges.fit(values, *wide.shape).noise_std
    return found[:, 0], found[:, 1]
