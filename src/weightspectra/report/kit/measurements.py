"""What a report is made from."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import yaml

from weightspectra import contracts
from weightspectra.conclusions.storage import storage
from weightspectra.report.kit.storage import notices
from weightspectra.report.spectra.summaries import KEY

_WHOLE = (
    *(contracts.EVALUATIONS, contracts.PREDICTIONS, contracts.DIRECTIONS),
    *(contracts.FINETUNINGS, contracts.COMPARISONS),
    *(contracts.PROBES, contracts.KNOCKOUTS, contracts.SIMULATIONS, contracts.FINDINGS),
)
"""Contracts of which every column is presented."""

Shown = tuple[str, int, str]
"""Model, layer and role of a matrix that a figure shows closely."""


@dataclass(frozen=True)
class Measurements:
    """Everything that a report is made from: the rows of the contracts, and the names of the models.

    Attributes
    ----------
    matrices, bulk, levels, head_tests, tails, cleaning, information, overlaps : DataFrame
        Rows of the contracts of these names, without the columns that hold a
        list for each matrix; the last may be empty.
    evaluations, predictions, directions, finetunings, comparisons : DataFrame
        Rows of the contracts of these names with all columns; each may be empty.
    probes, knockouts, simulations : DataFrame
        The same, of the transformers that are trained here.
    findings : DataFrame
        Rows of ``contracts.FINDINGS``: every test, interval and verdict.
    locations : DataFrame
        Rows of ``contracts.LOCATIONS``: without lists and of all births, or
        whole and of the births that are drawn.
    learning, attention_maps : DataFrame
        Rows of these contracts of the births that are drawn, and of those whose attention is; none for tables.
    vector_counts : DataFrame
        From ``contracts.VECTOR_TESTS``, one row per matrix and side:
        see :func:`count_vectors`.
    spectra : DataFrame
        Rows of ``contracts.SPECTRA``; none if there is nothing to draw.
    shown_levels, shown_vectors : DataFrame
        All columns of ``contracts.LEVELS``, and those of
        ``contracts.VECTOR_TESTS`` that are drawn, for the matrices shown closely.
    controls : mapping
        From each random control to the model it is made like.
    titles : mapping
        From each model to what it is called, in the order of the report.
    origins : mapping
        From each model to the repository, package or folder it came from.
    births : mapping
        The trained births: from each name to its entry of the configuration.
    published : mapping
        Published numbers to compare with, as in ``config/published/``; may be empty.
    """

    matrices: pd.DataFrame
    bulk: pd.DataFrame
    levels: pd.DataFrame
    vector_counts: pd.DataFrame
    head_tests: pd.DataFrame
    tails: pd.DataFrame
    cleaning: pd.DataFrame
    information: pd.DataFrame
    overlaps: pd.DataFrame
    evaluations: pd.DataFrame
    predictions: pd.DataFrame
    directions: pd.DataFrame
    finetunings: pd.DataFrame
    comparisons: pd.DataFrame
    learning: pd.DataFrame
    probes: pd.DataFrame
    attention_maps: pd.DataFrame
    locations: pd.DataFrame
    knockouts: pd.DataFrame
    simulations: pd.DataFrame
    findings: pd.DataFrame
    spectra: pd.DataFrame
    shown_levels: pd.DataFrame
    shown_vectors: pd.DataFrame
    controls: Mapping[str, str]
    titles: Mapping[str, str]
    origins: Mapping[str, str] = field(default_factory=dict)
    births: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        files: Mapping[str, Sequence[str]],
        *,
        controls: Mapping[str, str],
        titles: Mapping[str, str],
        births: Mapping[str, Mapping[str, Any]] | None = None,
        figures: Iterable[Mapping[str, Any]] = (),
    ) -> "Measurements":
        """Read the contracts from their files, listed under the names of the attributes; no files are no rows.

        Parameters
        ----------
        files : mapping
            From the name of each contract to its files; beside them ``published``.
        controls, titles, births : mapping
            As the attributes.
        figures : iterable of mapping
            What the figures to draw show. Without any, whole spectra,
            single vectors and levels, and lists of births are not read.
        """
        wanted = list(figures)
        frames = {
            contract.name: _read(contract, files[contract.name], _scalars(contract))
            for contract in (
                *(contracts.MATRICES, contracts.BULK, contracts.LEVELS, contracts.HEAD_TESTS, contracts.TAILS),
                *(contracts.CLEANING, contracts.INFORMATION, contracts.OVERLAPS),
            )
        }
        for contract in _WHOLE:
            frames[contract.name] = _read(contract, files[contract.name])
        frames |= _drawn_births(files, wanted) if wanted else _tabulated_births(files)
        frames["spectra"] = _read(contracts.SPECTRA, files["spectra"] if wanted else [])
        shown = _shown_closely(wanted, controls)
        levels = _read(contracts.LEVELS, files["levels"] if shown else [])
        frames["shown_levels"] = _those(levels, shown)
        frames["vector_counts"], frames["shown_vectors"] = _vectors(files["vector_tests"], frames["bulk"], shown)
        sources = [contracts.read_provenance(path)["sources"] for path in files["sources"]]
        known = {name: source for found in sources for name, source in found.items() if name in titles}
        origins = {name: source["name"] for name, source in known.items()}
        published = {
            table: printed
            for path in files.get("published", ())
            for table, printed in yaml.safe_load(Path(path).read_text()).items()
        }
        return cls(
            **frames,
            controls=controls,
            titles=titles,
            origins=origins,
            births=births or {},
            published=published,
        )

    @property
    def trained(self) -> list[str]:
        """The models that are no random control."""
        present = set(self.bulk["model"])
        return [model for model in self.titles if model in present and model not in self.controls]

    def control_of(self, model: str) -> str | None:
        """Return the first random control of a model, if there is one."""
        return next((name for name, like in self.controls.items() if like == model), None)

    @property
    def notices(self) -> list[str]:
        """One warning for each model whose storage format reaches into its spectra."""
        return notices(storage(self.matrices, self.bulk), self.titles)


def count_vectors(rows: pd.DataFrame, level: Mapping[str, float]) -> pd.DataFrame:
    """Count the singular vectors that are no random directions, matrix by matrix and side by side.

    Parameters
    ----------
    rows : DataFrame
        From ``contracts.VECTOR_TESTS``, whole matrices.
    level : mapping
        From each model to the false discovery rate of its tests.

    Returns
    -------
    DataFrame
        model, layer, role, expert, side, n_vectors, n_nonrandom (q_value at
        most the level) and n_localised (participation_q_value at most the level).
    """
    limit = rows["model"].map(dict(level))
    told = rows[[*KEY, "side"]].assign(
        nonrandom=rows["q_value"] <= limit, localised=rows["participation_q_value"] <= limit
    )
    counted = told.groupby([*KEY, "side"], sort=False).agg(
        n_vectors=("nonrandom", "size"), n_nonrandom=("nonrandom", "sum"), n_localised=("localised", "sum")
    )
    return counted.reset_index()


def _vectors(paths: Sequence[str], bulk: pd.DataFrame, shown: Collection[Shown]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the vectors, and keep those of the matrices shown, holding no more than one part at a time."""
    level = {str(model): float(found) for model, found in bulk.groupby("model")["level"].first().items()}
    counted, kept = [*KEY, "side", "q_value", "participation_q_value"], ["index", "window_p_value"]
    counts, rows = [], []
    for path in paths:
        part = contracts.VECTOR_TESTS.read(path, [*counted, *kept] if shown else counted)
        counts.append(count_vectors(part, level))
        rows.append(_those(part, shown))
    empty = _read(contracts.VECTOR_TESTS, [])
    return (
        pd.concat(counts, ignore_index=True) if counts else count_vectors(empty, level),
        pd.concat(rows, ignore_index=True) if rows else empty,
    )


