"""What a report is made from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import yaml

from weightspectra import contracts
from weightspectra.conclusions.random_controls import models
from weightspectra.report.kit.exhibit import Entry, Named
from weightspectra.report.kit.storage import coarse_models, notices

_SCALARS = (
    *(contracts.MATRICES, contracts.BULK, contracts.HEAD_TESTS, contracts.TAILS),
    *(contracts.CLEANING, contracts.INFORMATION, contracts.OVERLAPS),
)
"""Contracts of which columns of lists are never presented."""

_DRAWN = (contracts.LEVELS, contracts.LOCATIONS)
"""Contracts of which columns of lists are presented in figures only."""

_WHOLE = (
    *(contracts.EVALUATIONS, contracts.PREDICTIONS, contracts.DIRECTIONS),
    *(contracts.FINETUNINGS, contracts.COMPARISONS),
    *(contracts.PROBES, contracts.KNOCKOUTS, contracts.SIMULATIONS, contracts.FINDINGS),
)
"""Contracts of which every column is presented."""

_ONLY_DRAWN = (contracts.SPECTRA, contracts.ATTENTION_MAPS)
"""Contracts that are presented in figures only."""


class _Unread:
    """What stands for the rows of a contract that an exhibit does not declare to read."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no '{name}': the exhibit does not declare that it reads these measurements")


UNREAD: Any = _Unread()

KEY = ["model", *contracts.KEY_COLUMNS]
"""Columns that name one weight matrix."""

Shown = tuple[str, int, str]
"""Model, layer and role of a matrix that a figure shows closely."""


