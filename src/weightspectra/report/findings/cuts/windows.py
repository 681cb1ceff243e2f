"""The finding on windows of two lengths: which cuts cost something else per token in the one than in the other."""

import pandas as pd

from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.report.findings.finding import Conclusions, Finding, each, holds
from weightspectra.report.kit import wording


def two_windows(found: Conclusions) -> Finding | None:
    """Count the cuts whose cost per token moves with the window, and spell the one that moves most."""
    # A cut that several experiments repeat in the same windows is told once.
    rows = found.of("change_moves_with_window")
    rows = rows.drop_duplicates(["model", "corpus", "cut", "detail", "reference_kind"])
    if rows.empty:
        return None
    told = rows[rows["verdict"] != CANNOT_BE_TOLD]
    n_moved = int(holds(told).sum())
    if told.empty:
        headline = "Too little was scored to tell whether what cuts cost per token depends on the length of windows"
    elif n_moved:
        headline = f"What {n_moved} of {len(told)} cuts cost per token depends on the length of windows"
    else:
        headline = "No cut costs significantly more or less per token in windows of another length"
    pairs = each(rows, "model", "experiment", "beside", "detail", "reference_kind")
    return Finding(headline, [f"{found.title(model)}, {_pair(*pair)}" for model, *pair in pairs])


def _pair(experiment: str, beside: str, windows: str, others: str, rows: pd.DataFrame) -> str:
    documents = wording.count(int(rows["n"].max()), str(rows["resampled"].iloc[0]))
    start = f"{experiment} beside {beside}, in {windows} against {others}"
    told = rows[rows["verdict"] != CANNOT_BE_TOLD]
    if told.empty:
        return f"{start}: {documents} in both cannot show that a change is another one: score more."
    moved = told[holds(told)]
    shown = moved if len(moved) else told
    most = shown.iloc[int(shown["number"].abs().argmax())]
    here, there = (wording.signed_number(n) for n in (most["reference"] + most["number"], most["reference"]))
    difference = wording.measurement(most["number"], most["standard_error"], signed=True)
    return (
        f"{start}: {len(moved)} of {len(told)} cuts cost significantly more or less per token (paired over {documents} "
        f"in both, q at most {told['level'].iloc[0]:g}). The largest difference is that of {most['cut']}, {here} nats "
        f"per token against {there} ({difference})."
    )
