"""Rows of a contract, chosen by their columns."""

from collections.abc import Mapping
from typing import Any

import pandas as pd


def where(rows: pd.DataFrame, wanted: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows whose columns have the wanted values."""
    chosen = pd.Series(True, index=rows.index)
    for name, value in wanted.items():
        chosen &= rows[name] == value
    return rows[chosen]
