"""Matched controls: as much taken elsewhere, so that "these values matter" is told from "removing anything hurts"."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from weightspectra.ablation.choose.selection import Spectrum, said_of
from weightspectra.base.seeds import generator
from weightspectra.contracts import MatrixKey

Ranks = Mapping[MatrixKey, np.ndarray]
"""Singular values of each matrix of a cut, by rank; 0 is the largest."""


class Unmatched(Exception):
    """A control cannot be built; says why."""


class Control(NamedTuple):
    """How one control is named before the label of its cut, and what it takes in place of the cut's ranks."""

    name: str
    after: str
    ranks: Callable[[np.ndarray, Spectrum], np.ndarray]

    def of(self, cut: Ranks, spectra: Mapping[MatrixKey, Spectrum]) -> dict[MatrixKey, np.ndarray]:
        """Return the control's ranks in every matrix of a cut.

        Raises
        ------
        Unmatched
            When the cut leaves too little in one of the matrices.
        """
        found = {}
        for key, ranks in cut.items():
            try:
                found[key] = self.ranks(ranks, spectra[key]) if len(ranks) else ranks
            except Unmatched as reason:
                raise Unmatched(f"{key}: {reason}") from None
        return found


def controls(
    kinds: Sequence[str], label: str, *, bounds: str, n_random: int, seed: int, model: str
) -> Iterator[Control]:
    """Yield the controls of one cut, in the order of ``kinds``.

    Parameters
    ----------
    kinds : sequence of {'same_count', 'same_energy', 'random'}
    label : str
        The cut's own; random windows depend on it and on nothing else of the
        experiment, so that another cut never moves them.
    bounds : {'asymptotic', 'calibrated'}
        What bounds the bulk.
    n_random : int
        Number of random windows.
    seed : int
    model : str

    Notes
    -----
    All three match the cut within every matrix, and share no singular value with it.
    """
    said = "" if said_of(bounds) in label else said_of(bounds)
    for kind in kinds:
        if kind == "same_count":
            yield Control("same count as", said, partial(same_count, bounds=bounds))
        elif kind == "same_energy":
            yield Control("same energy as", said, partial(same_energy, bounds=bounds))
        else:
            for number in range(1, n_random + 1):
                position = generator(seed, model, "random window", label, str(number)).random()
                yield Control(f"random window {number} like", "", partial(window, position=position))


def same_count(taken: np.ndarray, spectrum: Spectrum, *, bounds: str) -> np.ndarray:
    """Return as many ranks as a cut takes: the smallest values inside the bulk that it leaves.

    For the smallest decile of a matrix these lie just above it; for the values
    below the bulk, just above the bound.

    Parameters
    ----------
    taken : ndarray of int
        The cut's ranks.
    spectrum : Spectrum
    bounds : {'asymptotic', 'calibrated'}

    Returns
    -------
    ndarray of int
        Ascending.

    Raises
    ------
    Unmatched
        When the bulk holds too few other values.
    """
    free = np.setdiff1d(spectrum.bulk(bounds), taken)
    if len(free) < len(taken):
        raise Unmatched(f"the cut takes {len(taken)} values, and leaves {len(free)} in the bulk")
    return free[len(free) - len(taken) :]


def same_energy(taken: np.ndarray, spectrum: Spectrum, *, bounds: str) -> np.ndarray:
    """Return the ranks that hold as much energy ``sum s_k^2`` as a cut's, from the bulk's lower end upwards.

    Values below the bulk or the rounding floor, and the cut's own, are passed over; as many are taken
    as bring the sum nearest to the cut's, and at least one.

    Parameters
    ----------
    taken : ndarray of int
        The cut's ranks.
    spectrum : Spectrum
    bounds : {'asymptotic', 'calibrated'}

    Returns
    -------
    ndarray of int
        Ascending.

    Raises
    ------
    Unmatched
        When all other values from the bulk's lower end upwards hold less energy.
    """
    squares = spectrum.singular_values**2
    upwards = np.setdiff1d(np.arange(spectrum.n_values - spectrum.n_lost - spectrum.outside[bounds][0]), taken)[::-1]
    wanted, sums = squares[taken].sum(), np.cumsum(squares[upwards])
    if not len(sums) or sums[-1] < wanted:
        found = sums[-1] if len(sums) else 0.0
        raise Unmatched(f"the cut's values hold {wanted:.4g} (sum of squares), all that it leaves {found:.4g}")
    return np.sort(upwards[: np.abs(sums - wanted).argmin() + 1])


def window(taken: np.ndarray, spectrum: Spectrum, *, position: float) -> np.ndarray:
    """Return as many ranks in a row as a cut takes, anywhere else.

    Parameters
    ----------
    taken : ndarray of int
        The cut's ranks.
    spectrum : Spectrum
    position : float
        Uniform in [0, 1): where the window lies among all that do not meet the
        cut. One number serves all matrices of a cut, so that the window lies
        at about the same place in each, as the cut does.

    Raises
    ------
    Unmatched
        When no window of this length avoids the cut.
    """
    length = len(taken)
    is_taken = np.zeros(spectrum.n_values + 1, dtype=int)
    is_taken[taken + 1] = 1
    before = is_taken.cumsum()
    starts = np.flatnonzero(before[length:] == before[: len(before) - length])
    if not len(starts):
        raise Unmatched(f"no {length} values in a row avoid the cut")
    return np.arange(length) + starts[int(position * len(starts))]
