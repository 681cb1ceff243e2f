"""What cuts cost: rows of ``contracts.EVALUATIONS`` put in order, and the smallest values against the middle ones."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from weightspectra.contracts import ROLES
from weightspectra.report import wording

UNTOUCHED = "none"
MIDDLE_DECILES = (5, 6)

COLUMNS = [
    *("model", "experiment", "cut", "scope", "removed", "decile", "roles", "layers", "n_removed", "removed_energy"),
    *("metric", "value", "standard_error", "difference", "difference_se", "n_tokens", "n_documents"),
]
"""What of an evaluation goes into a CSV file: no text names, no per-document numbers."""

METRIC_TITLES = {"perplexity_per_token": "perplexity"}


def metric_title(metric: str) -> str:
    """Return what people call a metric."""
    return METRIC_TITLES.get(metric, metric.replace("_", " "))


def untouched(rows: pd.DataFrame) -> pd.Series:
    """Return the row of the untouched model, ready for a CSV file."""
    return _flattened(rows[rows["cut"] == UNTOUCHED]).iloc[0]


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cuts of one model, experiment and metric with their place in a table.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.EVALUATIONS``, all of one model, experiment and metric.

    Returns
    -------
    DataFrame
        The cuts without the untouched model, ``roles`` and ``layers`` joined to
        strings, with ``n_documents``, ``log_ratio`` and ``log_ratio_se`` (change of
        log-perplexity and its paired standard error), and the labels ``row``
        (what was removed, and from which layers where that varies) and
        ``column`` (from which roles; if those are always the same, rows are
        layers and columns are what was removed). Deciles ascend, everything else keeps its
        order.
    """
    cuts = rows[rows["cut"] != UNTOUCHED]
    everything = {role for roles in cuts["roles"] for role in roles}
    where = cuts["layers"].map(wording.layer_label)
    whose = cuts["roles"].map(
        lambda roles: "All roles" if len(roles) > 1 and set(roles) == everything else wording.role_label(roles)
    )
    row, column = cuts["removed"], whose
    if len(set(where)) > 1:
        # Layers over what is removed, as in the paper's Table 4, unless roles need the columns.
        row, column = (where, row) if len(set(whose)) == 1 else (row + ", " + where, whose)
    labels = cuts.assign(row=row, column=column)
    if labels.duplicated(["row", "column"]).any():
        labels = labels.assign(row=labels["cut"], column="Change")
    labels = labels.join(_log_ratios(cuts, rows[rows["cut"] == UNTOUCHED]))
    first_role = [min(map(ROLES.index, roles)) for roles in labels["roles"]]
    ordered = labels.assign(first_role=first_role).sort_values(["first_role", "decile"], kind="stable")
    return _flattened(ordered.drop(columns="first_role"))


def describe(row: pd.Series) -> str:
    """Say in words what the untouched model scores, and on how much text."""
    value = wording.measurement(row["value"], row["standard_error"])
    documents = f"{row['n_documents']:,} document{'s' if row['n_documents'] != 1 else ''}"
    return f"untouched {metric_title(row['metric'])} {value}, {row['n_tokens']:,} tokens in {documents}"


