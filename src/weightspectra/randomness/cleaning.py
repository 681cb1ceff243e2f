"""Where noise ends in a spectrum, and what the singular values would be without it.

Noise hides the weak directions of a matrix and makes the strong ones look
stronger than they are: its singular values repel theirs. The vector tests say
which directions are noise; the formulas for a spiked matrix undo the repulsion.

Throughout, noise has independent entries of standard deviation ``noise_std``.

References
----------
Staats, Thamm and Rosenow, Phys. Rev. E 108, L022302 (2023); Benaych-Georges and
Nadakuditi, J. Multivariate Anal. 111, 120 (2012); Gavish and Donoho, IEEE Trans.
Inf. Theory 63, 2137 (2017).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

SURPRISE = 3.0
"""Mean of -ln p at which a direction counts as clearly not random: p is 1/4 on average, where noise has 1/2."""

EVIDENCE = float(np.log(2 / 0.05))
"""Log-likelihood ratio without which an end has no boundary: noise exceeds it in at most 2.5 % of matrices."""

LARGEST_GAIN = 4.0
"""No direction adds more to that ratio: one far inside must not draw a boundary across many random ones."""


class Cleaned(NamedTuple):
    """A spectrum without its noise.

    Attributes
    ----------
    boundary_upper, boundary_lower : int
        Leading and trailing directions that do not look random (:func:`boundaries`).
    filtered_values, shrunk_values : ndarray of shape (n_values,)
        What :func:`filter_noise` and :func:`shrink` make of the singular values.
    filtered_energy, shrunk_energy : float
        Their squares' sum over that of the singular values; NaN for a matrix of zeros.
    """

    boundary_upper: int
    boundary_lower: int
    filtered_values: np.ndarray
    shrunk_values: np.ndarray
    filtered_energy: float
    shrunk_energy: float


def clean(singular_values: ArrayLike, p_values: ArrayLike, noise_std: float, n_out: int, n_in: int) -> Cleaned:
    """Find where noise begins, and clean a spectrum of it in both ways.

    Parameters
    ----------
    singular_values : array of shape (min(n_out, n_in),)
        Largest first.
    p_values : array of shape (n_tested,)
        Of the directions above the rounding floor, as :func:`combine_sides` gives them.
    noise_std : float
        NaN where there is no law; the cleaned values then are NaN, too.
    n_out, n_in : int
        Shape of the matrix.
    """
    values = np.asarray(singular_values, dtype=np.float64)
    upper, lower = boundaries(p_values)
    if np.isnan(noise_std):
        unknown = np.full_like(values, np.nan)
        return Cleaned(upper, lower, unknown, unknown, np.nan, np.nan)
    filtered = filter_noise(values, upper, noise_std, n_out, n_in)
    shrunk = shrink(values, noise_std, n_out, n_in)
    energy = np.sum(values**2)
    with np.errstate(invalid="ignore"):
        shares = [float(np.sum(cleaned**2) / energy) for cleaned in (filtered, shrunk)]
    return Cleaned(upper, lower, filtered, shrunk, *shares)


def combine_sides(p_left: ArrayLike, p_right: ArrayLike) -> np.ndarray:
    """Combine the p-values of left and right singular vectors into one for each direction (Fisher).

    The two vectors of a direction are independent if the matrix is Gaussian
    noise; then -2 ln(p_left p_right) follows chi squared with 4 degrees of freedom.

    Parameters
    ----------
    p_left, p_right : array of shape (n_values,)
        Above 0, at most 1; in the same order.

    Raises
    ------
    ValueError
        When a p-value is not above 0 and at most 1, or the sides differ in length.
    """
    left, right = np.asarray(p_left, dtype=np.float64), np.asarray(p_right, dtype=np.float64)
    if left.shape != right.shape:
        raise ValueError(f"{left.size} p-values of left vectors, {right.size} of right ones: expected as many")
    product = left * right
    if not ((product > 0) & (left <= 1) & (right <= 1)).all():
        raise ValueError("p-values must be above 0 and at most 1")
    return product * (1 - np.log(product))


def boundaries(p_values: ArrayLike) -> tuple[int, int]:
    """Return how many directions at the beginning, and how many at the end, do not look random.

    Parameters
    ----------
    p_values : array of shape (n_values,)
        One for each direction, as :func:`combine_sides` gives them, the
        largest singular value first.

    Returns
    -------
    upper, lower : int
        Each is 0 for noise, in 97.5 % of matrices or more, whatever their size.
        Both are ``n_values`` if no stretch between them looks random.

    Notes
    -----
    The most likely change points between two hypotheses for x = -ln p, which is
    exponential with mean 1 for random directions, and taken to be so with mean
    3 beyond the boundaries. The log-likelihood ratio of the second to the first
    is the sum of 2 x / 3 - ln 3 over the directions beyond the boundaries, each
    term at most :data:`LARGEST_GAIN`; the pair that makes it largest is
    returned. Summed from one end of pure noise, it is at most the logarithm of a
    martingale with mean 1, and so exceeds :data:`EVIDENCE` = ln 40 anywhere with a
    probability of at most 1/40 (Ville's inequality). Neither an end nor the
    stretch between the boundaries is believed with less evidence.

    Directions count as random where x is below 1.65 on average, so that a slow
    fade ends there. A boundary that is sharp is placed a few ranks too far at
    most; fewer than about nine random directions between two ends that are
    not random cannot be seen.
    """
    surprise = -np.log(np.asarray(p_values, dtype=np.float64))
    gains = np.minimum(surprise * (1 - 1 / SURPRISE) - np.log(SURPRISE), LARGEST_GAIN)
    n_values = len(gains)
    upper, lower = (np.append(0, np.cumsum(side)) for side in (gains, gains[::-1]))
    # The best lower boundary that leaves room for each upper one, and the best pair.
    best_lower = np.maximum.accumulate(lower)[::-1]
    n_upper = int(np.argmax(upper + best_lower))
    n_lower = int(np.argmax(lower[: n_values - n_upper + 1]))
    n_upper = n_upper if upper[n_upper] > EVIDENCE else 0
    n_lower = n_lower if lower[n_lower] > EVIDENCE else 0
    between = -float(gains[n_upper : n_values - n_lower].sum())
    return (n_values, n_values) if n_upper + n_lower and between <= EVIDENCE else (n_upper, n_lower)


def filter_noise(singular_values: ArrayLike, n_informative: int, noise_std: float, n_out: int, n_in: int) -> np.ndarray:
    """Remove the noise and undo its repulsion: the filter of Phys. Rev. E 108, L022302.

    Parameters
    ----------
    singular_values : array of shape (min(n_out, n_in),)
        Largest first.
    n_informative : int
        Leading directions that are not noise, as :func:`boundaries` finds them.
    noise_std : float
    n_out, n_in : int
        Shape of the matrix.

    Returns
    -------
    ndarray of shape (min(n_out, n_in),)
        0 behind the boundary; before it :func:`without_repulsion`, which is 0
        also for a value within the bulk, however informative its vectors.

    Notes
    -----
    This is the filter as published: it keeps the upper end only. Informative
    directions at the small end, the lower ones of :func:`boundaries`, are removed
    with the noise: a spike added to noise leaves no value below the bulk, and
    so the formula has no strength to return for one.
    """
    cleaned = without_repulsion(singular_values, noise_std, n_out, n_in)
    cleaned[n_informative:] = 0
    return cleaned


def without_repulsion(singular_values: ArrayLike, noise_std: float, n_out: int, n_in: int) -> np.ndarray:
    """Return the singular values that a low-rank matrix had before noise was added to it.

    Notes
    -----
    nu0**2 = (a + sqrt(a**2 - 4 sigma**4 n m)) / 2 with a = nu**2 - sigma**2 (n + m).
    At the edge of the bulk nu0 is sigma (n m)**(1/4), the strength from which on
    a spike leaves it. Values within the bulk come from no such strength; they
    become 0.
    """
    shifted, root = _spike_terms(singular_values, noise_std, n_out, n_in)
    return np.sqrt(np.where(np.isnan(root), 0, (shifted + root) / 2))


def shrink(singular_values: ArrayLike, noise_std: float, n_out: int, n_in: int) -> np.ndarray:
    """Shrink singular values so that the matrix comes closest to the one without noise (Gavish and Donoho).

    No function of the singular values alone has a smaller squared Frobenius
    distance to a low-rank matrix, as the matrices grow.

    Notes
    -----
    With y = nu / (sigma sqrt(long side)) and beta = short side / long side,
    eta(y) = sqrt((y**2 - beta - 1)**2 - 4 beta) / y beyond y = 1 + sqrt(beta), else
    0 (Eq. 7 there). This is smaller than the value without repulsion: the
    vectors are wrong too, and the shrinkage hedges against that.
    """
    values = np.asarray(singular_values, dtype=np.float64)
    _, root = _spike_terms(values, noise_std, n_out, n_in)
    return np.divide(root, values, out=np.zeros_like(values), where=~np.isnan(root))


def _spike_terms(singular_values: ArrayLike, noise_std: float, n_out: int, n_in: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a = nu**2 - sigma**2 (n + m), and sqrt(a**2 - 4 sigma**4 n m) or NaN for values within the bulk."""
    values = np.asarray(singular_values, dtype=np.float64)
    variance = noise_std**2
    shifted = values**2 - variance * (n_out + n_in)
    least = 2 * variance * (n_out * n_in) ** 0.5
    beyond = (shifted > least) & (values > 0)
    return shifted, np.sqrt(np.where(beyond, shifted**2 - least**2, np.nan))
