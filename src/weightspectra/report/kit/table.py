"""What a table is: numbers for machines, strings for people, and the notes that make both readable alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Block:
    """One rectangular part of a table: a heading, what its rows are called, and cells as people read them.

    ``words`` names the columns that hold words rather than numbers. A page shows ``folded`` blocks when asked to.
    """

    heading: str
    stub: str
    cells: pd.DataFrame
    words: Collection[str] = ()
    folded: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    name, title : str
    data : DataFrame
        The numbers, one thing a row, for the CSV file.
    blocks : sequence of Block
        The same numbers for people.
    notes : sequence of str
        Units, counts and chance levels.
    warnings : sequence of str
        How the storage of the weights limits what the table says.
    """

    name: str
    title: str
    data: pd.DataFrame
    blocks: Sequence[Block]
    notes: Sequence[str]
    warnings: Sequence[str]


N_OPEN = 4
"""Blocks of one table that a page shows unasked, where each birth has one or two."""


def by_model(rows: pd.DataFrame, titles: Mapping[str, str]) -> list[tuple[str, pd.DataFrame]]:
    """Divide rows by model, in the order of the titles."""
    present = set(rows["model"])
    return [(model, rows[rows["model"] == model]) for model in titles if model in present]