def _tabulated_births(files: Mapping[str, Sequence[str]]) -> dict[str, pd.DataFrame]:
    return {
        "learning": _read(contracts.LEARNING, []),
        "attention_maps": _read(contracts.ATTENTION_MAPS, []),
        "locations": _read(contracts.LOCATIONS, files["locations"], _scalars(contracts.LOCATIONS)),
    }


def _drawn_births(files: Mapping[str, Sequence[str]], figures: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Read of each birth what the figures that name it need: attention only where that is what they show."""
    drawn = {birth for wanted in figures for birth in wanted.get("births", ())}
    looked = {birth for wanted in figures if "attention" in wanted["kind"] for birth in wanted.get("births", ())}
    whole = ((contracts.LEARNING, drawn), (contracts.ATTENTION_MAPS, looked), (contracts.LOCATIONS, drawn))
    return {
        contract.name: _read(contract, [path for path in files[contract.name] if _tells_of(contract, path, births)])
        for contract, births in whole
    }


def _tells_of(contract: contracts.Contract, path: str, births: Collection[str]) -> bool:
    return bool(births) and bool(contract.read(path, ["birth"])["birth"].isin(births).any())


def _shown_closely(figures: Iterable[Mapping[str, Any]], controls: Mapping[str, str]) -> set[Shown]:
    """Return the matrices that close-ups show, and the same ones of the random controls."""
    named = {(wanted["model"], wanted["block"], wanted["role"]) for wanted in figures if wanted["kind"] == "matrix"}
    return named | {
        (control, layer, role) for model, layer, role in named for control, like in controls.items() if like == model
    }


def _those(rows: pd.DataFrame, shown: Collection[Shown]) -> pd.DataFrame:
    chosen = pd.Series(False, index=rows.index)
    for model, layer, role in sorted(shown):
        chosen |= (rows["layer"] == layer) & (rows["role"] == role) & (rows["model"] == model)
    return rows[chosen]


def _scalars(contract: contracts.Contract) -> list[str]:
    return [column.name for column in contract.columns if not pa.types.is_list(column.type)]


def _read(contract: contracts.Contract, paths: Sequence[str], columns: list[str] | None = None) -> pd.DataFrame:
    if paths:
        return contract.read(paths, columns)
    empty: pd.DataFrame = contract.schema.empty_table().to_pandas()
    return empty[columns] if columns else empty
