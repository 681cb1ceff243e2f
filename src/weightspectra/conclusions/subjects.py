"""Every subject: what its conclusions are drawn from, and who draws them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from weightspectra import contracts
from weightspectra.conclusions import bounds, differences, ends, finetuning, overlap, prediction, storage
from weightspectra.conclusions.births import conclude as births
from weightspectra.conclusions.cuts import compression, controls, copies, costs, tasks, windows
from weightspectra.conclusions.noise import spacings, vectors
from weightspectra.conclusions.told import TOLD, subjects_of


@dataclass(frozen=True)
class Subject:
    """One subject.

    Attributes
    ----------
    conclude : callable
        From data frames, under the names of their contracts, to rows of ``contracts.FINDINGS``.
    reads : mapping
        From the name of each contract to the columns that are read; none: all.
    """

    conclude: Callable[..., pd.DataFrame]
    reads: Mapping[str, Sequence[str]]


_KEY = ("model", *contracts.KEY_COLUMNS)
_IDENTITY = (*_KEY, "sha256")
_STORED = (*_KEY, "n_out", "n_in", "dtype", "rounding_std", "frobenius_norm")
_FIT = (
    *("why", "n_values", "n_below_floor", "n_above_bound", "n_below_bound", "n_above_profile", "n_below_profile"),
    *("bulk_p_value", "level"),
)
_FLOOR = ("n_values", "n_below", "edge_lower", "rounding_floor", "n_below_floor", "why")
_MAP = (*_KEY, "region", "information", "information_low")
_SCORED = (
    *("birth", "seed", "iteration", "matrix", "locator", "entry_std", "bound", "n_located", "n_true", "n_learned"),
    *("n_visible", "precision", "recall"),
)

SUBJECTS: Mapping[str, Subject] = {
    "bounds": Subject(bounds.conclude, {"bulk": (*_KEY, *_FIT), "matrices": _IDENTITY}),
    "ends": Subject(
        ends.conclude,
        {
            "information": _MAP,
            "bulk": ("model",),
            "matrices": _IDENTITY,
        },
    ),
    "vectors": Subject(
        vectors.conclude,
        {"vector_tests": ("model", "role", "side", "q_value", "participation_q_value"), "bulk": ("model", "level")},
    ),
    "spacings": Subject(
        spacings.conclude, {"levels": (*_KEY, "unfolding", "spacing_p_value"), "bulk": (*_KEY, "level")}
    ),
    "overlap": Subject(
        overlap.conclude,
        {
            "overlaps": (*_KEY, "corpus", "singular_value", "overlap", "null_high"),
            "bulk": (*_KEY, "edge_lower", "edge_upper"),
        },
    ),
    "costs": Subject(costs.conclude, {"evaluations": ()}),
    "controls": Subject(controls.conclude, {"evaluations": ()}),
    "tasks": Subject(tasks.conclude, {"evaluations": ()}),
    "copies": Subject(copies.conclude, {"evaluations": ()}),
    "windows": Subject(windows.conclude, {"evaluations": ()}),
    "compression": Subject(compression.conclude, {"evaluations": ()}),
    "prediction": Subject(prediction.conclude, {"predictions": (), "directions": (), "evaluations": ()}),
    "finetuning": Subject(finetuning.conclude, {"finetunings": ()}),
    "differences": Subject(differences.conclude, {"comparisons": ()}),
    "births": Subject(births.conclude, {"probes": (), "locations": _SCORED, "knockouts": ()}),
    "storage": Subject(
        storage.conclude,
        {"matrices": _STORED, "bulk": (*_KEY, *_FLOOR)},
    ),
}
"""From each subject to what it needs, in the order in which all conclusions are gathered."""


def conclude(name: str, files: Mapping[str, Sequence[str]], options: Mapping[str, Any]) -> pd.DataFrame:
    """Draw the conclusions of one file.

    Parameters
    ----------
    name : str
        A key of ``SUBJECTS`` or of ``TOGETHER``, and after a slash what it is of.
    files : mapping
        From the name of each contract that is read to the files; none are no rows.
    options : mapping
        What :func:`weightspectra.conclusions.told.options_of` says that it is told of the configuration.

    Returns
    -------
    DataFrame
        Rows of ``contracts.FINDINGS``.
    """
    frames: dict[tuple[str, Sequence[str]], pd.DataFrame] = {}
    drawn = []
    for subject in subjects_of(name):
        wanted = SUBJECTS[subject]
        for contract, columns in wanted.reads.items():
            if (contract, columns) not in frames:
                frames[contract, columns] = _read(contract, files.get(contract, ()), list(columns))
        measured = {contract: frames[contract, columns] for contract, columns in wanted.reads.items()}
        drawn.append(wanted.conclude(**measured, **{option: options[option] for option in TOLD.get(subject, ())}))
    return pd.concat([rows for rows in drawn if len(rows)] or drawn[:1], ignore_index=True)


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return conclusions subject by subject, as ``SUBJECTS`` lists them, each in the order in which it was drawn."""
    places = {subject: place for place, subject in enumerate(SUBJECTS)}
    return rows.sort_values("subject", key=lambda names: names.map(places), kind="stable", ignore_index=True)


def _read(name: str, paths: Sequence[str], columns: list[str]) -> pd.DataFrame:
    contract = next(contract for contract in contracts.ALL if contract.name == name)
    return contract.read(paths, columns or None) if paths else contract.empty(columns)
