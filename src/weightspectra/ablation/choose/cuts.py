"""What an experiment does to a model: from its configuration to cuts, each an edit of several matrices."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from weightspectra.ablation import settings
from weightspectra.ablation.choose.controls import Control, Ranks, Unmatched, controls
from weightspectra.ablation.choose.scopes import Group, groups_of
from weightspectra.ablation.choose.selection import ChosenRanks, Spectrum, choices
from weightspectra.ablation.edit.truncation import Edit, Removal
from weightspectra.base.errors import UserError
from weightspectra.contracts import ROLES, MatrixKey


@dataclass(frozen=True, eq=False)
class PlannedCut:
    """Singular values that go together, or another edit of several matrices.

    Attributes
    ----------
    label : str
        Unique within an experiment, for example ``"decile 1 of down"``.
    scope : str
        How matrices were grouped: ``role``, ``layer``, ``matrix``, ``head`` or
        ``all`` (``none`` for the untouched model).
    removed : str
        Which values, for example ``"decile 1"`` or ``"all but decile 1"``.
    decile : int
        1 (smallest) to 10 (largest); 0 if the cut does not remove a decile.
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


NOTHING = PlannedCut(label="none", scope="none", removed="none", decile=0, edits={})
"""The cut that leaves the model as it is."""


class Compressor(Protocol):
    """What turns ``compress`` of the configuration into edits."""

    def __call__(
        self, wanted: settings.Compress, keys: Sequence[MatrixKey]
    ) -> Iterator[tuple[str, Mapping[MatrixKey, Edit]]]:
        """Yield, for one group of matrices, each method and size by name with its edits."""


def plan_cuts(
    entries: Sequence[settings.Cut],
    spectra: Mapping[MatrixKey, Spectrum],
    *,
    seed: int = 0,
    model: str = "",
    head_counts: Mapping[str, int] | None = None,
    compressor: Compressor | None = None,
) -> list[PlannedCut]:
    """Turn an experiment's ``cuts`` into the cuts to evaluate, in the order of the configuration.

    Each entry is spread over its groups of matrices (``scope``) and, within a group, over what it removes, keeps or
    compresses. Every cut is followed by its matched controls; one that cannot be built is left out, with a line on
    standard error. A cut that two entries describe alike is made once.

    Parameters
    ----------
    entries : sequence of settings.Cut
    spectra : mapping from MatrixKey to Spectrum
        Every matrix of the model.
    seed : int
        Of random windows.
    model : str
        Its name; random windows differ between models.
    head_counts : mapping from role to int, optional
        Into how many heads each attention matrix is divided, for the scope ``head``.
    compressor : Compressor, optional
        For ``compress``.

    Raises
    ------
    UserError
        For a role, layer or head that the model lacks, ranks that a matrix does not have, controls of a compression.

    Notes
    -----
    The scope ``head`` takes, of everything that a cut removes from a whole
    attention matrix, what lies in one head: ``W_h' = W_h - (U_r U_r' W)_h`` with the
    head's rows (columns, for the attention output). Singular vectors belong to
    the whole matrix and mix its heads, so that the question "what does this
    decile do, and in which heads" has parts that add up: the cuts of all heads
    together are the cut of the matrix. It is no statement on the singular values of the
    head's own slice of the matrix, whose rank need not fall at all.

    A ``keep`` removes the complement within each matrix, and its controls keep
    what matches the values kept.
    """
    shapes = {key: (spectrum.n_out, spectrum.n_in) for key, spectrum in spectra.items()}
    cuts: dict[str, PlannedCut] = {}
    matched: dict[str, dict[str, PlannedCut]] = {}
    for entry in entries:
        for group in groups_of(entry, shapes, head_counts or {}):
            if entry.compress:
                found = _compressed(entry, entry.compress, group, compressor)
            else:
                found = _removed(entry, group, spectra, seed=seed, model=model)
            for cut, beside in found:
                cuts.setdefault(cut.label, cut)
                matched.setdefault(cut.label, {}).update({control.label: control for control in beside})
    return [each for label, cut in cuts.items() for each in (cut, *matched[label].values())]


