"""What each subject's conclusions are drawn from: only files that speak of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plan import Plan

Files = dict[str, list[str]]


def subjects(plan: "Plan") -> dict[str, Files]:
    """Return the files that each subject reads, under the names of their contracts; a subject without any is left out.

    So that a task that is refused, or a corpus that is missing, stops only what is concluded from it.
    """
    everything = plan.measurements
    observed = list(dict.fromkeys(model for model, _ in plan.observed))
    predicted = [model for model, _ in plan.predicted]
    copied = {*plan.copies, *plan.copies.values()}
    of_cuts = {
        "costs": _evaluations(plan, lambda _, experiment: experiment["metrics"]),
        "controls": _evaluations(plan, lambda _, experiment: _any_cut(experiment, "controls")),
        "tasks": _evaluations(plan, lambda _, experiment: experiment["tasks"] or experiment["probes"]),
        "copies": _evaluations(plan, lambda model, _: model in copied),
        "compression": _evaluations(plan, lambda _, experiment: _any_cut(experiment, "compress")),
    }
    found = {
        "bounds": _those(everything, "bulk", "matrices"),
        "ends": _those(everything, "information", "vector_tests", "bulk", "matrices"),
        "overlap": {
            **_those(everything, "overlaps"),
            "bulk": [f"<results>/bulk/{model}.parquet" for model in observed],
        },
        **{subject: {"evaluations": paths} for subject, paths in of_cuts.items()},
        "prediction": {
            **_those(everything, "predictions", "directions"),
            "evaluations": _evaluations(plan, lambda model, experiment: model in predicted and experiment["metrics"]),
        },
        "finetuning": _those(everything, "finetunings"),
        "differences": _those(everything, "comparisons"),
        "births": _those(everything, "probes", "locations", "knockouts"),
        "storage": _those(everything, "matrices", "bulk"),
    }
    return {subject: files for subject, files in found.items() if any(files.values())}


def _those(everything: Files, *names: str) -> Files:
    return {name: everything[name] for name in names}


def _evaluations(plan: "Plan", wanted: Callable[[str, Any], Any]) -> list[str]:
    """Return the evaluations of those models and experiments that are wanted."""
    return [
        f"<results>/evaluations/{model}/{name}.parquet"
        for model, name in plan.evaluated
        if wanted(model, plan.config["experiments"][name])
    ]


def _any_cut(experiment: dict[str, Any], key: str) -> bool:
    """Return whether some cut of an experiment has something under this key."""
    return any(cut.get(key) for cut in experiment["cuts"])
