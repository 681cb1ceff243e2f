"""The exhibits of spectra: what noise explains in weight matrices, and what it does not."""

from typing import TYPE_CHECKING

from weightspectra.conclusions.random_controls import control_of, models
from weightspectra.config import artifacts, originals
from weightspectra.report.kit.exhibit import Entry, Exhibit

if TYPE_CHECKING:
    from weightspectra.config.configuration import Configuration

NOTICES = ("storage",)
"""Conclusions from which tables say how the storage of the weights limits them."""


def _all_models(configuration: "Configuration") -> Entry:
    return {"models": list(configuration.models)}


def _overlap(configuration: "Configuration") -> dict[str, Entry]:
    observed = artifacts.observed(configuration)
    return {"overlap": {"models": list(dict.fromkeys(model for model, _ in observed))}} if observed else {}


def _control_of(configuration: "Configuration", model: str) -> str | None:
    """Return the first random control of a model, if there is one."""
    return control_of(model, originals.random_controls(configuration)) or None


def _trained(configuration: "Configuration") -> list[str]:
    """Return the models that are no control of either kind."""
    kinds = (originals.random_controls(configuration), originals.structured_controls(configuration))
    return models(configuration.models, *kinds)


def _controls(configuration: "Configuration") -> dict[str, Entry]:
    blocks = configuration.report.blocks
    return {
        f"controls-{control}": {"model": model, "control": control, "block": blocks.get(model, (None,))[0]}
        for control, model in originals.random_controls(configuration).items()
    }


def _information(configuration: "Configuration") -> dict[str, Entry]:
    return {
        f"information-{model}": {"model": model, "control": _control_of(configuration, model)}
        for model in _trained(configuration)
    }


def _matrices(configuration: "Configuration") -> dict[str, Entry]:
    return {
        f"matrix-{shown.model}-block_{shown.layer}-{shown.role}": {
            "model": shown.model,
            "control": _control_of(configuration, shown.model),
            "block": shown.layer,
            "role": shown.role,
            "window": configuration.randomness.window,
        }
        for shown in configuration.report.matrices
    }


def _spectra(configuration: "Configuration") -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for model in _trained(configuration):
        corpora: list[str | None] = [corpus for name, corpus in artifacts.observed(configuration) if name == model]
        for block in configuration.report.blocks.get(model, (None,)):
            for corpus in corpora or [None]:
                name = f"spectra-{model}"
                name += f"-block_{block}" if block is not None else ""
                name += f"-{corpus}" if len(corpora) > 1 else ""
                control = _control_of(configuration, model)
                found[name] = {"model": model, "control": control, "block": block, "corpus": corpus}
    return found


TABLES = (
    Exhibit(
        "outliers",
        "spectra.bulk_tables:outliers",
        ("bulk",),
        lambda told: {"outliers": _all_models(told)},
        findings=NOTICES,
    ),
    Exhibit(
        "share_outside",
        "spectra.bulk_tables:share_outside",
        ("bulk",),
        lambda told: {"share_outside": _all_models(told)},
        findings=NOTICES,
    ),
    Exhibit(
        "randomness",
        "spectra.noise_tables:randomness",
        ("bulk", "levels", "head_tests"),
        lambda told: {"randomness": _all_models(told)},
        findings=("bounds", "vectors", "spacings", *NOTICES),
    ),
    Exhibit(
        "information",
        "spectra.noise_tables:information",
        ("bulk", "information"),
        lambda told: {"information": _all_models(told)},
        findings=NOTICES,
    ),
    Exhibit(
        "tails",
        "spectra.noise_tables:tails",
        ("bulk", "tails"),
        lambda told: {"tails": _all_models(told)},
        findings=NOTICES,
    ),
    Exhibit("overlap", "spectra.bulk_tables:overlap", (), _overlap, findings=("overlap", *NOTICES)),
)

FIGURES = (
    Exhibit("controls", "spectra.spectra_figures:controls", ("spectra", "bulk"), _controls, "Trained beside random"),
    Exhibit(
        "information",
        "spectra.information_figure:draw",
        ("information",),
        _information,
        "What noise does not explain, by layer and role",
    ),
    Exhibit(
        "matrix",
        "spectra.matrix_figure:draw",
        ("spectra", "bulk", "levels", "vector_tests", "cleaning"),
        _matrices,
        "Single matrices beside random ones",
    ),
    Exhibit(
        "spectra",
        "spectra.spectra_figures:spectra",
        ("spectra", "bulk", "overlaps"),
        _spectra,
        "Spectra, and overlaps with the data",
    ),
)
