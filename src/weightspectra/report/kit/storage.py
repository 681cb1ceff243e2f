"""What a coarse storage format does to the small singular values, in words."""

import re
from collections.abc import Mapping

import pandas as pd

from weightspectra.report.findings.finding import counted, holds
from weightspectra.report.kit import wording
from weightspectra.report.kit.rows import where


def notices(found: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """Say for each model in a coarse format what that does to its small singular values.

    Parameters
    ----------
    found : DataFrame
        Rows of ``contracts.FINDINGS``.
    titles : mapping
        From each model to what it is called.
    """
    stored = where(found, {"claim": "rounding_coarse"})
    floors = {row["model"]: row for row in where(found, {"claim": "below_floor"}).to_dict("records")}
    notices = []
    for row in stored[holds(stored)].sort_values("model", kind="stable").to_dict("records"):
        formats = ", ".join(row["names"])
        width = f", {bits(formats)} bits a weight" if bits(formats) else ""
        notices.append(
            f"{titles[row['model']]} is quantised (stored as {formats}{width}): rounding adds noise of about "
            f"{wording.percent(row['number'])} % of the weights' Frobenius norm. "
            f"{wording.share(*counted(floors[row['model']]))} of its singular values lie below what "
            "such noise alone can make; these, and the lower edge of the bulk, are partly the quantiser's work."
        )
    return notices


def bits(formats: str) -> int:
    """Return the fewest bits a weight that names like Q4_1 or IQ3_S spell out; 0 if none does."""
    named = re.findall(r"\bI?Q(\d)", formats.upper())
    return min(map(int, named), default=0)
