"""Many cuts, one loaded model: edit, measure, put back; then compare every cut with the untouched model."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from weightspectra.ablation.choose.cuts import NOTHING, PlannedCut
from weightspectra.ablation.edit.truncation import Stored, Writable, edited
from weightspectra.ablation.measure import positions
from weightspectra.ablation.measure.metrics import Measurement, Metric
from weightspectra.base.errors import UserError
from weightspectra.base.journal import Journal, check_complete
from weightspectra.base.progress import track
from weightspectra.contracts import MatrixKey
from weightspectra.statistics.multiple import CUTS, can_be_told, smallest_p
from weightspectra.statistics.paired import compare, estimate, standard_error

Record = dict[str, Any]
"""One finished cut, as the journal holds it: its label, what it changed, and the fields of its measurements."""


class EditableModel(NamedTuple):
    """A loaded model whose matrices can be edited.

    Attributes
    ----------
    model : transformers model
        In evaluation mode.
    matrices : mapping from MatrixKey to a live matrix of the model
    stored : Stored
        What edits may read.
    """

    model: Any
    matrices: Mapping[MatrixKey, Writable]
    stored: Stored


def evaluate(
    subject: EditableModel,
    cuts: Sequence[PlannedCut],
    metrics: Sequence[Metric],
    journal: Journal,
    label: str,
    *,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Measure the untouched model and the model after each cut.

    Cuts are measured in the order of the first layer that they touch, so that metrics may keep what the layers before
    it compute. What is compared is computed in the end from what the units contributed, so that it does not depend on
    when the work was interrupted.

    Parameters
    ----------
    subject : EditableModel
    cuts : sequence of PlannedCut
    metrics : sequence of Metric
    journal : Journal
        Holds what an earlier, interrupted run has finished; each cut is added when it is done.
    label : str
        What progress lines call this job.
    seed : int
        Of the resamples (see :func:`weightspectra.statistics.paired.compare`).

    Returns
    -------
    list of dict
        The rows of ``contracts.EVALUATIONS`` but for model and experiment: the untouched model first, then the cuts in
        their order, each with every metric. A cut after which some unit's value is no finite number keeps its row: its
        value may be infinite or not a number, what cannot be computed from it is not a number, and it does not count in
        the correction of the others' p-values. Where a task scores other items after a cut than before, the difference
        has no error and no p-value.

    Raises
    ------
    UserError
        When the untouched model gives a value that is not a finite number, or a cut is missing in the end.
    """
    planned = [NOTHING, *cuts]
    records = {record["cut"]: record for record in journal.rows}
    left = sorted((cut for cut in planned if cut.label not in records), key=first_layer)
    if records:
        print(f"{label}: {len(records)} of {len(planned)} cuts were finished before", file=sys.stderr)
    for cut in track(left, len(left), label, "cuts"):
        untouched = records.get(NOTHING.label)
        with edited(subject.matrices, cut.edits, subject.stored) as change:
            if untouched and not cut.n_removed:
                measured = untouched["measurements"]
            else:
                measured = _measure(subject.model, metrics, _n_untouched(cut, subject))
        _check_finite(cut, measured, label)
        if cut is NOTHING:
            _say_what_can_be_told(measured, label)
        records[cut.label] = journal.append({"cut": cut.label, **change._asdict(), "measurements": measured})
    labels = [cut.label for cut in planned]
    check_complete(f"{label}: cuts", (known for known in labels if known in records), labels)
    return _rows(planned, [records[known] for known in labels], label, seed)


def first_layer(cut: PlannedCut) -> int:
    """Return the first layer whose weights a cut changes; 0 if it changes none."""
    return min((key.layer for key, edit in cut.edits.items() if edit.n_removed), default=0)


def _n_untouched(cut: PlannedCut, subject: EditableModel) -> int:
    """Return before which layer a cut changes nothing: where it removes nothing, states of all layers may be kept."""
    return first_layer(cut) if cut.n_removed else 1 + max((key.layer for key in subject.matrices), default=-1)


def _measure(model: Any, metrics: Sequence[Metric], untouched_before: int) -> list[Record]:
    found = [measurement for metric in metrics for measurement in metric.measure(model, untouched_before)]
    return [
        measurement._asdict()
        | {
            "units": list(measurement.units),
            "values": np.asarray(measurement.values, dtype=np.float64).tolist(),
            "weights": np.asarray(measurement.weights, dtype=np.float64).tolist(),
            "read": dict(measurement.read),
        }
        for measurement in found
    ]


def _say_what_can_be_told(measured: Sequence[Record], label: str) -> None:
    """Say, before any cut is measured, where so few units are scored that no change can be significant."""
    fewest = {one["unit"]: len(one["units"]) for one in measured if one["statistic"] != "auc"}
    for unit, n in fewest.items():
        if not can_be_told(n):
            print(
                f"{label}: {n} {unit}s are scored: whatever a cut does, no p- or q-value can be below "
                f"{smallest_p(n):.2g}, and no change significant at {CUTS.level}; score more",
                file=sys.stderr,
            )


