"""Columns and types that several contracts share."""

import pyarrow as pa

from weightspectra.contracts.contract import ROLES, Column


def list_of(kind: pa.DataType) -> pa.DataType:
    """Return the type of a list without nulls."""
    return pa.list_(pa.field("element", kind, nullable=False))


FLOAT32_LIST = list_of(pa.float32())
FLOAT64_LIST = list_of(pa.float64())

KEY = (
    Column("layer", pa.int16(), "block of the model, counted from 0"),
    Column("role", pa.string(), f"what the matrix does: one of {', '.join(ROLES)}"),
    Column("expert", pa.int16(), "expert of a mixture; 0 in a dense layer"),
)
MODEL = Column("model", pa.string(), "the model's name in the configuration")
SHAPE = (
    Column("n_out", pa.int32(), "rows: dimension of the output"),
    Column("n_in", pa.int32(), "columns: dimension of the input"),
)
