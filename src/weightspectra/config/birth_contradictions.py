"""What cannot be trained, probed, read or drawn in the part of a configuration that trains transformers.

A module beside ``contradictions``, which asks it: it is as long as that, and alone in needing what births are made of.
"""

import difflib
import functools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from weightspectra.base.errors import UserError
from weightspectra.base.settings import Section
from weightspectra.birth.model.parameters import WEIGHTS, trained_parameters
from weightspectra.birth.probes.names import probes_of
from weightspectra.birth.settings import Birth, TaskData, Transformer
from weightspectra.config.configuration import Configuration
from weightspectra.config.inheritance import CHOICES
from weightspectra.config.messages import nearest
from weightspectra.config.needs import text_of
from weightspectra.models.settings import Model
from weightspectra.report.settings import OF_FIGURE, BirthFigure
from weightspectra.sources.settings import Corpus

MAX_BYTES = 4_000_000
"""A text up to this size is looked into at once; the first job looks into a larger one."""

LACKING = {"files": "file names", "number_in_name": "file names", "split": "splits"}
"""From a way to choose documents to what it needs and sequences of the task do not have."""


def found(configuration: Configuration) -> Iterator[str]:
    """Yield a line for each contradiction; what a birth inherits is told of the other one."""
    births = configuration.births
    told = {name: list(_of_birth(birth)) for name, birth in births.items()}
    for name, birth in births.items():
        inherited = told.get(birth.like or "", [])
        yield from (f"births/{name}/{line}" for line in told[name] if line not in inherited)
    for name, model in configuration.models.items():
        if model.source.birth:
            yield from _of_model(f"models/{name}", model, births)
    for name, corpus in configuration.corpora.items():
        if corpus.source.birth:
            yield from _of_corpus(f"corpora/{name}", corpus, corpus.source.birth.n_documents)
    yield from _of_windows(configuration)
    for name, figure in configuration.report.births.items():
        yield from _of_figure(f"report/births/{name}", figure, births)


def _of_birth(birth: Birth) -> Iterator[str]:
    model, training = birth.model, birth.training
    yield from _of_data(birth.data)
    for name, (key, table) in CHOICES.items():
        yield from _foreign(name, key, getattr(birth, name), table)
    yield from _of_transformer(model)
    known = trained_parameters(model)
    for parameter in training.frozen_until:
        if parameter not in known:
            yield f"training/frozen_until: no trained parameter '{parameter}'; {_nearest_parameter(parameter, known)}"
    late = [iteration for iteration in training.checkpoints if iteration > training.n_iterations]
    if late:
        yield f"training/checkpoints: {late[0]} is after the last of {training.n_iterations} iterations"
    if birth.probe.locate and model.kind == "full":
        yield "probe/locate: the memories of a full model are not known; leave it out, or train a simplified one"


def _of_transformer(model: Transformer) -> Iterator[str]:
    if model.kind == "full" and model.n_heads and model.dimension % model.n_heads:
        yield f"model/n_heads: a width of {model.dimension} cannot be divided into {model.n_heads} heads"
    if model.positions == ("learned" if model.kind == "simplified" else "random"):
        allowed = "random or sinusoidal" if model.kind == "simplified" else "learned or sinusoidal"
        yield f"model/positions: the {model.kind} model has {allowed} ones, found {model.positions}"
    if model.positions == "sinusoidal" and model.dimension % 2:
        yield f"model/positions: sines come with cosines; make the width of {model.dimension} even"


def _nearest_parameter(name: str, known: Collection[str]) -> str:
    """Return what a wrong name of a parameter may have meant; names of memory matrices are understood, too."""
    return f"did you mean '{WEIGHTS[name]}'?" if WEIGHTS.get(name) in known else nearest(name, known)


def _of_data(data: TaskData) -> Iterator[str]:
    from weightspectra.birth.task.bigram_task import BigramTask  # births alone need pandas, which takes half a second

    shortest = 2 * data.n_triggers
    if data.triggers == "random" and data.offset:
        yield "data/offset: random triggers have no order to skip in; leave it out, or choose frequent ones"
    if data.length < shortest:
        yield f"data/length: {data.length} tokens cannot show {data.n_triggers} triggers twice; use at least {shortest}"
    text = text_of(data)
    if not text.is_file():
        yield f"data/text: there is no file {text}; name a text file, or leave the key out"
    elif text.stat().st_size <= MAX_BYTES:
        try:
            bigrams = _count(text)
        except UserError as error:
            yield f"data/text: {error}"
            return
        try:
            BigramTask.of(data, bigrams)
        except UserError as error:
            yield f"data: {error}"


