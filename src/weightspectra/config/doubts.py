"""What a configuration can be warned of before anything runs: it is allowed, and tells nothing."""

from collections.abc import Iterator

from weightspectra.config.configuration import Configuration
from weightspectra.statistics.multiple import CUTS, can_be_told, smallest_p


def found(configuration: Configuration) -> Iterator[str]:
    """Yield a line for each experiment of which no change can be significant, however large it is."""
    for name, experiment in configuration.experiments.items():
        if experiment.metrics:
            yield from _too_few(f"experiments/{name}/n_windows", experiment.n_windows, "documents")
    for name, task in configuration.tasks.items():
        if task.limit is not None:
            yield from _too_few(f"tasks/{name}/limit", task.limit, "items")


def _too_few(where: str, n_units: int, units: str) -> Iterator[str]:
    if not can_be_told(n_units):
        yield (
            f"{where}: {n_units} are at most {n_units} {units}: whatever a cut does, no q-value can be below "
            f"{smallest_p(n_units):.2g}, and none is significant above {CUTS.level:g}; score more"
        )
