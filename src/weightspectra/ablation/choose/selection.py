"""Which singular values an entry of the configuration speaks of: ranks in each matrix."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from weightspectra.ablation.settings import Cut
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.spectra.deciles import decile_ranks
from weightspectra.spectra.rounding import numerical_rank


class Spectrum(NamedTuple):
    """What a cut may depend on: one matrix' shape, its singular values, and how many leave the bulk.

    Attributes
    ----------
    singular_values : ndarray of shape (n_values,)
        Largest first.
    n_out, n_in : int
        Rows and columns of the matrix.
    outside : dict from str to (int, int)
        Values below and above the bulk, for each kind of bounds:
        ``asymptotic`` (the Marchenko-Pastur edges) and ``calibrated``. Empty
        where no cut needs them.
    n_lost : int
        Values below the rounding floor, which are in no region.
    has_law : bool
        Whether there is a bulk: a matrix of which too much is lost in rounding has none, nor anything outside.
    """

    singular_values: np.ndarray
    n_out: int
    n_in: int
    outside: Mapping[str, tuple[int, int]] = {}
    n_lost: int = 0
    has_law: bool = True

    @property
    def n_values(self) -> int:
        """Number of singular values, min(n_out, n_in)."""
        return len(self.singular_values)

    def bulk(self, bounds: str) -> np.ndarray:
        """Return the ranks inside the bulk, ascending (so the smallest value comes last)."""
        n_below, n_above = self.outside[bounds]
        return np.arange(n_above, self.n_values - self.n_lost - n_below if self.has_law else n_above)


def spectra_of(spectra: pd.DataFrame, bulk: pd.DataFrame | None = None) -> dict[MatrixKey, Spectrum]:
    """Join rows of ``contracts.SPECTRA`` and, if given, ``contracts.BULK`` by matrix, in the order of the spectra."""
    rows = bulk.to_dict("records") if bulk is not None else []
    known = {
        _key_of(row): {
            "outside": {
                "asymptotic": (row["n_below"], row["n_above"]),
                "calibrated": (row["n_below_bound"], row["n_above_bound"]),
            },
            "has_law": not row["why"],
        }
        for row in rows
    }
    return {(key := _key_of(row)): _spectrum(row, known.get(key, {})) for row in spectra.to_dict("records")}


def _spectrum(row: Mapping[Any, Any], known: Mapping[str, Any]) -> Spectrum:
    values = row["singular_values"]
    n_lost = len(values) - numerical_rank(values, row["rounding_floor"])
    return Spectrum(values, row["n_out"], row["n_in"], n_lost=n_lost, **known)


def _key_of(row: Mapping[Any, Any]) -> MatrixKey:
    return MatrixKey(row["layer"], row["role"], row["expert"])


class ChosenRanks(NamedTuple):
    """One choice of singular values, for any matrix: its name, its decile (or 0), and the ranks it takes.

    Attributes
    ----------
    by_law : bool
        Whether the law of noise decides what it takes.
    """

    name: str
    decile: int
    ranks: Callable[[MatrixKey, Spectrum], np.ndarray]
    by_law: bool = False


def choices(entry: Cut) -> Iterator[ChosenRanks]:
    """Yield one choice for each cut that ``remove`` or ``keep`` of an entry asks for; a compression chooses none.

    Raises
    ------
    UserError
        For ranks in the wrong order, and, when a choice meets a matrix, for
        ranks that the matrix does not have.
    """
    values = entry.keep or entry.remove
    if values:
        yield from SELECTIONS[values.kind](values.value, entry.bounds)


def _deciles(deciles: Sequence[int], _: str) -> Iterator[ChosenRanks]:
    def taking(decile: int) -> Callable[[MatrixKey, Spectrum], np.ndarray]:
        return lambda _, spectrum: decile_ranks(spectrum.n_values, decile)

    for decile in deciles:
        yield ChosenRanks(f"decile {decile}", decile, taking(decile))


def _indices(first_and_last: Sequence[int], _: str) -> Iterator[ChosenRanks]:
    first, last = first_and_last
    if first > last:
        raise UserError(f"cuts: indices [{first}, {last}]: the first is larger than the last; swap them")

    def ranks(key: MatrixKey, spectrum: Spectrum) -> np.ndarray:
        if last >= spectrum.n_values:
            raise UserError(
                f"cuts: indices [{first}, {last}]: {key} has {spectrum.n_values} singular values, "
                f"numbered 0 to {spectrum.n_values - 1}; choose smaller indices or fewer matrices (roles, layers)"
            )
        return np.arange(first, last + 1)

    yield ChosenRanks(f"indices {first}-{last}", 0, ranks)


def _regions(regions: Sequence[str], bounds: str) -> Iterator[ChosenRanks]:
    def below(_: MatrixKey, spectrum: Spectrum) -> np.ndarray:
        n_told = spectrum.n_values - spectrum.n_lost
        return np.arange(n_told - spectrum.outside[bounds][0], n_told)

    def inside(_: MatrixKey, spectrum: Spectrum) -> np.ndarray:
        return spectrum.bulk(bounds)

    def above(_: MatrixKey, spectrum: Spectrum) -> np.ndarray:
        return np.arange(spectrum.outside[bounds][1])

    known = {"below": below, "inside": inside, "above": above}
    for region in regions:
        yield ChosenRanks(region + said_of(bounds), 0, known[region], by_law=True)


def said_of(bounds: str) -> str:
    """Return what a label adds for these bounds of the bulk: nothing for the published ones."""
    return "" if bounds == "asymptotic" else f" ({bounds})"


SELECTIONS: Mapping[str, Callable[[Any, str], Iterator[ChosenRanks]]] = {
    "deciles": _deciles,
    "indices": _indices,
    "region": _regions,
}
"""From a key of ``remove`` and ``keep`` in the configuration to what it chooses, one cut each."""
