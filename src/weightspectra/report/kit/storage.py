"""What a coarse storage format, or a truncation, does to the small singular values, in words."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.report.findings.finding import counted, holds
from weightspectra.report.kit import wording
from weightspectra.report.kit.rows import where


def notices(found: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """Say for each model in a coarse format, and for each of low rank, what that does to its small singular values.

    Parameters
    ----------
    found : DataFrame
        Rows of ``contracts.FINDINGS``.
    titles : mapping
        From each model to what it is called.
    """
    stored = where(found, {"claim": "rounding_coarse"}).sort_values("model", kind="stable")
    floors, low_ranks, without = (
        {row["model"]: row for row in where(found, {"claim": claim}).to_dict("records")}
        for claim in ("below_floor", "low_rank", "without_law")
    )
    notices = [
        f"{titles[row['model']]} is stored as {', '.join(row['names'])}, which does not tell how much its weights were "
        "rounded: what of its small singular values, and of the lower edge of the bulk, is the quantiser's work is "
        "unknown."
        for row in stored[stored["verdict"] == CANNOT_BE_TOLD].to_dict("records")
    ]
    for row in stored[holds(stored)].to_dict("records"):
        formats = ", ".join(row["names"])
        width = f", {bits(formats)} bits a weight" if bits(formats) else ""
        notices.append(
            f"{titles[row['model']]} is quantised (stored as {formats}{width}): rounding adds noise of about "
            f"{wording.percent(row['number'])} % of the weights' Frobenius norm. "
            f"{wording.share(*counted(floors[row['model']]))} of its singular values lie below what "
            "such noise alone can make; these, and the lower edge of the bulk, are partly the quantiser's work."
        )
    for model in stored["model"]:
        (n_low, n_matrices), (n_without, _) = counted(low_ranks[model]), counted(without[model])
        no_law = f" To {n_without:,} no law could be fitted." if n_without else ""
        if n_low:
            notices.append(
                f"{n_low:,} of {n_matrices:,} matrices of {titles[model]} are of low rank: less "
                "than nine tenths of their singular values lie above the rounding floor. What lies below it is in no "
                f"fit, test or share.{no_law}"
            )
    return notices


def coarse_models(found: pd.DataFrame, titles: Mapping[str, str], models: Iterable[str]) -> list[str]:
    """Warn, for models stored in a few bits, that their small singular values hold the quantiser's noise, too.

    Parameters
    ----------
    found, titles
        As for :func:`notices`.
    models : iterable of str
        Each is warned of once.
    """
    stored = where(found, {"claim": "rounding_coarse"})
    coarse = stored[holds(stored) | (stored["verdict"] == CANNOT_BE_TOLD)]
    formats = coarse.set_index("model")["names"].map(wording.listing)
    return [
        f"{titles[model]} is stored as {formats[model]}: what its small singular values do, or do not do, here need "
        "not be so in the model before quantisation."
        for model in dict.fromkeys(models)
        if model in formats
    ]


def bits(formats: str) -> int:
    """Return the fewest bits a weight that names like Q4_1, IQ3_S, MXFP4 or int8 spell out; 0 if none does."""
    named = re.findall(r"\b(?:[IT]?Q|MXFP|NVFP|INT(?=8)|FLOAT(?=8))(\d)", formats.upper())
    return min(map(int, named), default=0)
