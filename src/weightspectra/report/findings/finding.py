"""What a finding is, and what sentences are made from: rows of ``contracts.FINDINGS``, and nothing else."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from weightspectra.birth.settings import Birth
from weightspectra.contracts.conclusions import HOLDS
from weightspectra.report.kit import wording
from weightspectra.report.kit.rows import where

Row = Mapping[Hashable, Any]
"""One conclusion."""

MAX_NAMED = 6
"""Cuts named in one sentence."""


@dataclass(frozen=True)
class Finding:
    """One finding in words.

    Attributes
    ----------
    headline : str
        The result in one line.
    sentences : sequence of str
        The numbers behind it, with their uncertainty and null, one line of thought each.
    """

    headline: str
    sentences: Sequence[str]


@dataclass(frozen=True)
class Conclusions:
    """Rows of ``contracts.FINDINGS``, and what people call models and births.

    Attributes
    ----------
    rows : DataFrame
    titles : mapping
        From each model to its title.
    controls : mapping
        From each random control to the model that it is made like.
    births : mapping
        From each birth to its settings.
    structured : mapping
        From each structure-keeping control to the model that it is made like.
    """

    rows: pd.DataFrame
    titles: Mapping[str, str]
    controls: Mapping[str, str] = field(default_factory=dict)
    births: Mapping[str, Birth] = field(default_factory=dict)
    structured: Mapping[str, str] = field(default_factory=dict)

    def of(self, claim: str, **names: Any) -> pd.DataFrame:
        """Return the rows of one claim whose columns have these values."""
        return where(self.rows, {"claim": claim, **names})

    def one(self, claim: str, **names: Any) -> Row | None:
        """Return the first of these rows; None if there is none."""
        return next(iter(self.of(claim, **names).to_dict("records")), None)

    def trained(self, claim: str, **names: Any) -> pd.DataFrame:
        """Return those of models that are no control of either kind."""
        rows = self.of(claim, **names)
        return rows[~rows["model"].isin({*self.controls, *self.structured})]

    def random(self, claim: str, **names: Any) -> pd.DataFrame:
        """Return those of random controls."""
        rows = self.of(claim, **names)
        return rows[rows["model"].isin(self.controls)]

    def title(self, model: str) -> str:
        """Return what a model is called; one that is not shown, by its name."""
        return self.titles.get(model, model)


def each(rows: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield the values of these columns, each combination once, in the order of the rows, and its rows last."""
    for values, part in rows.groupby(list(columns), sort=False):
        yield (*values, part)


def counted(row: Row) -> tuple[int, int]:
    """Return of a share how many there are, and of how many."""
    n = int(row["n"])
    return (round(row["number"] * n) if n else 0), n


def share_of(row: Row) -> str:
    """Spell a share with its counts: ``"12.3 % (123 of 1,000)"``."""
    return wording.share(*counted(row))


def holds(rows: pd.DataFrame) -> pd.Series:
    """Return of which rows the claim holds."""
    return rows["verdict"] == HOLDS


def worse(rows: pd.DataFrame) -> pd.Series:
    """Return whose number is to the worse, by what its metric wants."""
    return (rows["number"] > 0) == (rows["worse_if"] == "larger")


def named_changes(rows: pd.DataFrame) -> str:
    """Name the cuts that change most, with their changes."""
    ordered = rows.reindex(rows["number"].abs().sort_values(ascending=False, kind="stable").index)
    named = [f"{cut} {wording.signed_number(d)}" for cut, d in ordered[["cut", "number"]].to_numpy()[:MAX_NAMED]]
    others = [f"{len(rows) - MAX_NAMED} others"] if len(rows) > MAX_NAMED else []
    return wording.listing([*named, *others])
