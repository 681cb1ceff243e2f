"""One conclusion as a row, everything that does not apply left empty."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from weightspectra.contracts.conclusions import CLAIMS, DOES_NOT, FINDINGS, HOLDS
from weightspectra.statistics.spread import Spread

Row = dict[str, Any]
"""A row of ``contracts.FINDINGS`` in the making."""

_EMPTY: Mapping[pa.DataType, Any] = {
    pa.string(): "",
    pa.float64(): float("nan"),
    pa.int16(): -1,
    pa.int32(): -1,
}
_BLANK = {c.name: _EMPTY[c.type] for c in FINDINGS.columns if c.type in _EMPTY} | {"decile": 0, "family_size": 0}


def row(claim: str, number: float = float("nan"), **columns: Any) -> Row:
    """Return a row of ``contracts.FINDINGS``.

    Parameters
    ----------
    claim : str
        A key of ``CLAIMS``, which also gives the quantity and, unless named, the unit.
    number : float
    **columns
        Other columns. Those of ``families.judge`` may be among them:
        ``in_favour``, ``smallest_p`` and ``judged``.
    """
    quantity, unit, _ = CLAIMS[claim]
    return {
        **_BLANK,
        "names": [],
        "claim": claim,
        "quantity": quantity,
        "unit": columns.get("metric", "") if unit == "metric" else unit,
        "number": float(number),
        **columns,
    }


def share(claim: str, part: int, whole: int, **columns: Any) -> Row:
    """Return a row whose number is a share, ``whole`` its ``n``; without anything to count it is not a number."""
    return row(claim, part / whole if whole else float("nan"), n=whole, **columns)


def over_runs(claim: str, found: Spread, **columns: Any) -> Row:
    """Return a row whose number is a mean over runs."""
    return row(claim, found.mean, sd=found.sd, n=found.n, n_all=found.n_runs, resampled="run", **columns)


def verdict(holds: bool) -> str:
    """Return the verdict of a claim that can be told."""
    return HOLDS if holds else DOES_NOT
