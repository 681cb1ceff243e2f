"""All conclusions for programs that do not read Parquet."""

import json
import math
from typing import Any

import pandas as pd

from weightspectra.contracts.conclusions import FINDINGS


def to_json(rows: pd.DataFrame) -> str:
    """Return rows of ``contracts.FINDINGS`` as strict JSON.

    An object with the ``contract`` and its ``findings``, one object each, a
    row a line. What is no finite number (not known, or an overflow) is ``null``.
    """
    spelled = [json.dumps({str(k): _plain(v) for k, v in row.items()}) for row in rows.to_dict("records")]
    lines = ",\n".join(spelled)
    return f'{{"contract": "{FINDINGS.identity}", "findings": [\n{lines}\n]}}\n'


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [*value] if hasattr(value, "__len__") and not isinstance(value, str) else value
