"""What cuts cost: rows of ``contracts.EVALUATIONS`` put in order, and the smallest values against the middle ones."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from weightspectra.contracts import EVALUATIONS, ROLES
from weightspectra.report.kit import wording

UNTOUCHED = "none"
MAIN_METRIC = "perplexity_per_token"
MIDDLE_DECILES = (5, 6)
SIGNIFICANT = 0.05
"""Largest corrected p-value (``q_value``) that tables and figures call a significant change."""
NO_PLACE = "Change"
"""Column of cuts that share a cell of what would be their grid, so that each has a row of its own."""

PER_UNIT = ("units", "unit_values", "unit_weights")
COLUMNS = [name for name in EVALUATIONS.schema.names if name not in PER_UNIT] + ["n_units"]
"""What of an evaluation goes into a CSV file: no text names, no numbers of single documents or items."""

METRIC_TITLES = {
    "perplexity_per_token": "perplexity",
    "perplexity_per_word": "perplexity per word",
    "bits_per_byte": "bits per byte",
    "pseudo_perplexity_per_token": "pseudo-perplexity",
    "acc": "accuracy",
    "acc_norm": "accuracy, answers' lengths evened out",
    "acc_calibrated": "accuracy, calibrated",
    "auc": "AUC",
    "exact_match": "exact match",
    "probe_accuracy": "accuracy of a probe",
    "probe_auc": "AUC of a probe",
}
_SCORED = {"_per_token": "tokens", "_per_word": "words", "_per_byte": "bytes"}


def is_task(metrics: pd.Series) -> pd.Series:
    """Return which metrics belong to a task or a probe; the others are measured on a corpus."""
    return metrics.str.contains("/", regex=False).astype(bool)


def metric_title(metric: str) -> str:
    """Return what people call a metric; of a task, with the task's name before it."""
    task, _, name = metric.rpartition("/")
    title = METRIC_TITLES.get(name, name.replace("_", " "))
    return f"{task.replace('_', ' ')}: {title}" if task else title


def experiments(evaluations: pd.DataFrame) -> list[pd.DataFrame]:
    """Divide evaluations by model and experiment, in the order of the rows, and keep the main metric of each.

    That is the perplexity per token where it was measured, and else the first metric.
    """
    return [rows[rows["metric"] == main_metric(rows)] for rows in _groups(evaluations, ["model", "experiment"])]


def by_metric(evaluations: pd.DataFrame) -> list[pd.DataFrame]:
    """Divide evaluations by model, experiment and metric, in the order of the rows."""
    return _groups(evaluations, ["model", "experiment", "metric"])


def main_metric(rows: pd.DataFrame) -> str:
    """Return the metric by which one model's experiment is drawn."""
    metrics = list(rows["metric"])
    return MAIN_METRIC if MAIN_METRIC in metrics else metrics[0]


def untouched(rows: pd.DataFrame) -> pd.Series:
    """Return the row of the untouched model, ready for a CSV file."""
    return flattened(rows[rows["cut"] == UNTOUCHED]).iloc[0]


