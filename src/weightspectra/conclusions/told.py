"""What of the configuration each subject's conclusions depend on: the workflow tells it this and nothing else."""

from collections.abc import Mapping

TOLD: Mapping[str, tuple[str, ...]] = {
    "bounds": ("controls",),
    "ends": ("controls",),
    "costs": ("seed",),
    "controls": ("seed",),
    "copies": ("copies",),
    "compression": ("seed",),
    "births": ("level",),
    "storage": ("controls",),
}
"""By subject; others are told nothing.

``controls`` go from each random control to the model that it is made like, ``copies`` from each noisier copy to the
model that it is a copy of; ``level`` is that of the tests against noise.
"""
