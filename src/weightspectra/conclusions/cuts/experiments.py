"""Rows of ``contracts.EVALUATIONS`` put in order: experiments and their metrics, kinds of cuts, and changes."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from weightspectra.conclusions.rows import Row, row
from weightspectra.contracts.conclusions import DOES_NOT
from weightspectra.statistics.multiple import smallest_p

UNTOUCHED = "none"
MAIN_METRIC = "perplexity_per_token"

METHODS = ("svd", "whitened", "boundary", "whitened_boundary")
"""The methods of compression, in the order in which they are shown."""

_SCORED = {"_per_token": "tokens", "_per_word": "words", "_per_byte": "bytes"}
_JOINT = " to "

FIRST_POSITIONS = 8
"""Positions of a window before this one are its first: attention has little else to look at there."""


def scored_in(metric: str) -> str:
    """Return what a metric of text is counted in: tokens, words or bytes; empty for other metrics."""
    return next((name for end, name in _SCORED.items() if metric.endswith(end)), "")


def is_task(metrics: pd.Series) -> pd.Series:
    """Return which metrics belong to a task or a probe; the others are measured on a corpus."""
    return metrics.str.contains("/", regex=False).astype(bool)


def experiments(evaluations: pd.DataFrame) -> list[pd.DataFrame]:
    """Divide evaluations by model and experiment, in the order of the rows, and keep the main metric of each.

    That is the perplexity per token where it was measured, and else the first metric.
    """
    return [rows[rows["metric"] == main_metric(rows)] for rows in groups(evaluations, ["model", "experiment"])]


def by_metric(evaluations: pd.DataFrame) -> list[pd.DataFrame]:
    """Divide evaluations by model, experiment and metric, in the order of the rows."""
    return groups(evaluations, ["model", "experiment", "metric"])


def main_metric(rows: pd.DataFrame) -> str:
    """Return the metric by which one model's experiment is drawn."""
    metrics = list(rows["metric"])
    return MAIN_METRIC if MAIN_METRIC in metrics else metrics[0]


def groups(rows: pd.DataFrame, columns: list[str]) -> list[pd.DataFrame]:
    """Divide rows by columns, in the order of the rows."""
    return [group for _, group in rows.groupby(columns, sort=False)]


def methods(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return of each evaluation how it compresses (an empty word if it does not), and the size asked for."""
    parts = rows["removed"].str.partition(_JOINT)
    method = parts[0].where(parts[0].isin(METHODS) & (parts[1] != ""), "")
    return method, pd.to_numeric(parts[2].where(method != ""), errors="coerce")


def names_of(cut: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the columns of ``contracts.FINDINGS`` that name an evaluation."""
    return {
        **{name: cut[name] for name in ("model", "experiment", "metric", "cut", "scope")},
        "decile": int(cut["decile"]),
        "role": "+".join(cut["roles"]),
        "layer": int(cut["layers"][0]) if len(cut["layers"]) == 1 else -1,
        "worse_if": "smaller" if cut["higher_is_better"] else "larger",
    }


def scores(rows: pd.DataFrame) -> Iterator[Row]:
    """Yield what the untouched model scores, and how much each cut changes that.

    Parameters
    ----------
    rows : DataFrame
        Of ``contracts.EVALUATIONS``, all of one model, experiment and metric.
    """
    compresses, _ = methods(rows)
    untouched = next(iter(rows[rows["cut"] == UNTOUCHED].to_dict("records")), None)
    for cut, method in zip(rows.to_dict("records"), compresses, strict=True):
        names, n = names_of(cut), len(cut["units"])
        if cut["cut"] == UNTOUCHED:
            score = {"standard_error": cut["standard_error"], "resampled": cut["unit"], "n": n}
            yield row("untouched_score", cut["value"], **names, **score)
            unit = scored_in(cut["metric"]) or f"{cut['unit']}s"
            yield row("scored", cut["n_scored"], **names | {"unit": unit, "detail": windows_in_words(cut)})
        else:
            kind = "compression" if method else "control" if cut["control_of"] else "cut"
            beside = {"beside": cut["control_of"], "detail": method}
            yield row(f"change_after_{kind}", cut["difference"], **names, **_change(cut), **beside)
            yield from _at_first_positions(cut, untouched, names)


def windows_in_words(cut: Mapping[Any, Any]) -> str:
    """Say in which windows a text was read, on which its numbers depend: ``" in windows of 256 tokens ..."``.

    Empty of tasks and probes.
    """
    if not cut["window"]:
        return ""
    stride = f"stride {cut['stride']:,}, " if cut["stride"] != cut["window"] else ""
    return f" in windows of {cut['window']:,} tokens ({stride}{'with' if cut['bos'] else 'without'} BOS)"


def _at_first_positions(
    cut: Mapping[Any, Any], untouched: Mapping[Any, Any] | None, names: Mapping[str, Any]
) -> Iterator[Row]:
    """Yield which part of a cut's damage lies at the first positions of windows; nothing where there is no damage."""
    if untouched is None or not len(cut["positions"]) or not np.array_equal(cut["positions"], untouched["positions"]):
        return
    tokens = np.asarray(cut["position_tokens"], dtype=float)
    added = tokens * (np.asarray(cut["position_losses"]) - np.asarray(untouched["position_losses"]))
    first = np.asarray(cut["positions"]) < FIRST_POSITIONS
    if not (np.isfinite(added).all() and added.sum() > 0 and first.any() and not first.all()):
        return
    reference = {"reference": tokens[first].sum() / tokens.sum(), "reference_kind": "share of the tokens"}
    yield row("damage_at_first_positions", added[first].sum() / added.sum(), **names, **reference)


def tested(cut: Mapping[Any, Any], error: float, low: float, high: float, p_value: float) -> dict[str, Any]:
    """Return the columns of ``contracts.FINDINGS`` that tell of a paired comparison and its test.

    Parameters
    ----------
    cut : mapping
        A row of ``contracts.EVALUATIONS``, whose statistic and units are those of the comparison.
    error, low, high, p_value : float
        As in :class:`weightspectra.statistics.paired.PairedDifferences`.
    """
    by_signs, n = cut["statistic"] != "auc", len(cut["units"])
    return {
        "standard_error": error,
        "low": low,
        "high": high,
        "interval_level": 0.95,
        "test": "sign flips, paired" if by_signs else "DeLong, paired",
        "resampled": cut["unit"],
        "n": n,
        "p_value": p_value,
        "smallest_p": smallest_p(n) if by_signs else 0.0,
    }


def _change(cut: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the columns of a change that was tested where it was measured."""
    found = tested(cut, *(cut[name] for name in ("difference_se", "difference_low", "difference_high", "p_value")))
    untouched = {"reference": 0.0, "reference_kind": "untouched model"}
    if cut["n_removed"] == 0:
        nothing = {"p_value": float("nan"), "judged": False, "verdict": DOES_NOT, "why": "it removes nothing"}
        return found | untouched | nothing
    return found | untouched | {"p_corrected": cut["q_value"]}
