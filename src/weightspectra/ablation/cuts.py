"""Which singular values an experiment removes: from its configuration to ranks in each matrix."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from weightspectra.ablation.truncation import Edit, Removal
from weightspectra.contracts import ROLES, MatrixKey
from weightspectra.errors import UserError
from weightspectra.spectra.deciles import decile_ranks


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
    """

    singular_values: np.ndarray
    n_out: int
    n_in: int
    outside: Mapping[str, tuple[int, int]] = {}

    @property
    def n_values(self) -> int:
        """Number of singular values, min(n_out, n_in)."""
        return len(self.singular_values)


def spectra_of(spectra: pd.DataFrame, bulk: pd.DataFrame | None = None) -> dict[MatrixKey, Spectrum]:
    """Join rows of ``contracts.SPECTRA`` and, if given, ``contracts.BULK`` by matrix, in the order of the spectra."""
    rows = bulk.to_dict("records") if bulk is not None else []
    outside = {
        _key_of(row): {
            "asymptotic": (row["n_below"], row["n_above"]),
            "calibrated": (row["n_below_bound"], row["n_above_bound"]),
        }
        for row in rows
    }
    return {
        (key := _key_of(row)): Spectrum(row["singular_values"], row["n_out"], row["n_in"], outside.get(key, {}))
        for row in spectra.to_dict("records")
    }


def _key_of(row: Mapping[Any, Any]) -> MatrixKey:
    return MatrixKey(row["layer"], row["role"], row["expert"])


@dataclass(frozen=True, eq=False)
class Cut:
    """Singular values that are removed together.

    Attributes
    ----------
    label : str
        Unique within an experiment, for example ``"decile 1 of down"``.
    scope : str
        How matrices were grouped: ``role``, ``layer``, ``matrix`` or ``all`` (``none`` for the untouched model).
    removed : str
        Which values, for example ``"decile 1"``.
    decile : int
        1 (smallest) to 10 (largest); 0 if the cut is no decile.
    edits : dict from MatrixKey to Edit
        What happens to each matrix of the group. One that loses nothing is listed, too.
    control_of : str
        Label of the cut that this one is a matched control of; empty if it is none.
    """

    label: str
    scope: str
    removed: str
    decile: int
    edits: Mapping[MatrixKey, Edit]
    control_of: str = ""

    @property
    def n_removed(self) -> int:
        """Singular values removed, over all matrices; for one head, those removed from its part."""
        return sum(edit.n_removed for edit in self.edits.values())

    @property
    def roles(self) -> list[str]:
        """Roles of the matrices, in the order of ``contracts.ROLES``."""
        return sorted({key.role for key in self.edits}, key=ROLES.index)

    @property
    def layers(self) -> list[int]:
        """Layers of the matrices, ascending."""
        return sorted({key.layer for key in self.edits})


NOTHING = Cut(label="none", scope="none", removed="none", decile=0, edits={})
"""The cut that leaves the model as it is."""


class Choice(NamedTuple):
    """One choice of singular values, for any matrix: its name, its decile (or 0), and the ranks it takes."""

    name: str
    decile: int
    ranks: Callable[[MatrixKey, Spectrum], np.ndarray]


def plan_cuts(entries: Sequence[Mapping[str, Any]], spectra: Mapping[MatrixKey, Spectrum]) -> list[Cut]:
    """Turn an experiment's ``cuts`` into the cuts to evaluate, in the order of the configuration.

    Each entry is spread over its groups of matrices (``scope``) and, within a
    group, over what it removes. A cut that two entries describe alike is made once.

    Parameters
    ----------
    entries : sequence of mapping
        ``remove`` (exactly one of ``deciles``, ``indices``, ``region``),
        ``scope``, and optionally ``roles`` and ``layers``.
    spectra : mapping from MatrixKey to Spectrum
        Every matrix of the model.

    Raises
    ------
    UserError
        For a role or layer that the model lacks, and for ranks that a matrix does not have.
    """
    cuts: dict[str, Cut] = {}
    for entry in entries:
        scope = entry.get("scope", "role")
        ((kind, wanted),) = entry["remove"].items()
        for group in GROUPINGS[scope](_selected(entry, spectra)):
            where = _describe(scope, group, list(spectra))
            for choice in REMOVALS[kind](wanted):
                edits = {
                    key: Removal(choice.ranks(key, spectra[key]), spectra[key].n_out, spectra[key].n_in)
                    for key in group
                }
                label = f"{choice.name} of {where}"
                cuts.setdefault(label, Cut(label, scope, choice.name, choice.decile, edits))
    return list(cuts.values())


def _remove_deciles(deciles: Sequence[int]) -> Iterator[Choice]:
    def taking(decile: int) -> Callable[[MatrixKey, Spectrum], np.ndarray]:
        return lambda _, spectrum: decile_ranks(spectrum.n_values, decile)

    for decile in deciles:
        yield Choice(f"decile {decile}", decile, taking(decile))


