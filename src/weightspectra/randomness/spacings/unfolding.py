"""Unfolding: levels stretched so that their mean distance is one, locally or by a law.

Spacing statistics are universal only in units of the local mean distance of
levels. The local unfolding takes that distance from the levels themselves, so it
fits any spectrum but also smooths away part of what it is to show: fluctuations
over more than a few levels come out too small. The law of noise does not adapt,
so it keeps them all, and mistakes a spectrum that follows another law for one
that fluctuates.

References
----------
Local: Thamm, Staats and Rosenow, Phys. Rev. E 106, 054124 (2022), after Bruus and
Angles d'Auriac, Phys. Rev. B 55, 9142 (1997). Law: Marchenko and Pastur, as in
:mod:`weightspectra.spectra.law.marchenko_pastur`.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.special import ndtr

from weightspectra.spectra.law import marchenko_pastur

WINDOW = 15
"""Neighbours on either side that set a level's width, as in the paper."""

UNFOLDINGS = ("replicate", "drop", "law")
"""Local with either rule for the ends of the spectrum, and global."""

LEAST_UNFOLDED = 20
"""Fewer unfolded levels than this say nothing."""

REACH = 7.5
"""Standard deviations beyond which a Gaussian's tail, 3e-14, is taken as nothing."""


class CannotUnfold(ValueError):
    """Too few levels, or too many equal ones; the message says which."""


def unfold(
    levels: ArrayLike, unfolding: str, long_side: int, short_side: int, noise_std: float, window: int = WINDOW
) -> np.ndarray:
    """Unfold the singular values within the bounds of noise in one of the three ways of ``UNFOLDINGS``.

    Parameters
    ----------
    levels : array of shape (n,)
        In any order.
    unfolding : str
    long_side, short_side : int
        Shape of the noise: that of the matrix less the outliers. Used by 'law' only, as is ``noise_std``.
    noise_std : float
        Standard deviation of its entries.
    window : int

    Returns
    -------
    ndarray
        Ascending, with mean distance 1; see :func:`local` and :func:`by_law` for how many there are.

    Raises
    ------
    CannotUnfold
        When fewer than ``LEAST_UNFOLDED`` would be left, or the levels have no spacing.
    """
    if unfolding == "law":
        return by_law(levels, long_side, short_side, noise_std, window)
    return local(levels, unfolding, window)


def n_unfolded(n_levels: int, unfolding: str, window: int = WINDOW) -> int:
    """Return how many of ``n_levels`` levels an unfolding keeps, if none lies outside the law's edges."""
    return n_levels - (4 if unfolding == "drop" else 2) * window


def local(levels: ArrayLike, ends: str = "replicate", window: int = WINDOW) -> np.ndarray:
    """Unfold by broadening each level into a Gaussian.

    Parameters
    ----------
    levels : array of shape (n,)
        In any order.
    ends : str
        'replicate' repeats the first and the last level ``window`` times to give
        the outermost levels a width; 'drop' gives them no Gaussian.
    window : int
        Half the number of neighbours that set a level's width.

    Returns
    -------
    ndarray of shape (n - 2 window,), or (n - 4 window,) for 'drop'
        Ascending, with mean distance 1. The outermost levels are left out, where the
        sum of Gaussians lacks those beyond the end.

    Raises
    ------
    CannotUnfold
        When fewer than ``LEAST_UNFOLDED`` are left, or 2 * window + 1 neighbouring levels are equal.
    ValueError
        When ``ends`` is unknown.

    Notes
    -----
    Level x_k has the standard deviation sd_k = (x_(k + window) - x_(k - window)) / 2;
    x is unfolded to the sum over k of the normal distribution function at (x - x_k) / sd_k.
    """
    x = np.sort(np.asarray(levels, dtype=np.float64))
    if ends == "replicate":
        padded, centres = np.concatenate((x[:1].repeat(window), x, x[-1:].repeat(window))), x
    elif ends == "drop":
        padded, centres = x, x[window : x.size - window]
    else:
        raise ValueError(f"expected 'replicate' or 'drop' for the ends, found {ends!r}")
    _check_number(centres.size - 2 * window, x.size)
    widths = (padded[2 * window :] - padded[: -2 * window]) / 2
    if not widths.min() > 0:
        raise CannotUnfold(f"{2 * window + 1} neighbouring levels are equal")
    return _with_unit_spacing(_summed(centres, widths)[window : centres.size - window])


def by_law(levels: ArrayLike, long_side: int, short_side: int, noise_std: float, window: int = WINDOW) -> np.ndarray:
    """Unfold by the Marchenko-Pastur law of noise.

    Parameters
    ----------
    levels : array of shape (n,)
        In any order.
    long_side, short_side : int
        Shape of the noise.
    noise_std : float
        Standard deviation of its entries.
    window : int
        Levels to leave out at either end, so that the same ones remain as after
        the local unfolding with replicated ends. The law describes the outermost
        levels of a finite matrix badly, and those outside its edges not at all.

    Returns
    -------
    ndarray of shape (n - 2 window,), or fewer if the spectrum leaves the law's edges
        Ascending, with mean distance 1.

    Raises
    ------
    CannotUnfold
        When fewer than ``LEAST_UNFOLDED`` are left, or all are equal.
    """
    x = np.sort(np.asarray(levels, dtype=np.float64))
    n_levels = x.size
    lower, upper = marchenko_pastur.edges(noise_std, long_side, short_side)
    x = x[window : max(n_levels - window, 0)]
    x = x[(x > lower) & (x < upper)]
    _check_number(x.size, n_levels)
    if x[0] == x[-1]:
        raise CannotUnfold("all levels are equal")
    q = marchenko_pastur.aspect_ratio(long_side, short_side)
    return _with_unit_spacing(marchenko_pastur.cdf(x, q, noise_std * long_side**0.5))


def _summed(centres: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return the sum of all normal distribution functions at each of their centres, which ascend.

    Those farther off than REACH widths are 0 or 1, so each point meets a band of
    its neighbours only: a few hundred, however many levels there are.
    """
    positions = np.arange(centres.size)
    above = np.searchsorted(centres, centres + REACH * widths, side="right") - 1 - positions
    below = positions - np.searchsorted(centres, centres - REACH * widths)
    band = int(max(above.max(), below.max()))
    # Beyond either end stand Gaussians at infinity, which add nothing.
    near_centres = sliding_window_view(np.pad(centres, band, constant_values=np.inf), 2 * band + 1)
    near_widths = sliding_window_view(np.pad(widths, band, constant_values=1.0), 2 * band + 1)
    scores = (centres[:, None] - near_centres) / near_widths
    passed = np.maximum(positions - band, 0)
    return ndtr(scores, out=scores).sum(axis=1) + passed


def _check_number(n_unfolded: int, n_levels: int) -> None:
    if n_unfolded < LEAST_UNFOLDED:
        raise CannotUnfold(
            f"{n_levels} levels leave {max(n_unfolded, 0)} after unfolding, of the {LEAST_UNFOLDED} needed"
        )


def _with_unit_spacing(unfolded: np.ndarray) -> np.ndarray:
    """Scale to mean distance 1: the sum of Gaussians is off by the levels that are missing at the ends."""
    return unfolded * ((unfolded.size - 1) / (unfolded[-1] - unfolded[0]))
