"""The exhibits of fine-tuning: cuts before and after it, and what it changes."""

from typing import TYPE_CHECKING

from weightspectra.config import artifacts
from weightspectra.report.kit.exhibit import Entry, Exhibit

if TYPE_CHECKING:
    from weightspectra.config.configuration import Configuration


def _finetuning(configuration: "Configuration") -> dict[str, Entry]:
    models = dict.fromkeys(model for model, _ in artifacts.finetuned(configuration))
    return {"finetuning": {"models": [*models]}} if models else {}


def _difference(configuration: "Configuration") -> dict[str, Entry]:
    pairs = configuration.comparisons.values()
    models = dict.fromkeys(model for pair in pairs for model in (pair.base, pair.tuned))
    return {"difference": {"models": [*models]}} if models else {}


def _finetunings(configuration: "Configuration") -> dict[str, Entry]:
    return {
        f"finetuning-{model}-{name}": {"model": model, "finetuning": name}
        for model, name in artifacts.finetuned(configuration)
    }


def _differences(configuration: "Configuration") -> dict[str, Entry]:
    return {
        f"difference-{name}": {"model": pair.base, "tuned": pair.tuned, "comparison": name}
        for name, pair in configuration.comparisons.items()
    }


TABLES = (
    Exhibit(
        "finetuning",
        "finetuning.finetuning_tables:finetuning",
        ("finetunings",),
        _finetuning,
        findings=("finetuning", "storage"),
    ),
    Exhibit("difference", "finetuning.differences:difference", ("comparisons",), _difference, findings=("storage",)),
)

FIGURES = (
    Exhibit(
        "finetuning",
        "finetuning.finetuning_figure:draw",
        ("finetunings",),
        _finetunings,
        "Removing singular values before or after fine-tuning",
        ("finetuning",),
    ),
    Exhibit(
        "difference",
        "finetuning.difference_figure:draw",
        ("comparisons",),
        _differences,
        "What changed between two models",
    ),
)