@dataclass(frozen=True)
class Measurements:
    """What exhibits and findings are made from: rows of the contracts, and the names of the models.

    Attributes
    ----------
    matrices, bulk, levels, head_tests, tails, cleaning, information, overlaps : DataFrame
        Rows of the contracts of these names, without the columns that hold a list for each matrix.
    evaluations, predictions, directions, finetunings, comparisons : DataFrame
        Rows of the contracts of these names with all columns; each may be empty.
    probes, knockouts, simulations : DataFrame
        The same, of the transformers that are trained here.
    findings : DataFrame
        Rows of ``contracts.FINDINGS``: every test, interval and verdict.
    locations : DataFrame
        Rows of ``contracts.LOCATIONS``; with lists for figures.
    attention_maps, spectra : DataFrame
        Rows of these contracts; for figures only.
    shown_levels, shown_vectors : DataFrame
        All columns of ``contracts.LEVELS``, and those of
        ``contracts.VECTOR_TESTS`` that are drawn, for the matrices shown closely.
    controls : mapping
        From each random control to the model it is made like.
    structured : mapping
        The same of structure-keeping controls.
    titles : mapping
        From each model to what it is called, in the order of the report.
    origins : mapping
        From each model to the repository, package or folder it came from.
    births : mapping
        The trained births: from each name to its settings, plain (``births_of`` makes them sections).
    published : mapping
        Published numbers to compare with, as in ``config/published/``; may be empty.
    """

    controls: Mapping[str, str]
    titles: Mapping[str, str]
    births: Mapping[str, Any] = field(default_factory=dict)
    structured: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)
    matrices: pd.DataFrame = UNREAD
    bulk: pd.DataFrame = UNREAD
    levels: pd.DataFrame = UNREAD
    head_tests: pd.DataFrame = UNREAD
    tails: pd.DataFrame = UNREAD
    cleaning: pd.DataFrame = UNREAD
    information: pd.DataFrame = UNREAD
    overlaps: pd.DataFrame = UNREAD
    evaluations: pd.DataFrame = UNREAD
    predictions: pd.DataFrame = UNREAD
    directions: pd.DataFrame = UNREAD
    finetunings: pd.DataFrame = UNREAD
    comparisons: pd.DataFrame = UNREAD
    probes: pd.DataFrame = UNREAD
    attention_maps: pd.DataFrame = UNREAD
    locations: pd.DataFrame = UNREAD
    knockouts: pd.DataFrame = UNREAD
    simulations: pd.DataFrame = UNREAD
    findings: pd.DataFrame = UNREAD
    spectra: pd.DataFrame = UNREAD
    shown_levels: pd.DataFrame = UNREAD
    shown_vectors: pd.DataFrame = UNREAD

    @classmethod
    def read(
        cls,
        files: Mapping[str, Sequence[str]],
        named: Named,
        drawn: Entry | None = None,
    ) -> "Measurements":
        """Read contracts from their files, listed under the contracts' names; no files are no rows.

        Parameters
        ----------
        files : mapping
            From the name of each contract to read to its files; beside them ``sources`` and ``published``.
        named : Named
            ``controls``, ``structured``, ``titles`` and ``births``.
        drawn : mapping, optional
            The entry of the figure to draw. Without any, whole spectra, single
            vectors and lists are not read.
        """
        frames = {}
        for contract in (*_SCALARS, *_DRAWN, *_WHOLE, *(_ONLY_DRAWN if drawn else ())):
            if contract.name in files:
                lists = contract in _WHOLE or (drawn and contract not in _SCALARS)
                frames[contract.name] = _read(contract, files[contract.name], None if lists else _scalars(contract))
        shown = _shown_closely(drawn or {})
        if "levels" in files:
            frames["shown_levels"] = _those(frames["levels"], shown)
        if drawn and "vector_tests" in files:
            frames["shown_vectors"] = _vectors(files["vector_tests"], shown)
        sources = [contracts.read_provenance(path)["sources"] for path in files.get("sources", ())]
        known = {name: source for found in sources for name, source in found.items() if name in named.titles}
        return cls(
            **frames,
            controls=named.controls,
            structured=named.structured,
            titles=named.titles,
            origins={name: source["name"] for name, source in known.items()},
            births=named.births,
            published={
                table: printed
                for path in files.get("published", ())
                for table, printed in yaml.safe_load(Path(path).read_text()).items()
            },
        )

    @property
    def trained(self) -> list[str]:
        """The models that are no control of either kind."""
        present = set(self.bulk["model"])
        return [model for model in models(self.titles, self.controls, self.structured) if model in present]

    @property
    def notices(self) -> list[str]:
        """One warning for each model whose storage format reaches into its spectra."""
        return notices(self.findings, self.titles)

    @property
    def coarse(self) -> list[str]:
        """The same in one sentence, for what speaks of cuts."""
        return coarse_models(self.findings, self.titles, self.titles)


def _vectors(paths: Sequence[str], shown: Collection[Shown]) -> pd.DataFrame:
    """Read the vectors of the matrices shown, holding no more than one part at a time."""
    columns = [*KEY, "side", "q_value", "index", "window_p_value"]
    parts = [_those(contracts.VECTOR_TESTS.read(path, columns), shown) for path in paths]
    return pd.concat(parts, ignore_index=True) if parts else contracts.VECTOR_TESTS.empty(columns)


def _shown_closely(drawn: Entry) -> set[Shown]:
    """Return the matrix that a close-up shows, and the same one of the random control."""
    if drawn.get("kind") != "matrix":
        return set()
    models = (drawn["model"], drawn["control"])
    return {(model, drawn["block"], drawn["role"]) for model in models if model is not None}


def _those(rows: pd.DataFrame, shown: Collection[Shown]) -> pd.DataFrame:
    chosen = pd.Series(False, index=rows.index)
    for model, layer, role in sorted(shown):
        chosen |= (rows["layer"] == layer) & (rows["role"] == role) & (rows["model"] == model)
    return rows[chosen]


def _scalars(contract: contracts.Contract) -> list[str]:
    return [column.name for column in contract.columns if not pa.types.is_list(column.type)]


def _read(contract: contracts.Contract, paths: Sequence[str], columns: list[str] | None = None) -> pd.DataFrame:
    return contract.read(paths, columns) if paths else contract.empty(columns)
