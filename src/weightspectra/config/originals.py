"""Which models of a configuration are made like which others: controls of both kinds, and noisier copies."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from weightspectra.config.configuration import Configuration


class Made(NamedTuple):
    """How a model is made like another of the configuration: the kind of its source, and the name of the other."""

    kind: str
    original: str


def made(configuration: "Configuration") -> dict[str, Made]:
    """Return of each model that is made like another of which kind it is, and like which; no checkpoints of births."""
    sources = {name: model.source for name, model in configuration.models.items()}
    return {name: Made(source.kind, source.original) for name, source in sources.items() if source.original}


def structured_controls(configuration: "Configuration") -> dict[str, str]:
    """Return from each structure-keeping control to the model that it is made like."""
    sources = {name: model.source for name, model in configuration.models.items()}
    return {name: like for name, (_, like) in made(configuration).items() if sources[name].keeps_structure}


def random_controls(configuration: "Configuration") -> dict[str, str]:
    """Return from each random control to the model that it is made like; a structure-keeping control is none.

    The control of a birth's checkpoints is its initialisation; where several are analysed, of the last one.
    """
    born = {name: model.source.birth for name, model in configuration.models.items() if model.source.birth}
    last: dict[tuple[str, int], str] = {}
    for name, checkpoint in sorted(born.items(), key=lambda item: item[1].iteration):
        if checkpoint.iteration:
            last[checkpoint.birth, checkpoint.seed] = name
    runs = {name: (spec.birth, spec.seed) for name, spec in born.items() if not spec.iteration}
    initial = {name: last[run] for name, run in runs.items() if run in last}
    return initial | {name: like for name, (kind, like) in made(configuration).items() if kind == "random"}


def copies(configuration: "Configuration") -> dict[str, str]:
    """Return from each noisier copy to the model that it is a copy of."""
    return {name: like for name, (kind, like) in made(configuration).items() if kind == "renoised"}
