"""What noise makes of a matrix of low rank that it is added to: where its singular values and vectors go.

A strength below the transition leaves no trace in the spectrum; above it, the
singular value comes out too large and the vectors point only partly where they
should. This is the way from the strengths to the values;
:func:`weightspectra.randomness.cleaning.without_repulsion` is the way back.

References
----------
Baik, Ben Arous and Péché, Ann. Probab. 33, 1643 (2005); Benaych-Georges and
Nadakuditi, J. Multivariate Anal. 111, 120 (2012), section 3.1.
"""

import numpy as np
from numpy.typing import ArrayLike


def transition(noise_std: float, n_out: int, n_in: int) -> float:
    """Return the strength from which on a spike leaves the bulk: noise_std * (n_out * n_in)**(1/4)."""
    return float(noise_std * (n_out * n_in) ** 0.25)


def positions(strengths: ArrayLike, noise_std: float, n_out: int, n_in: int) -> np.ndarray:
    """Return the singular values that spikes of given strengths have once noise is added.

    Parameters
    ----------
    strengths : array
        Singular values of the matrix of low rank.
    noise_std : float
        Standard deviation of the noise entries.
    n_out, n_in : int
        Shape of the matrix.

    Returns
    -------
    ndarray
        NaN for strengths that do not leave the bulk.

    Notes
    -----
    sqrt((theta**2 + sigma**2 n) (theta**2 + sigma**2 m)) / theta; for a square
    matrix with tau = sigma sqrt(n) this is theta + tau**2 / theta. Exact as the
    matrix grows, for a rank that does not grow with it and is independent of the noise.
    """
    squares, (rows, columns) = _squares(strengths, noise_std, n_out, n_in)
    return np.sqrt((squares + rows) * (squares + columns) / squares)


def overlaps(strengths: ArrayLike, noise_std: float, n_out: int, n_in: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared overlaps of spikes' left and right vectors with those found once noise is added.

    Parameters are those of :func:`positions`; the overlaps are 0 for strengths that do not leave the bulk.

    Notes
    -----
    1 - sigma**2 n (theta**2 + sigma**2 m) / (theta**2 (theta**2 + sigma**2 n)) on
    the left, where vectors have n = n_out components, and the same with n and m
    exchanged on the right; for a square matrix both are 1 - tau**2 / theta**2.
    Spikes of equal strength mix, so that the overlap is then one of subspaces.
    """
    squares, (rows, columns) = _squares(strengths, noise_std, n_out, n_in)
    left = 1 - rows * (squares + columns) / (squares * (squares + rows))
    right = 1 - columns * (squares + rows) / (squares * (squares + columns))
    hidden = np.isnan(squares)
    return np.where(hidden, 0, left), np.where(hidden, 0, right)


def _squares(strengths: ArrayLike, noise_std: float, n_out: int, n_in: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Return squared strengths, NaN up to the transition, and what noise adds to them from rows and columns."""
    values = np.asarray(strengths, dtype=np.float64)
    visible = values > transition(noise_std, n_out, n_in)
    return np.where(visible, values**2, np.nan), (noise_std**2 * n_out, noise_std**2 * n_in)