@functools.cache
def _count(text: Path) -> Any:
    from weightspectra.birth.task import characters

    return characters.read_bigrams(text.read_bytes())


def _foreign(where: str, key: str, section: Section, table: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield keys that were given although they belong to another choice (of model, optimiser or figure)."""
    choice = getattr(section, key)
    for name in dict.fromkeys(name for known in table.values() for name in known):
        if name not in table[choice] and getattr(section, name) is not None:
            others = " or ".join(other for other, known in table.items() if name in known)
            yield f"{where}/{name}: belongs to {key} {others}, found {key} {choice}; leave it out"


def _of_model(where: str, model: Model, births: Mapping[str, Birth]) -> Iterator[str]:
    spec = model.source.value
    birth = births[spec.birth]
    for key, known in (("seed", birth.seeds), ("iteration", birth.training.checkpoints)):
        if getattr(spec, key) not in known:
            kept = ", ".join(map(str, known))
            yield f"{where}/source/birth/{key}: found {getattr(spec, key)}; births/{spec.birth} keeps {kept}"
    n_layers = birth.model.n_layers or 2
    if model.parts > n_layers:
        yield f"{where}/parts: found {model.parts}; births/{spec.birth} has {n_layers} layers; use no more"


def _of_corpus(where: str, corpus: Corpus, n_documents: int) -> Iterator[str]:
    """Yield what sequences of the task cannot be asked for: they are documents without names and splits."""
    if corpus.documents != "file":
        yield f"{where}/documents: each sequence of a birth is one document; found {corpus.documents}, leave it out"
    for name, part in (("observe", corpus.observe), ("evaluate", corpus.evaluate)):
        if part.share is None:
            lacking = LACKING[part.kind]
            yield f"{where}/{name}: the sequences of a birth have no {lacking}; choose a share, such as [0, 0.5]"
        elif round(part.share[0] * n_documents) >= round(part.share[1] * n_documents):
            share = f"{part.share[0]:g} to {part.share[1]:g}"
            yield f"{where}/{name}/share: {share} of {n_documents} sequences are none; take more"


def _of_windows(configuration: Configuration) -> Iterator[str]:
    """Yield windows that are longer than the sequences which a born model has positions for."""
    asked: dict[str, Any] = {"observe": configuration.observe, "predict": configuration.predict}
    asked |= {f"experiments/{name}": spec for name, spec in configuration.experiments.items() if spec.corpus}
    for where, spec in asked.items():
        for name in spec.models:
            born = configuration.models[name].source.birth
            length = configuration.births[born.birth].data.length if born else spec.window
            if spec.window > length:
                yield f"{where}/window: {spec.window} tokens are more than the {length} positions of '{name}'"


def _of_figure(where: str, figure: BirthFigure, births: Mapping[str, Birth]) -> Iterator[str]:
    yield from _foreign(where, "kind", figure, OF_FIGURE)
    shown = {name: births[name] for name in figure.births}
    probes = {name: probes_of(birth) for name, birth in shown.items()}
    for probe in figure.probes or ():
        yield from (f"{where}/probes: {fault}" for fault in _of_probe(probe, probes))
    if figure.kind == "scaling":
        yield from _of_scaling(where, figure.against or "dimension", shown)
    if figure.kind in ("timeline", "knockouts", "capacity"):
        for name in (name for name, birth in shown.items() if not birth.probe.locate):
            yield f"{where}/births: the locator is not scored on births/{name} (probe/locate); leave it out"


def _of_scaling(where: str, against: str, births: Mapping[str, Birth]) -> Iterator[str]:
    if against == "offset":
        for name in (name for name, birth in births.items() if birth.data.triggers == "random"):
            yield f"{where}/against: births/{name} has random triggers and so no offset; leave it out"
    settings = {name: birth.model if against == "dimension" else birth.data for name, birth in births.items()}
    values = {name: getattr(section, against) for name, section in settings.items()}
    if len(set(values.values())) < 2:
        spelled = ", ".join(f"{value} ({name})" for name, value in values.items())
        yield f"{where}/births: a scaling needs two values of {against} or more, found {spelled}"


def _of_probe(probe: str, probes: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield what is wrong with drawing a probe of some births, whose probes are given by name."""
    known = list(dict.fromkeys(name for names in probes.values() for name in names))
    lacking = [birth for birth, names in probes.items() if probe not in names]
    if probe in known and lacking:
        yield f"births/{lacking[0]} has no '{probe}'; leave one of them out"
    elif lacking:
        near = difflib.get_close_matches(probe, known, n=1, cutoff=0.8)
        hint = f"did you mean '{near[0]}'?" if near else f"they have {', '.join(known)}"
        yield f"none of these births has '{probe}'; {hint}"