def _check_finite(cut: PlannedCut, measured: Sequence[Record], label: str) -> None:
    """Refuse an untouched model that gives no number; report a cut that breaks the model's arithmetic."""
    for measurement in measured:
        count = int((~np.isfinite(measurement["values"])).sum())
        if count:
            found = (
                f"{label}: after cut '{cut.label}' {measurement['metric']} is no finite number for {count} of "
                f"{len(measurement['values'])} {measurement['unit']}s"
            )
            if cut is NOTHING:
                raise UserError(f"{found}: the model's activations overflow; set the experiment's dtype to float32")
            print(f"{found}: the cut model's activations overflow", file=sys.stderr)
            return


def _rows(planned: Sequence[PlannedCut], records: Sequence[Record], label: str, seed: int) -> list[dict[str, Any]]:
    """Return the rows of all cuts: what they share, and for each metric its value and its difference."""
    measured = [{found["metric"]: Measurement(**found) for found in record["measurements"]} for record in records]
    tables = [
        _metric_rows(metric, [found.get(metric) for found in measured], planned, label, seed)
        for metric in dict.fromkeys(metric for found in measured for metric in found)
    ]
    return [
        {**_described(cut, record), **table[number]}
        for number, (cut, record) in enumerate(zip(planned, records, strict=True))
        for table in tables
        if number in table
    ]


def _described(cut: PlannedCut, record: Record) -> dict[str, Any]:
    return {
        "cut": cut.label,
        "control_of": cut.control_of,
        "scope": cut.scope,
        "removed": cut.removed,
        "decile": cut.decile,
        "roles": cut.roles,
        "layers": cut.layers,
        "n_removed": cut.n_removed,
        "removed_energy": record["removed_energy"],
        "kept_parameters": record["kept_parameters"],
    }


def _metric_rows(
    metric: str, measured: Sequence[Measurement | None], planned: Sequence[PlannedCut], label: str, seed: int
) -> dict[int, dict[str, Any]]:
    """Return one metric's columns by the number of the cut, the untouched model's first.

    Tasks may leave an item without a score, depending on what the model
    answers. A cut after which other units have a score than before has no
    paired comparison: its difference stands without error and p-value.
    """
    found = {number: one for number, one in enumerate(measured) if one is not None}
    rows = {number: _columns(one) for number, one in found.items()}
    untouched = measured[0]
    if untouched is None:
        return rows
    paired = [
        number for number, one in found.items() if (one.units, one.weights) == (untouched.units, untouched.weights)
    ]
    values = np.array([found[number].values for number in paired])
    weights = np.array(untouched.weights)
    compared = compare(untouched.statistic, values, values[0], weights, seed=seed)
    changed = [place for place, number in enumerate(paired) if planned[number].n_removed]
    q_values = np.ones(len(paired))
    q_values[changed] = CUTS.corrected(compared.p_value[changed])
    for place, number in enumerate(paired):
        numbers = [*(column[place] for column in compared), q_values[place]]
        rows[number] |= dict(zip(COMPARED, map(float, numbers), strict=True))
        rows[number] |= positions.errors(found[number].read, untouched.read)
    for number in rows.keys() - set(paired):
        rows[number]["difference"] = rows[number]["value"] - rows[0]["value"]
    _say_what_is_missing(label, untouched, n_unpaired=len(found) - len(paired), n_cuts=len(found) - 1)
    return rows


def _say_what_is_missing(label: str, untouched: Measurement, *, n_unpaired: int, n_cuts: int) -> None:
    """Say why there are no standard errors, or no paired comparisons."""
    metric, unit = untouched.metric, untouched.unit
    if len(untouched.units) == 1:
        print(
            f"{label}: {metric} comes from one {unit}, so it has no standard errors; "
            "give more text, or divide the corpus into more documents (documents: paragraph)",
            file=sys.stderr,
        )
    if n_unpaired:
        print(
            f"{label}: after {n_unpaired} of {n_cuts} cuts, {metric} is known for other {unit}s than before: "
            "no paired comparison",
            file=sys.stderr,
        )


COMPARED = ("difference", "difference_se", "difference_low", "difference_high", "p_value", "q_value")


def _columns(one: Measurement) -> dict[str, Any]:
    """Return the columns of one measurement, its comparison with the untouched model left open."""
    values, weights = np.array(one.values), np.array(one.weights)
    return {
        "metric": one.metric,
        "statistic": one.statistic,
        "higher_is_better": one.higher_is_better,
        "value": estimate(one.statistic, values, weights),
        "standard_error": standard_error(one.statistic, values, weights),
        **dict.fromkeys(COMPARED, float("nan")),
        "unit": one.unit,
        "n_scored": len(weights) if one.statistic == "auc" else int(weights.sum()),
        "units": list(one.units),
        "unit_values": values.tolist(),
        "unit_weights": weights.tolist(),
        **{name: read for name, read in one.read.items() if name not in positions.PER_UNIT},
    }