def _remove_indices(first_and_last: Sequence[int]) -> Iterator[Choice]:
    first, last = first_and_last
    if first > last:
        raise UserError(f"cuts: remove indices [{first}, {last}]: the first is larger than the last; swap them")

    def ranks(key: MatrixKey, spectrum: Spectrum) -> np.ndarray:
        if last >= spectrum.n_values:
            raise UserError(
                f"cuts: remove indices [{first}, {last}]: {key} has {spectrum.n_values} singular values, "
                f"numbered 0 to {spectrum.n_values - 1}; choose smaller indices or fewer matrices (roles, layers)"
            )
        return np.arange(first, last + 1)

    yield Choice(f"indices {first}-{last}", 0, ranks)


def _remove_regions(regions: Sequence[str]) -> Iterator[Choice]:
    def below(_: MatrixKey, spectrum: Spectrum) -> np.ndarray:
        return np.arange(spectrum.n_values - spectrum.outside["asymptotic"][0], spectrum.n_values)

    def above(_: MatrixKey, spectrum: Spectrum) -> np.ndarray:
        return np.arange(spectrum.outside["asymptotic"][1])

    known = {"below": below, "above": above}
    for region in regions:
        yield Choice(region, 0, known[region])


REMOVALS: Mapping[str, Callable[[Any], Iterator[Choice]]] = {
    "deciles": _remove_deciles,
    "indices": _remove_indices,
    "region": _remove_regions,
}
"""From a key of ``remove`` in the configuration to what it removes, one cut each."""


def _by(part: Callable[[MatrixKey], Any]) -> Callable[[list[MatrixKey]], list[list[MatrixKey]]]:
    def grouped(keys: list[MatrixKey]) -> list[list[MatrixKey]]:
        groups: dict[Any, list[MatrixKey]] = {}
        for key in keys:
            groups.setdefault(part(key), []).append(key)
        return list(groups.values())

    return grouped


GROUPINGS: Mapping[str, Callable[[list[MatrixKey]], list[list[MatrixKey]]]] = {
    "role": _by(lambda key: key.role),
    "layer": _by(lambda key: key.layer),
    "matrix": _by(lambda key: key),
    "all": _by(lambda key: None),
}
"""From a ``scope`` of the configuration to the groups of matrices that one cut takes together."""


def _selected(entry: Mapping[str, Any], spectra: Mapping[MatrixKey, Spectrum]) -> list[MatrixKey]:
    """Return the matrices that pass the entry's filters: by role, then layer, then expert."""
    roles = [role for role in ROLES if any(key.role == role for key in spectra)]
    layers = sorted({key.layer for key in spectra})
    wanted_roles, wanted_layers = entry.get("roles", roles), entry.get("layers", layers)
    for role in wanted_roles:
        if role not in roles:
            raise UserError(f"cuts: the model has no '{role}' matrices; it has {', '.join(roles)}")
    for layer in wanted_layers:
        if layer not in layers:
            raise UserError(f"cuts: the model has no layer {layer}; it has layers {_ranges(layers)}")
    chosen = [key for key in spectra if key.role in wanted_roles and key.layer in wanted_layers]
    if not chosen:
        raise UserError(
            f"cuts: no matrix is both one of {', '.join(wanted_roles)} and in layers {_ranges(wanted_layers)}; "
            "choose other roles or layers"
        )
    return sorted(chosen, key=lambda key: (ROLES.index(key.role), key.layer, key.expert))


def _describe(scope: str, group: list[MatrixKey], model: list[MatrixKey]) -> str:
    """Name a group of matrices, and its restrictions only where it has any."""
    roles, layers = list(dict.fromkeys(key.role for key in group)), sorted({key.layer for key in group})
    fewer_roles = set(roles) != {key.role for key in model if key.layer in layers}
    fewer_layers = set(layers) != {key.layer for key in model if key.role in roles}
    if scope == "matrix":
        (key,) = group
        experts = sum(other[:2] == key[:2] for other in model)
        return f"layer {key.layer} {key.role}" + (f" expert {key.expert}" if experts > 1 else "")
    if scope == "layer":
        return f"layer {layers[0]}" + (f" ({', '.join(roles)})" if fewer_roles else "")
    names = ", ".join(roles) if scope == "role" or fewer_roles else "all matrices"
    return names + (f" in layers {_ranges(layers)}" if fewer_layers else "")


def _ranges(numbers: Sequence[int]) -> str:
    """Spell ascending numbers with runs joined: ``"0-3, 7"``."""
    ordered = sorted(numbers)
    starts = [ordered[0], *(after for before, after in pairwise(ordered) if after != before + 1)]
    ends = [*(before for before, after in pairwise(ordered) if after != before + 1), ordered[-1]]
    return ", ".join(
        f"{first}" if first == last else f"{first}-{last}" for first, last in zip(starts, ends, strict=True)
    )