def _compressed(
    entry: settings.Cut, wanted: settings.Compress, group: Group, compressor: Compressor | None
) -> Iterator[tuple[PlannedCut, list[PlannedCut]]]:
    """Yield one cut for each method and size; none has controls."""
    if compressor is None:
        raise ValueError("plan_cuts needs a compressor for 'compress'")
    if entry.controls:
        raise UserError("cuts: controls go with remove or keep; a compression's baseline is the method svd: list it")
    if entry.scope == "head":
        raise UserError("cuts: compress takes whole matrices; choose another scope than head")
    for name, edits in compressor(wanted, list(group.parts)):
        yield PlannedCut(f"{name} of {group.where}", entry.scope, name, 0, edits), []


def _removed(
    entry: settings.Cut, group: Group, spectra: Mapping[MatrixKey, Spectrum], *, seed: int, model: str
) -> Iterator[tuple[PlannedCut, list[PlannedCut]]]:
    """Yield each cut of one group with its controls."""
    keeps = entry.keep is not None

    def cut(chosen: Ranks, label: str, name: str, decile: int = 0, control_of: str = "") -> PlannedCut:
        edits = {}
        for key, (rows, columns) in group.parts.items():
            n_out, n_in = spectra[key].n_out, spectra[key].n_in
            gone = np.setdiff1d(np.arange(min(n_out, n_in)), chosen[key]) if keeps else chosen[key]
            edits[key] = Removal(gone, n_out, n_in, rows, columns)
        removed = f"all but {name}" if keeps else name
        return PlannedCut(label, entry.scope, removed, 0 if keeps else decile, edits, control_of)

    for choice in choices(entry):
        chosen = {key: choice.ranks(key, spectra[key]) for key in group.parts}
        _say_what_is_lost(choice, chosen, spectra, group.where)
        label = f"{'only ' if keeps else ''}{choice.name} of {group.where}"
        beside = []
        for control in _controls_of(entry, label, chosen, seed=seed, model=model):
            name = f"{control.name} {label}{control.after}"
            try:
                ranks = control.of(chosen, spectra)
            except Unmatched as reason:
                print(f"cuts: '{name}' is left out: {reason}", file=sys.stderr)
                continue
            beside.append(cut(ranks, name, f"{control.name} {choice.name}{control.after}", control_of=label))
        yield cut(chosen, label, choice.name, choice.decile), beside


def _say_what_is_lost(choice: ChosenRanks, chosen: Ranks, spectra: Mapping[MatrixKey, Spectrum], where: str) -> None:
    """Say of which matrices a choice takes what an earlier truncation took already, or nothing for want of a law."""
    lost = sum(
        len(ranks) > 0 and ranks.min() >= spectra[key].n_values - spectra[key].n_lost for key, ranks in chosen.items()
    )
    lawless = sum(bool(spectra[key].outside) and not spectra[key].has_law for key in chosen)
    name = f"cuts: '{choice.name} of {where}'"
    if lost:
        print(
            f"{name}: in {lost} of {len(chosen)} matrices all these values lie below the rounding floor",
            file=sys.stderr,
        )
    if lawless and choice.by_law:
        print(
            f"{name}: {lawless} of {len(chosen)} matrices have no law, and give none: too much is lost in rounding",
            file=sys.stderr,
        )


def _controls_of(entry: settings.Cut, label: str, chosen: Ranks, *, seed: int, model: str) -> Sequence[Control]:
    if entry.controls and not any(len(ranks) for ranks in chosen.values()):
        print(f"cuts: '{label}' has no controls: there are no such values", file=sys.stderr)
        return []
    found = controls(entry.controls, label, bounds=entry.bounds, n_random=entry.n_random, seed=seed, model=model)
    return list(found)
