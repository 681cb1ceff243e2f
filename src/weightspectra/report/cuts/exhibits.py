"""The exhibits of cuts: what removing singular values costs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from weightspectra.config import artifacts
from weightspectra.report.kit.exhibit import Entries, Entry, Exhibit

if TYPE_CHECKING:
    from weightspectra.ablation.settings import Experiment
    from weightspectra.config.configuration import Configuration

Chosen = Callable[["Experiment"], bool]
CUTS = ("cuts",)
"""Whether a change is significant is concluded, one file an evaluation."""

TABLED = (*CUTS, "storage")
"""Under a table stands, too, which models are stored in so few bits that their small singular values are noise."""


def _on_text(experiment: "Experiment") -> bool:
    return bool(experiment.metrics)


def _by_tokens(experiment: "Experiment") -> bool:
    return "perplexity" in experiment.metrics


def _on_items(experiment: "Experiment") -> bool:
    return bool(experiment.tasks or experiment.probes)


def _with_controls(experiment: "Experiment") -> bool:
    return any(cut.controls for cut in experiment.cuts)


def _with_compressions(experiment: "Experiment") -> bool:
    return any(cut.compress for cut in experiment.cuts)


def _any(_: "Experiment") -> bool:
    return True


def of_experiments(configuration: "Configuration", experiments: Sequence[str]) -> Entry:
    """Return the entry of an exhibit that shows these experiments, with the models that they were made on."""
    evaluated = artifacts.evaluated(configuration)
    models = dict.fromkeys(model for model, name in evaluated if name in experiments)
    return {"models": [*models], "experiments": [*experiments]}


def _table(kind: str, chosen: Chosen) -> Entries:
    """Return the entries of a table of all experiments that are so, if there are some."""

    def entries(configuration: "Configuration") -> dict[str, Entry]:
        experiments = [name for name, experiment in configuration.experiments.items() if chosen(experiment)]
        return {kind: of_experiments(configuration, experiments)} if experiments else {}

    return entries


def _figures(kind: str, chosen: Chosen) -> Entries:
    """Return the entries of one figure of each experiment that is so, and of each of its models."""

    def entries(configuration: "Configuration") -> dict[str, Entry]:
        return {
            f"{kind}-{model}-{name}": {"model": model, "experiment": name}
            for model, name in artifacts.evaluated(configuration)
            if chosen(configuration.experiments[name])
        }

    return entries


TABLES = (
    Exhibit("cuts", "cuts.cut_tables:cuts", ("evaluations",), _table("cuts", _on_text), findings=TABLED),
    Exhibit(
        "positions", "cuts.position_table:positions", ("evaluations",), _table("positions", _by_tokens), findings=TABLED
    ),
    Exhibit("contrasts", "cuts.contrasts:contrast_table", (), _table("contrasts", _with_controls), findings=TABLED),
    Exhibit("tasks", "cuts.cut_tables:tasks", ("evaluations",), _table("tasks", _on_items), findings=TABLED),
    Exhibit(
        "compression",
        "cuts.compressions:compression",
        ("evaluations", "matrices"),
        _table("compression", _with_compressions),
        findings=TABLED,
    ),
)

FIGURES = (
    Exhibit(
        "damage",
        "cuts.cost_figure:draw",
        ("evaluations",),
        _figures("damage", _any),
        "What removing singular values costs",
        CUTS,
    ),
    Exhibit(
        "positions",
        "cuts.position_figure:draw",
        ("evaluations",),
        _figures("positions", _by_tokens),
        "Where in a window the damage lies",
        CUTS,
    ),
    Exhibit(
        "contrasts",
        "cuts.contrasts:draw",
        ("evaluations",),
        _figures("contrasts", _with_controls),
        "Cuts beside their matched controls",
        CUTS,
    ),
    Exhibit(
        "compression",
        "cuts.compressions:draw",
        ("evaluations", "matrices"),
        _figures("compression", _with_compressions),
        "How small the model can be made",
        CUTS,
    ),
)
