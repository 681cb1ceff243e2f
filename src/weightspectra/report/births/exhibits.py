"""The exhibits of births: transformers trained here, whose memories are known, and memories made without training."""

from typing import TYPE_CHECKING, Any

from weightspectra.birth.probes.names import probes_of
from weightspectra.config import artifacts
from weightspectra.report.kit.exhibit import Entries, Entry, Exhibit

if TYPE_CHECKING:
    from weightspectra.birth.settings import Birth
    from weightspectra.config.configuration import Configuration

MAIN_PROBES = {
    "simplified": (
        *("induction_accuracy", "recall_output", "recall_output_corrected"),
        *("recall_key_2", "recall_key_1_early", "divergence_bigram"),
    ),
    "full": ("induction_accuracy", "in_context_loss", "attends_previous", "attends_repeat"),
}
"""What the curves of a birth show if the configuration does not say, by the kind of its model, where it applies."""

OF_ONE_BIRTH = ("timeline", "knockouts", "attention")
"""Kinds of figures that show one birth; asked for several, there is one figure of each."""


def _births(configuration: "Configuration") -> dict[str, Entry]:
    return {"births": {"births": list(configuration.births)}} if configuration.births else {}


def _located(kind: str) -> Entries:
    """Return the entries of a table of the births whose memories are known."""

    def entries(configuration: "Configuration") -> dict[str, Entry]:
        births = dict.fromkeys(name for name, _ in artifacts.located_births(configuration))
        return {kind: {"births": [*births]}} if births else {}

    return entries


def _memories(configuration: "Configuration") -> dict[str, Entry]:
    return {"memories": {}} if configuration.memories.dimensions else {}


def _figures(kind: str) -> Entries:
    """Return the entries of one kind of figure, as the configuration names them or as is usual."""

    def entries(configuration: "Configuration") -> dict[str, Entry]:
        wanted = {
            name: figure.model_dump(exclude_none=True, mode="json")
            for name, figure in configuration.report.births.items()
        }
        found: dict[str, Entry] = {}
        for name, figure in (wanted or _usual(configuration)).items():
            births = figure["births"]
            settings: dict[str, Any] = {key: figure[key] for key in ("probes", "against") if key in figure}
            if figure["kind"] != kind:
                continue
            if kind in OF_ONE_BIRTH and len(births) > 1:
                found |= {f"births-{name}-{birth}": {"births": [birth]} for birth in births}
            else:
                found[f"births-{name}"] = {"births": births, **settings}
        return found

    return entries


def _usual(configuration: "Configuration") -> dict[str, dict[str, Any]]:
    """Return the figures of births if the configuration names none: what each learned, where it is, where it looks."""
    found: dict[str, dict[str, Any]] = {}
    for name, birth in configuration.births.items():
        found[f"{name}-curves"] = {"kind": "curves", "births": [name], "probes": _main_probes(birth)}
        kinds = OF_ONE_BIRTH if birth.probe.locate else ("attention",)
        found |= {f"{name}-{kind}": {"kind": kind, "births": [name]} for kind in kinds}
    return found


def _main_probes(birth: "Birth") -> list[str]:
    known = probes_of(birth)
    probes = [probe for probe in MAIN_PROBES[birth.model.kind] if probe in known]
    if birth.training.loss == "all":
        probes.insert(1, "global_loss")
    return probes


TABLES = (
    Exhibit("births", "births.tables:births", ("probes",), _births),
    Exhibit("locator", "births.locator_tables:locator", ("locations",), _located("locator")),
    Exhibit("knockouts", "births.tables:knockouts", ("knockouts",), _located("knockouts")),
    Exhibit("memories", "births.tables:memories", ("simulations",), _memories),
)

FIGURES = (
    Exhibit(
        "birth_curves",
        "births.curves:draw",
        ("probes",),
        _figures("curves"),
        "Transformers trained here: what they learn, and when",
    ),
    Exhibit(
        "birth_timeline",
        "births.timeline:draw",
        ("locations", "probes"),
        _figures("timeline"),
        "What the locator finds, before the model can do it",
    ),
    Exhibit(
        "birth_knockouts",
        "births.knockouts:draw",
        ("knockouts",),
        _figures("knockouts"),
        "Located values alone, and all others without them",
    ),
    Exhibit(
        "birth_capacity",
        "births.capacity:draw",
        ("locations", "probes"),
        _figures("capacity"),
        "More memories than dimensions",
    ),
    Exhibit(
        "birth_scaling",
        "births.scaling:draw",
        ("probes",),
        _figures("scaling"),
        "Transformers trained here, against a setting",
    ),
    Exhibit(
        "birth_transfer",
        "births.transfer:draw",
        ("probes",),
        _figures("transfer"),
        "Tested with other outputs than in training",
    ),
    Exhibit(
        "birth_attention",
        "births.attention:draw",
        ("attention_maps",),
        _figures("attention"),
        "Where trained transformers look",
    ),
    Exhibit(
        "birth_memories",
        "births.memories:draw",
        ("simulations",),
        _memories,
        "Associative memories made without training",
    ),
)
