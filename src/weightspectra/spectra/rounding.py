"""The rounding floor of a spectrum: values below it say nothing of the matrix, and are in no fit, test or share."""

import numpy as np
from numpy.typing import ArrayLike

FLOAT32_EPS = 2.0**-23
"""Spacing of float32 numbers about 1."""


def rounding_floor(rounding_std: float, n_out: int, n_in: int, largest: float) -> float:
    """Return the largest singular value that rounding makes by itself.

    Parameters
    ----------
    rounding_std : float
        Root mean square error of an entry that the storage format causes; NaN where it is unknown.
    n_out, n_in : int
    largest : float
        The matrix's largest singular value.

    Notes
    -----
    The larger of two numbers, of which the first may be unknown. The norm of a matrix of independent errors is
    rounding_std (sqrt(n_out) + sqrt(n_in)). And a matrix that was computed in
    float32, as one that was truncated or merged is, holds that arithmetic's errors
    whatever it is stored in: eps sqrt(max(n_out, n_in)) largest with eps = 2**-23,
    since errors of sums of n terms grow with sqrt(n) rather than n (Higham and
    Mary, SIAM J. Sci. Comput. 41, A2815 (2019)).

    Examples
    --------
    >>> rounding_floor(0.001, 100, 400, largest=1.0)
    0.03
    """
    stored = rounding_std * (n_out**0.5 + n_in**0.5)
    return float(np.fmax(stored, FLOAT32_EPS * max(n_out, n_in) ** 0.5 * largest))


def numerical_rank(singular_values: ArrayLike, floor: float) -> int:
    """Return how many singular values are neither zero nor below the rounding floor.

    Examples
    --------
    >>> numerical_rank([3.0, 2.0, 1e-9, 0.0], floor=1e-7)
    2
    """
    values = np.asarray(singular_values)
    return int(np.count_nonzero((values >= floor) & (values > 0)))


def one_valued(singular_values: ArrayLike, floor: float) -> bool:
    """Return whether values differ by no more than rounding: then neither spacings nor vectors are determined.

    So it is of orthogonal matrices. A single value is determined.

    Parameters
    ----------
    singular_values : array of shape (n_values,)
        None of them below the floor.
    floor : float
    """
    values = np.asarray(singular_values)
    return bool(values.size > 1 and values.max() - values.min() < floor)
