"""The finding on tasks and probes: what cuts do to them, metric by metric."""

from weightspectra.contracts.conclusions import DOES_NOT
from weightspectra.report.findings.cuts.scores import EXPERIMENT, describe, untouched
from weightspectra.report.findings.finding import Conclusions, Finding, Row, each, holds, named_changes, worse


def tasks(found: Conclusions) -> Finding | None:
    """Say what cuts do to tasks and probes, metric by metric."""
    lines: list[str] = []
    n_cuts, n_hurt = 0, 0
    changes = found.rows[found.rows["claim"].isin(["change_after_cut", "change_after_compression"])]
    for _, model, experiment, _, cuts in each(changes[changes["subject"] == "tasks"], *EXPERIMENT, "metric"):
        score = untouched(found, cuts.iloc[0])
        hurt = cuts[holds(cuts) & worse(cuts)]
        n_cuts, n_hurt = n_cuts + len(cuts), n_hurt + len(hurt)
        named = f" ({named_changes(hurt)})" if len(hurt) else ""
        lines.append(
            f"{found.title(model)}, {experiment}: {describe(found, score)}; "
            f"{len(hurt)} of {len(cuts)} cuts make it significantly worse{named}.{_no_better_than_chance(found, score)}"
        )
    if not lines:
        return None
    headline = f"{n_hurt} of {n_cuts} measurements of tasks after cuts are significantly worse"
    return Finding(headline if n_hurt else "No cut makes a task significantly worse", lines)


def _no_better_than_chance(found: Conclusions, score: Row) -> str:
    names = {name: score[name] for name in ("model", "experiment", "metric")}
    row = found.one("untouched_above_chance", **names)
    if row is None or row["verdict"] != DOES_NOT:
        return ""
    return (
        f" The untouched model is within two standard errors of chance ({row['reference']:g}), so that there is little "
        "to lose."
    )