def one_role_deciles(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cuts that take one decile of one role out of all layers touched, with a column ``role``."""
    cuts = rows[(rows["decile"] > 0) & (rows["scope"] == "role")]
    cuts = cuts[cuts["roles"].map(len) == 1]
    return cuts.assign(role=[roles[0] for roles in cuts["roles"]])


def smallest_against_middle(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare what removing decile 1 costs with what removing a middle decile costs, role by role.

    The quantity is the difference in log-perplexity (nats per token), paired
    document by document; the middle is the mean over deciles 5 and 6. Its
    standard error is that of a ratio estimator over documents, its p-value comes
    from Student's t with one degree of freedom less than documents, two-sided,
    corrected by Holm over the roles.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.EVALUATIONS``, all of one model, experiment and metric.

    Returns
    -------
    DataFrame
        role, n_layers, excess (nats per token; positive: decile 1 costs more),
        excess_se, n_documents, p_value. Empty where the experiment has no such
        deciles or only one document.
    """
    columns = ["role", "n_layers", "excess", "excess_se", "n_documents", "p_value"]
    cuts = one_role_deciles(rows)
    found = []
    for group in _groups(cuts.assign(touched=cuts["layers"].map(tuple)), ["role", "touched"]):
        role, layers = group["role"].iloc[0], group["layers"].iloc[0]
        nll = dict(zip(group["decile"], group["document_nll"], strict=True))
        tokens = np.asarray(group["document_tokens"].iloc[0], dtype=float)
        if not {1, *MIDDLE_DECILES} <= set(nll) or len(tokens) < 2:
            continue
        excess, error = paired_excess(nll[1], np.mean([nll[decile] for decile in MIDDLE_DECILES], axis=0), tokens)
        # Without any spread the statistic is undefined: identical scores are no evidence of a difference.
        p = 2 * stats.t.sf(abs(excess) / error, len(tokens) - 1) if error > 0 else float(excess == 0)
        found.append((role, len(layers), excess, error, len(tokens), p))
    contrasts = pd.DataFrame(found, columns=columns)
    return contrasts.assign(p_value=holm(contrasts["p_value"].to_numpy(dtype=float)))


def _log_ratios(cuts: pd.DataFrame, untouched_row: pd.DataFrame) -> pd.DataFrame:
    """Return the change of log-perplexity by each cut with its standard error; no number for a single document."""
    baseline, tokens = untouched_row["document_nll"].iloc[0], untouched_row["document_tokens"].iloc[0]
    found = [paired_excess(nll, baseline, tokens) for nll in cuts["document_nll"]]
    return pd.DataFrame(found, columns=["log_ratio", "log_ratio_se"], index=cuts.index)


def paired_excess(
    nll: Sequence[float], reference_nll: Sequence[float], tokens: Sequence[float] | np.ndarray
) -> tuple[float, float]:
    """Return the mean difference in nats per token of two scorings of the same documents, and its standard error.

    The error of a single document is not a number.

    Parameters
    ----------
    nll, reference_nll : sequence of float, one per document
        Negative log-likelihoods in nats.
    tokens : sequence of float, one per document
        Tokens scored.

    Notes
    -----
    With differences x_d and tokens n_d of D documents the mean is m = Σ x_d / Σ n_d,
    and its variance D / (D - 1) Σ (x_d - m n_d)² / (Σ n_d)².
    """
    difference = np.asarray(nll, dtype=float) - np.asarray(reference_nll, dtype=float)
    weights = np.asarray(tokens, dtype=float)
    mean = difference.sum() / weights.sum()
    n_documents = len(weights)
    if n_documents < 2:
        return float(mean), float("nan")
    variance = n_documents / (n_documents - 1) * ((difference - mean * weights) ** 2).sum() / weights.sum() ** 2
    return float(mean), float(np.sqrt(variance))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values corrected by Holm's step-down method, which holds for dependent tests too.

    References
    ----------
    S. Holm, Scandinavian Journal of Statistics 6, 65 (1979).
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(p_values[order] * steps), 1.0)
    corrected = np.empty_like(adjusted)
    corrected[order] = adjusted
    return corrected


def experiments(evaluations: pd.DataFrame) -> list[pd.DataFrame]:
    """Divide evaluations by model, experiment and metric, in the order of the rows."""
    return _groups(evaluations, ["model", "experiment", "metric"])


def _groups(rows: pd.DataFrame, columns: list[str]) -> list[pd.DataFrame]:
    return [group for _, group in rows.groupby(columns, sort=False)]


def _flattened(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(
        n_documents=rows["documents"].map(len),
        roles=rows["roles"].map("+".join),
        layers=[" ".join(map(str, layers)) for layers in rows["layers"]],
    )
