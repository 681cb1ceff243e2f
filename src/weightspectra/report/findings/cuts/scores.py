"""What untouched models score, in words."""

import pandas as pd

from weightspectra.conclusions.cuts.experiments import MAIN_METRIC
from weightspectra.report.cuts.costs import told_untouched
from weightspectra.report.findings.finding import Conclusions, Row
from weightspectra.report.kit import wording
from weightspectra.report.kit.rows import where

EXPERIMENT = ("subject", "model", "experiment")


def main(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the metric by which one model's experiment is told: perplexity per token, or the first."""
    metrics = list(rows["metric"])
    return where(rows, {"metric": MAIN_METRIC if MAIN_METRIC in metrics else metrics[0]})


def untouched(found: Conclusions, row: Row) -> Row:
    """Return the score of the untouched model in the experiment and metric of another row."""
    score = found.one("untouched_score", **{name: row[name] for name in ("model", "experiment", "metric")})
    if score is None:
        raise ValueError(f"no score of the untouched '{row['model']}' in '{row['experiment']}'")
    return score


def describe(found: Conclusions, score: Row) -> str:
    """Say in words what the untouched model scores, and on how much text or how many items."""
    units = wording.count(int(score["n"]), str(score["resampled"]))
    scored = found.one("scored", **{name: score[name] for name in ("subject", "model", "experiment", "metric")})
    is_text = scored is not None and scored["unit"] != f"{score['resampled']}s"
    text = f"{int(scored['number']):,} {scored['unit']}" if scored and is_text else ""
    units += str(scored["detail"]) if scored and is_text else ""
    return told_untouched(str(score["metric"]), score["number"], score["standard_error"], units, text)
