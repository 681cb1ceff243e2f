"""Rows of a contract with what a test does not care about filled in."""

import pyarrow as pa


def filled(contract, **known):
    """Return a row; columns that are not given hold the first word or the least number allowed, or nothing."""
    return {column.name: _least(column) for column in contract.columns} | known


def _least(column):
    if pa.types.is_list(column.type):
        return []
    if pa.types.is_boolean(column.type):
        return True
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.one_of[0] if column.one_of else ""
    return max(column.minimum, 0)
