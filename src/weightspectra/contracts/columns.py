"""Columns and types that several contracts share."""

from typing import Any

import pyarrow as pa

from weightspectra.contracts.contract import Column
from weightspectra.contracts.matrix_key import ROLES


def list_of(kind: pa.DataType) -> pa.DataType:
    """Return the type of a list without nulls."""
    return pa.list_(pa.field("element", kind, nullable=False))


FLOAT32_LIST = list_of(pa.float32())
FLOAT64_LIST = list_of(pa.float64())
INTEGER, NUMBER = pa.int32(), pa.float64()

SIDES = ("left", "right")


def count(name: str, meaning: str, kind: pa.DataType = INTEGER) -> Column:
    """Return a column of numbers of things, or of numbers that are counted from 0."""
    return Column(name, kind, meaning, minimum=0)


def size(name: str, meaning: str, kind: pa.DataType = NUMBER, **allowed: Any) -> Column:
    """Return a column of numbers that have no sign."""
    return Column(name, kind, meaning, minimum=0, **allowed)


def share(name: str, meaning: str, kind: pa.DataType = NUMBER, **allowed: Any) -> Column:
    """Return a column of shares or probabilities, 0 to 1."""
    return Column(name, kind, meaning, minimum=0, maximum=1, **allowed)


KEY = (
    count("layer", "block of the model, counted from 0", pa.int16()),
    Column("role", pa.string(), "what the matrix does", one_of=ROLES),
    count("expert", "expert of a mixture; 0 in a dense layer", pa.int16()),
)
MODEL = Column("model", pa.string(), "the model's name in the configuration")
MATRIX = ("model", "layer", "role", "expert")
"""The columns that identify a matrix among those of all models."""
SHAPE = (
    Column("n_out", pa.int32(), "rows: dimension of the output", minimum=1),
    Column("n_in", pa.int32(), "columns: dimension of the input", minimum=1),
)
