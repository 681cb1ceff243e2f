"""What cuts cost: rows of ``contracts.EVALUATIONS`` with their places in tables and what people call them."""

import numpy as np
import pandas as pd

from weightspectra.conclusions.cuts.experiments import (
    UNTOUCHED,
    experiments,
    groups,
    scored_in,
    windows_in_words,
)
from weightspectra.contracts import EVALUATIONS, ROLES
from weightspectra.report.findings.finding import holds
from weightspectra.report.kit import wording
from weightspectra.report.kit.exhibit import Entry
from weightspectra.report.kit.measurements import Measurements
from weightspectra.statistics.multiple import can_be_told, smallest_p

NO_PLACE = "Change"
"""Column of cuts that share a cell of what would be their grid, so that each has a row of its own."""

PER_POSITION = ("positions", "position_tokens", "position_losses", "position_errors", "position_change_errors")
PER_UNIT = ("units", "unit_values", "unit_weights", *PER_POSITION)
COLUMNS = [name for name in EVALUATIONS.schema.names if name not in PER_UNIT] + ["n_units"]
"""What of an evaluation goes into a CSV file: no text names, no numbers of single documents, items or positions."""

IDENTITY = ["model", "experiment", "metric", "cut"]
CHANGES = ("change_after_cut", "change_after_control", "change_after_compression")
"""Claims on what evaluations change, one row each; the untouched model has none."""

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


def evaluated(data: Measurements) -> pd.DataFrame:
    """Return the evaluations with ``told``: whether the change is significant, as was concluded of it."""
    return data.evaluations.assign(told=changes_told(data.evaluations, data.findings))


def changes_told(rows: pd.DataFrame, found: pd.DataFrame) -> np.ndarray:
    """Return of which cuts it was concluded that they change the metric.

    Parameters
    ----------
    rows : DataFrame
        With the columns of ``IDENTITY``.
    found : DataFrame
        Rows of ``contracts.FINDINGS``.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        False for the untouched model.
    """
    told = holds(found[found["claim"].isin(CHANGES)].set_index(IDENTITY))
    return told.reindex(pd.MultiIndex.from_frame(rows[IDENTITY]), fill_value=False).to_numpy(dtype=bool)


def metric_title(metric: str) -> str:
    """Return what people call a metric; of a task, with the task's name before it."""
    task, _, name = metric.rpartition("/")
    title = METRIC_TITLES.get(name, name.replace("_", " "))
    return f"{task.replace('_', ' ')}: {title}" if task else title


def untouched(rows: pd.DataFrame) -> pd.Series:
    """Return the row of the untouched model, ready for a CSV file."""
    return flattened(rows[rows["cut"] == UNTOUCHED]).iloc[0]


def arranged(rows: pd.DataFrame) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    """Divide the cuts of one model, experiment and metric into those that go over deciles, by scope, and all others.

    Parameters
    ----------
    rows : DataFrame
        What :func:`evaluated` returns, all of one model, experiment and metric.

    Returns
    -------
    grids : list of DataFrame
        Cuts of one decile each, labelled (:func:`labelled`), one frame for each scope.
    others : DataFrame
        The cuts that are no deciles, or share their cell of a grid, labelled; may be empty.
    """
    cuts = rows[(rows["cut"] != UNTOUCHED) & (rows["control_of"] == "")]
    grids, others = [], [cuts[cuts["decile"] == 0]]
    for group in groups(cuts[cuts["decile"] > 0], ["scope"]):
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
        What :func:`evaluated` returns, all of one model, experiment and metric.

    Returns
    -------
    DataFrame
        The cuts without the untouched model and without matched controls, flattened
        (:func:`flattened`), with the labels ``row`` (what was removed, and from which layers where that varies) and
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
    labels = cuts.assign(row=row, column=column)
    if labels.duplicated(["row", "column"]).any():
        labels = labels.assign(row=labels["cut"], column=NO_PLACE)
    first_role = [min(map(ROLES.index, roles)) for roles in labels["roles"]]
    ordered = labels.assign(first_role=first_role).sort_values(["first_role", "decile"], kind="stable")
    return flattened(ordered.drop(columns="first_role"))


def told_untouched(metric: str, value: float, standard_error: float, units: str, text: str = "") -> str:
    """Say in words what the untouched model scores, and on how much ``text`` in which units, or how many of these."""
    score = f"untouched {metric_title(metric)} {wording.measurement(value, standard_error)}"
    return f"{score}, {text} in {units}" if text else f"{score}, {units}"


def describe(row: pd.Series) -> str:
    """Say in words what the untouched model of this row scores."""
    scored = scored_in(row["metric"])
    text = f"{row['n_scored']:,} {scored}" if scored else ""
    units = f"{wording.count(row['n_units'], row['unit'])}{windows_in_words(row.to_dict())}"
    return told_untouched(row["metric"], row["value"], row["standard_error"], units, text)


def too_few_units(rows: pd.DataFrame) -> bool:
    """Return whether so few documents or items were scored that no change can be significant."""
    return len(rows) == 0 or not can_be_told(int(rows["units"].map(len).max()))


def smallest_q(rows: pd.DataFrame) -> float:
    """Return the smallest q-value that so many documents or items can give."""
    return smallest_p(rows["units"].map(len).max())


def describe_units(rows: pd.DataFrame) -> str:
    """Say how many documents or items were scored."""
    return wording.count(int(rows["units"].map(len).max()), str(rows["unit"].iloc[0]))


def flattened(rows: pd.DataFrame) -> pd.DataFrame:
    """Return evaluations with ``roles`` and ``layers`` joined to strings, and with the number of units."""
    return rows.assign(
        n_units=rows["units"].map(len),
        roles=rows["roles"].map("+".join),
        layers=[" ".join(map(str, layers)) for layers in rows["layers"]],
    )


def of_entry(entry: Entry, data: Measurements) -> tuple[str, pd.DataFrame]:
    """Return of an entry's model and experiment how a title ends, and the rows of the main metric."""
    rows = evaluated(data)
    [chosen] = experiments(rows[(rows["model"] == entry["model"]) & (rows["experiment"] == entry["experiment"])])
    return f"{entry['experiment']} ({describe(untouched(chosen))})", chosen
