"""The exhibits of predicted damage."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from weightspectra.config import artifacts
from weightspectra.report.kit.exhibit import Entry, Exhibit

if TYPE_CHECKING:
    from weightspectra.config.configuration import Configuration


def _with_perplexity(configuration: "Configuration", models: Collection[str]) -> list[str]:
    """Return the experiments on these models whose damage a prediction can be held against."""
    return [
        name
        for name, experiment in configuration.experiments.items()
        if "perplexity" in experiment.metrics and set(experiment.models) & set(models)
    ]


def _prediction(configuration: "Configuration") -> dict[str, Entry]:
    models = list(configuration.predict.models)
    entry = {"models": models, "experiments": _with_perplexity(configuration, models)}
    return {"prediction": entry} if artifacts.predicted(configuration) else {}


def _directions(configuration: "Configuration") -> dict[str, Entry]:
    wanted = artifacts.predicted(configuration) and configuration.predict.n_directions
    return {"directions": {"models": list(configuration.predict.models)}} if wanted else {}


def _predicted(configuration: "Configuration") -> dict[str, Entry]:
    return {
        f"predicted-{model}-{corpus}": {
            "model": model,
            "corpus": corpus,
            "experiments": _with_perplexity(configuration, [model]),
        }
        for model, corpus in artifacts.predicted(configuration)
    }


TABLES = (
    Exhibit(
        "prediction",
        "damage.predictions:prediction",
        ("predictions",),
        _prediction,
        findings=("prediction", "storage"),
    ),
    Exhibit("directions", "damage.predictions:directions", ("directions",), _directions, findings=("storage",)),
)

FIGURES = (
    Exhibit(
        "predicted",
        "damage.predicted_figure:draw",
        ("predictions",),
        _predicted,
        "Predicted damage",
        ("prediction", "cuts"),
    ),
)