def arranged(rows: pd.DataFrame) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    """Divide the cuts of one model, experiment and metric into those that go over deciles, by scope, and all others.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.EVALUATIONS``, all of one model, experiment and metric.

    Returns
    -------
    grids : list of DataFrame
        Cuts of one decile each, labelled (:func:`labelled`), one frame for each scope.
    others : DataFrame
        The cuts that are no deciles, or share their cell of a grid, labelled; may be empty.
    """
    cuts = rows[(rows["cut"] != UNTOUCHED) & (rows["control_of"] == "")]
    grids, others = [], [cuts[cuts["decile"] == 0]]
    for group in _groups(cuts[cuts["decile"] > 0], ["scope"]):
        labels = labelled(group)
        if labels["column"].eq(NO_PLACE).any():
            others.append(group)
        else:
            grids.append(labels)
    return grids, labelled(pd.concat(others))


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cuts of one model, experiment and metric with their place in a table.

    Parameters
    ----------
    rows : DataFrame
        Rows of ``contracts.EVALUATIONS``, all of one model, experiment and metric.

    Returns
    -------
    DataFrame
        The cuts without the untouched model and without matched controls, flattened
        (:func:`flattened`), with ``told`` (whether the change is significant) and the
        labels ``row`` (what was removed, and from which layers where that varies) and
        ``column`` (from which roles; if those are always the same, rows are
        layers and columns are what was removed). Deciles ascend, everything else keeps its
        order.
    """
    cuts = rows[(rows["cut"] != UNTOUCHED) & (rows["control_of"] == "")]
    everything = {role for roles in cuts["roles"] for role in roles}
    where = cuts["layers"].map(wording.layer_label)
    whose = cuts["roles"].map(
        lambda roles: "All roles" if len(roles) > 1 and set(roles) == everything else wording.role_label(roles)
    )
    row, column = cuts["removed"], whose
    if len(set(where)) > 1:
        # Layers over what is removed, as in the paper's Table 4, unless roles need the columns.
        row, column = (where, row) if len(set(whose)) == 1 else (row + ", " + where, whose)
    labels = cuts.assign(row=row, column=column, told=cuts["q_value"] <= SIGNIFICANT)
    if labels.duplicated(["row", "column"]).any():
        labels = labels.assign(row=labels["cut"], column=NO_PLACE)
    first_role = [min(map(ROLES.index, roles)) for roles in labels["roles"]]
    ordered = labels.assign(first_role=first_role).sort_values(["first_role", "decile"], kind="stable")
    return flattened(ordered.drop(columns="first_role"))


def describe(row: pd.Series) -> str:
    """Say in words what the untouched model scores, and on how much text or how many items."""
    value = wording.measurement(row["value"], row["standard_error"])
    units = wording.count(row["n_units"], row["unit"])
    scored = next((name for end, name in _SCORED.items() if row["metric"].endswith(end)), "")
    return f"untouched {metric_title(row['metric'])} {value}, " + (
        f"{row['n_scored']:,} {scored} in {units}" if scored else units
    )


def too_few_units(rows: pd.DataFrame) -> bool:
    """Return whether so few documents or items were scored that no change can be significant.

    With n of them a test by changing signs has no p-value below 2^(1-n).
    """
    n_units = rows["units"].map(len).max()
    return bool(len(rows) == 0 or 2.0 ** (1 - n_units) > SIGNIFICANT)


def describe_units(rows: pd.DataFrame) -> str:
    """Say how many documents or items were scored."""
    return wording.count(int(rows["units"].map(len).max()), str(rows["unit"].iloc[0]))


def one_role_deciles(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cuts that take one decile of one role out of all layers touched, with a column ``role``."""
    cuts = rows[(rows["decile"] > 0) & (rows["scope"] == "role") & (rows["control_of"] == "")]
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
        excess_se, n_documents, p_value. Empty where the metric is no perplexity,
        and where the experiment has no such deciles or only one document.
    """
    columns = ["role", "n_layers", "excess", "excess_se", "n_documents", "p_value"]
    cuts = one_role_deciles(rows[rows["statistic"] == "exp_ratio"])
    found = []
    for group in _groups(cuts.assign(touched=cuts["layers"].map(tuple)), ["role", "touched"]):
        role, layers = group["role"].iloc[0], group["layers"].iloc[0]
        nll = dict(zip(group["decile"], group["unit_values"], strict=True))
        tokens = np.asarray(group["unit_weights"].iloc[0], dtype=float)
        if not {1, *MIDDLE_DECILES} <= set(nll) or len(tokens) < 2:
            continue
        excess, error = paired_excess(nll[1], np.mean([nll[decile] for decile in MIDDLE_DECILES], axis=0), tokens)
        # Without any spread the statistic is undefined: identical scores are no evidence of a difference.
        p = 2 * stats.t.sf(abs(excess) / error, len(tokens) - 1) if error > 0 else float(excess == 0)
        found.append((role, len(layers), excess, error, len(tokens), p))
    contrasts = pd.DataFrame(found, columns=columns)
    return contrasts.assign(p_value=holm(contrasts["p_value"].to_numpy(dtype=float)))


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


def flattened(rows: pd.DataFrame) -> pd.DataFrame:
    """Return evaluations with ``roles`` and ``layers`` joined to strings, and with the number of units."""
    return rows.assign(
        n_units=rows["units"].map(len),
        roles=rows["roles"].map("+".join),
        layers=[" ".join(map(str, layers)) for layers in rows["layers"]],
    )


def _groups(rows: pd.DataFrame, columns: list[str]) -> list[pd.DataFrame]:
    return [group for _, group in rows.groupby(columns, sort=False)]
