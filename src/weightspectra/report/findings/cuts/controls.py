"""The finding on matched controls: which cuts hurt more than as much taken elsewhere."""

import pandas as pd

from weightspectra.contracts.conclusions import CANNOT_BE_TOLD
from weightspectra.report.findings.cuts.scores import EXPERIMENT, main
from weightspectra.report.findings.finding import Conclusions, Finding, each, holds, named_changes, worse
from weightspectra.report.kit import wording
from weightspectra.report.kit.storage import coarse_models

KINDS = {"same count": "same count", "same energy": "same energy", "random window": "random windows"}
"""From each kind of matched control to what it is called, in the order in which they are shown."""


def against_controls(found: Conclusions) -> Finding | None:
    """Say which cuts hurt more than as much taken elsewhere."""
    lines: list[str] = []
    n_cuts, n_worse = 0, 0
    for _, model, experiment, everything in each(found.of("change_beside_control"), *EXPERIMENT):
        rows = main(everything)
        if (rows["verdict"] == CANNOT_BE_TOLD).all():
            continue
        metric = rows["metric"].iloc[0]
        cuts = found.of("worse_than_every_control", model=model, experiment=experiment, metric=metric)
        n_cuts, n_worse = n_cuts + len(cuts), n_worse + int(holds(cuts).sum())
        lines += [
            f"{found.title(model)}, {experiment}: {_against(str(kind), part)}" for kind, part in each(rows, "detail")
        ]
    if not lines:
        return None
    headline = (
        f"{n_worse} of {n_cuts} cuts hurt more than every kind of matched control"
        if n_worse
        else "No cut hurts more than every kind of its matched controls"
    )
    models = found.of("change_beside_control")["model"]
    return Finding(headline, [*lines, *coarse_models(found.rows, found.titles, models)])


def _against(kind: str, part: pd.DataFrame) -> str:
    """Compare the cuts of one experiment with one kind of control."""
    told, harm = holds(part), worse(part)
    more, less = part[told & harm], part[told & ~harm]
    parts = [
        f"{len(some)} of {len(part)} hurt {how} ({named_changes(some)})"
        for some, how in ((more, "more"), (less, "less"))
        if len(some)
    ]
    rest = len(part) - len(more) - len(less)
    parts += [f"{rest} not significantly otherwise"] if rest else []
    level = part["level"].iloc[0]
    return f"against {KINDS.get(kind, kind)}, {wording.listing(parts)} (paired, q at most {level:g})."
