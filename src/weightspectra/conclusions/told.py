"""What of the configuration each subject's conclusions depend on: the workflow tells it this and nothing else."""

from collections.abc import Mapping

TOLD: Mapping[str, tuple[str, ...]] = {
    "bounds": ("controls", "structured"),
    "ends": ("controls", "structured"),
    "costs": ("seed",),
    "controls": ("seed",),
    "copies": ("copies",),
    "windows": ("seed", "window_pairs"),
    "compression": ("seed",),
    "births": ("level",),
    "storage": ("controls",),
}
"""By subject; others are told nothing.

``controls`` go from each random control, ``structured`` from each structure-keeping control and ``copies`` from each
noisier copy to the model that it is made like; ``window_pairs`` are a model, two of its experiments on one text in
windows of two lengths, the shorter first, and the corpus; ``level`` is that of the tests against noise.
"""

TOGETHER: Mapping[str, tuple[str, ...]] = {"cuts": ("costs", "controls", "tasks", "compression")}
"""Subjects that one job draws from the same file, by the name that its file begins with."""


def subjects_of(name: str) -> tuple[str, ...]:
    """Return the subjects of one file of conclusions: ``cuts/bert/deciles`` holds four, ``storage/bert`` its own."""
    first = name.partition("/")[0]
    return TOGETHER.get(first, (first,))


def options_of(name: str) -> tuple[str, ...]:
    """Return what of the configuration one file of conclusions depends on."""
    return tuple(dict.fromkeys(option for subject in subjects_of(name) for option in TOLD.get(subject, ())))
