"""Singular values of pure noise, drawn without the matrix.

References
----------
Dumitriu and Edelman, J. Math. Phys. 43, 5830 (2002), section III B, with beta = 1;
Golub and Kahan, SIAM J. Numer. Anal. 2, 205 (1965), for the tridiagonal form.
"""

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

RELATIVE_ACCURACY = 1e-6
"""Of the smallest singular value; the others are better."""


def draw(long_side: int, short_side: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the singular values of a Gaussian matrix whose entries have mean 0 and variance 1.

    Exact in distribution, all values jointly, in O(short_side**2) operations.

    Parameters
    ----------
    long_side, short_side : int
        Its dimensions, long_side >= short_side >= 1.
    rng : Generator

    Returns
    -------
    ndarray of shape (short_side,)
        Largest first.

    Raises
    ------
    ValueError
        When the sides are in the wrong order, or there are no values.

    Notes
    -----
    Householder reflections from both sides turn the matrix into a bidiagonal one
    and leave its singular values as they are. Its entries are independent: on the
    diagonal chi variables with long_side, long_side - 1, ... degrees of freedom,
    next to it chi variables with short_side - 1, ..., 1.
    """
    if not long_side >= short_side >= 1:
        raise ValueError(f"expected long_side >= short_side >= 1, found {long_side} and {short_side}")
    diagonal = np.sqrt(rng.chisquare(np.arange(long_side, long_side - short_side, -1)))
    beside = np.sqrt(rng.chisquare(np.arange(short_side - 1, 0, -1)))
    return bidiagonal_singular_values(diagonal, beside)


def bidiagonal_singular_values(diagonal: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Return the singular values of a bidiagonal matrix, largest first.

    Parameters
    ----------
    diagonal, beside : ndarray of shape (m,) and (m - 1,)
        Its entries, positive; on which side of the diagonal does not matter.

    Notes
    -----
    The squares are the eigenvalues of a tridiagonal matrix of m rows, but with
    an error relative to the largest one: the smallest value of a large square
    matrix would lose most of its digits. Where that can be, the values
    themselves are computed, as the upper half of the spectrum of a tridiagonal
    matrix of 2 m rows, which takes four times as long.
    """
    squares = diagonal**2
    squares[1:] += beside**2
    found = eigvalsh_tridiagonal(squares, beside * diagonal[:-1])
    if found[0] > np.finfo(np.float64).eps / RELATIVE_ACCURACY * found[-1]:
        return np.sqrt(found[::-1])
    interlaced = np.empty(2 * len(diagonal) - 1)
    interlaced[::2], interlaced[1::2] = diagonal, beside
    return eigvalsh_tridiagonal(np.zeros(2 * len(diagonal)), interlaced)[: len(diagonal) - 1 : -1]
