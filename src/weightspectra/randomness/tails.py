"""The tail of a spectrum: power laws, norms and ranks, under the names that WeightWatcher gave them.

Everything here is said in *eigenvalues*, lambda = singular value squared, of
W'W. They are not divided by the number of rows, nor scaled by the norm: with
WeightWatcher's defaults, that package does neither. Logarithms named ``log_``
are decimal.

A power law fits the tail of every spectrum, that of pure noise too: the scan
looks for the stretch that resembles one most. An exponent says something only
next to the exponent of noise of the same shape.

References
----------
Clauset, Shalizi and Newman, SIAM Rev. 51, 661 (2009); Hill, Ann. Statist. 3, 1163
(1975); Martin and Mahoney, J. Mach. Learn. Res. 22, 165 (2021), for the names;
Thamm, Staats and Rosenow, Phys. Rev. E 106, 054124 (2022), for what to doubt.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import powerlaw
from numpy.typing import ArrayLike

from weightspectra.spectra.deciles import decile_ranks
from weightspectra.spectra.law import marchenko_pastur

FEWEST_FITTED = 4
"""Different eigenvalues without which no power law is fitted."""


@dataclass(frozen=True)
class PowerLaw:
    """A power law p(lambda) ~ lambda**-alpha from ``xmin`` on; everything is NaN if none fits.

    Attributes
    ----------
    alpha, alpha_error : float
        The exponent and its standard error, (alpha - 1) / sqrt(num_pl_spikes).
    xmin : float
        Eigenvalue from which on the law is fitted.
    D : float
        Kolmogorov-Smirnov distance of the eigenvalues from there on to the law.
    num_pl_spikes : int
        Number of eigenvalues from there on; 0 if no law fits.
    """

    alpha: float
    alpha_error: float
    xmin: float
    D: float
    num_pl_spikes: int


NO_POWER_LAW = PowerLaw(np.nan, np.nan, np.nan, np.nan, 0)


@dataclass(frozen=True)
class Norms:
    """Norms, ranks and entropy of a spectrum; ``contracts.TAILS`` says what each one is."""

    lambda_max: float
    norm: float
    log_norm: float
    spectral_norm: float
    log_spectral_norm: float
    stable_rank: float
    matrix_rank: int
    entropy: float
    entropy_rank: float


@dataclass(frozen=True)
class Signal:
    """What of a spectrum noise does not explain; ``contracts.TAILS`` says what each one is."""

    sigma_mp: float
    mp_softrank: float
    num_spikes: int
    energy_above: float
    energy_below: float


def power_law(eigenvalues: ArrayLike) -> PowerLaw:
    """Fit a power law to the upper tail, choosing where it begins (Clauset, Shalizi and Newman).

    Parameters
    ----------
    eigenvalues : array of shape (n_values,)
        In any order; zeros are left out.

    Notes
    -----
    The exponent is the maximum of the likelihood, alpha = 1 + n / sum ln(lambda / xmin),
    and xmin is the eigenvalue for which D is least. The package ``powerlaw`` fits
    the law, :func:`tail_start` finds xmin: it tries the same candidates as the
    package does, in a fortieth of the time. The package by itself would also
    refuse exponents above 3, which many weight matrices have.

    WeightWatcher fits alike; its numbers are the same from 20 eigenvalues on.
    It leaves out eigenvalues below 1e-5, whatever the matrix's scale, which
    matters only if xmin is that small, and it has another rule for fewer.
    """
    found = np.asarray(eigenvalues, dtype=np.float64)
    positive = np.sort(found[found > 0])
    xmin = tail_start(positive)
    if np.isnan(xmin):
        return NO_POWER_LAW
    with warnings.catch_warnings():
        # It warns of exponents near 1, and that spectra of whole numbers might be counts.
        warnings.filterwarnings("ignore", category=UserWarning, module="powerlaw")
        law = powerlaw.Fit(positive, xmin=xmin, parameter_ranges={"alpha": [1, np.inf]}, verbose=False).power_law
    return PowerLaw(float(law.alpha), float(law.standard_err), xmin, float(law.D), int(law.n))


def tail_start(ascending: np.ndarray) -> float:
    """Return the value from which on a power law fits best; NaN if there are fewer than four different ones.

    Parameters
    ----------
    ascending : ndarray of shape (n_values,)
        Positive.
    """
    values, first = np.unique(ascending, return_index=True)
    if len(values) < FEWEST_FITTED:
        return float("nan")
    logs = np.log(values)
    n_tail = len(ascending) - first
    sums = np.cumsum(np.log(ascending)[::-1])[::-1][first]
    # The last two values are no candidates: fewer than three points lie on any line.
    slopes = n_tail[:-2] / (sums[:-2] - n_tail[:-2] * logs[:-2])
    distances = [
        np.abs(-np.expm1(-slope * (logs[i:] - logs[i])) - (first[i:] - first[i]) / n_tail[i]).max()
        for i, slope in enumerate(slopes)
    ]
    return float(values[np.argmin(distances)])


def hill(eigenvalues: ArrayLike, n_lost: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the exponent of a power law in each tenth of the spectrum.

    Parameters
    ----------
    eigenvalues : array of shape (n_values,)
        Largest first.
    n_lost : int
        Of them, those below the rounding floor, which no spacing reaches.

    Returns
    -------
    exponents, errors : ndarray of shape (10,)
        Of the largest tenth first. NaN for a tenth that is empty, lost in
        rounding, or holds zeros or a single repeated value.

    Notes
    -----
    For independent draws from p(lambda) ~ lambda**-alpha, the scaled logarithmic
    spacings i ln(lambda_i / lambda_{i+1}), i = 1, 2, ... from the top, are
    independent and exponential with mean 1 / (alpha - 1) (Renyi). The estimate
    is 1 + 1 / their mean over the ranks of the tenth, its standard error
    (alpha - 1) / sqrt(number of spacings). In the largest tenth this is Hill's
    estimator. A true power law has one exponent in all tenths of its tail. Eigenvalues
    repel each other, so that their spacings vary less than independent ones:
    the errors are upper bounds for noise.
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    n_values = len(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        spacings = np.arange(1, n_values) * (np.log(values[:-1]) - np.log(values[1:]))
    exponents, errors = np.full(10, np.nan), np.full(10, np.nan)
    for tenth in range(10):
        ranks = decile_ranks(n_values, 10 - tenth)
        found = spacings[ranks[ranks < n_values - n_lost - 1]]
        if len(found) and np.isfinite(found).all() and found.any():
            exponents[tenth] = 1 + 1 / found.mean()
            errors[tenth] = (exponents[tenth] - 1) / len(found) ** 0.5
    return exponents, errors


def norms(singular_values: ArrayLike, n_out: int, n_in: int, rounding_floor: float = 0.0) -> Norms:
    """Measure norms, ranks and entropy.

    Parameters
    ----------
    singular_values : array of shape (min(n_out, n_in),)
        All of them, largest first.
    n_out, n_in : int
        Shape of the matrix.
    rounding_floor : float
        As in ``contracts.SPECTRA``.

    Notes
    -----
    ``matrix_rank`` counts singular values above the rounding floor, and above the largest one times the larger
    dimension times the float64 epsilon, as ``numpy.linalg.matrix_rank`` does.
    ``entropy`` is -sum p ln p / ln(matrix_rank) with p = lambda / norm; it is 0
    for a matrix of rank one. ``entropy_rank`` is exp(-sum p ln p): the effective
    rank of Roy and Vetterli (EUSIPCO 2007), for shares of the squared norm.
    A matrix of zeros has no shares, and NaN there.

    WeightWatcher adds 1e-10 to shares and rank, which moves its entropy by less than 1e-6.
    """
    values = np.asarray(singular_values, dtype=np.float64)
    squares = values**2
    norm, largest = float(squares.sum()), float(squares[0])
    least = max(rounding_floor, values[0] * max(n_out, n_in) * np.finfo(np.float64).eps)
    rank = int(np.count_nonzero(values > least))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = squares / norm
        log_norm, log_largest = float(np.log10(norm)), float(np.log10(largest))
        stable_rank = float(np.divide(norm, largest))
    shares = shares[:rank] if rank else shares
    shares = shares[shares != 0]
    entropy = -float(np.sum(shares * np.log(shares)))
    relative = entropy / float(np.log(rank)) if rank > 1 else entropy
    return Norms(largest, norm, log_norm, largest, log_largest, stable_rank, rank, relative, float(np.exp(entropy)))


def alpha_norms(eigenvalues: ArrayLike, alpha: float) -> dict[str, float]:
    """Return ``alpha_weighted`` = alpha log10(lambda_max) and ``log_alpha_norm`` = log10(sum lambda**alpha).

    Both are NaN for an exponent that is, and for a matrix of zeros.
    """
    found = np.asarray(eigenvalues, dtype=np.float64)
    logs = np.log10(found[found > 0])
    if not len(logs):
        return {"alpha_weighted": float("nan"), "log_alpha_norm": float("nan")}
    weighted = alpha * float(logs.max())
    # Relative to the largest, so that no power overflows.
    sum_of_powers = float(np.sum(10 ** (alpha * (logs - logs.max()))))
    return {"alpha_weighted": weighted, "log_alpha_norm": weighted + float(np.log10(sum_of_powers))}


def signal(
    singular_values: ArrayLike,
    n_out: int,
    n_in: int,
    *,
    noise_std: float,
    bound_lower: float,
    bound_upper: float,
    n_lost: int = 0,
) -> Signal:
    """Compare a spectrum with the noise found in it.

    Parameters
    ----------
    singular_values : array of shape (min(n_out, n_in),)
        All of them, largest first.
    n_out, n_in : int
        Shape of the matrix.
    noise_std, bound_lower, bound_upper : float
        Standard deviation of the noise entries, and the bounds of its singular
        values, as :func:`weightspectra.spectra.law.edges.fit` finds them; NaN where there is no law.
    n_lost : int
        Of the values, those below the rounding floor, which no share counts.

    Notes
    -----
    ``sigma_mp`` is noise_std over the root mean square of all entries: 1 for
    noise. ``mp_softrank`` is noise_std**2 (sqrt(n_out) + sqrt(n_in))**2 / lambda_max.
    WeightWatcher has the same definitions, but another fit of the noise, from a
    smoothed density whose width is fixed for square matrices; its ``num_spikes``
    counts from a wider margin. These three are not comparable number by number.
    """
    if np.isnan(noise_std):
        return Signal(sigma_mp=np.nan, mp_softrank=np.nan, num_spikes=0, energy_above=np.nan, energy_below=np.nan)
    values = np.asarray(singular_values, dtype=np.float64)
    squares = values**2
    _, edge = marchenko_pastur.edges(noise_std, n_out, n_in)
    n_below, n_above = marchenko_pastur.count_outside(values, bound_lower, bound_upper, n_lost)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Signal(
            sigma_mp=float(noise_std / np.sqrt(squares.sum() / (n_out * n_in))),
            mp_softrank=float(np.divide(edge**2, squares[0])),
            num_spikes=n_above,
            energy_above=float(np.divide(squares[:n_above].sum(), squares.sum())),
            energy_below=float(np.divide(squares[::-1][n_lost : n_lost + n_below].sum(), squares.sum())),
        )
