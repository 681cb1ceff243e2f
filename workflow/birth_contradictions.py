"""What cannot be trained, probed, read or drawn in the part of a configuration that trains transformers."""

import difflib
import functools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from birth_settings import CHOICES, OF_FIGURE, text_of

from weightspectra.base.errors import UserError
from weightspectra.birth.model.parameters import WEIGHTS, trained_parameters
from weightspectra.birth.probes.names import probes_of
from weightspectra.birth.task import characters
from weightspectra.birth.task.bigram_task import Task

MAX_BYTES = 4_000_000
"""A text up to this size is looked into at once; the first job looks into a larger one."""

Section = Mapping[str, Any]


def contradictions(config: Section) -> Iterator[str]:
    """Yield what stands against a configuration whose defaults are filled in and whose references are there."""
    births = config["births"]
    told = {name: list(_of_birth(birth)) for name, birth in births.items()}
    for name, birth in births.items():
        inherited = told.get(birth.get("like", ""), [])
        yield from (f"births/{name}/{line}" for line in told[name] if line not in inherited)
    for name, model in config["models"].items():
        if "birth" in model["source"]:
            yield from _of_model(f"models/{name}", model, births)
    for name, corpus in config["corpora"].items():
        if "birth" in corpus["source"]:
            yield from _of_corpus(f"corpora/{name}", corpus)
    yield from _of_windows(config)
    for name, figure in config["report"]["births"].items():
        yield from _of_figure(f"report/births/{name}", figure, births)


def _of_birth(birth: Section) -> Iterator[str]:
    model, training = birth["model"], birth["training"]
    yield from _of_data(birth["data"])
    for section, (key, table) in CHOICES.items():
        yield from _foreign(section, key, birth[section], table)
    if model["kind"] == "full" and model["dimension"] % model["n_heads"]:
        yield f"model/n_heads: a width of {model['dimension']} cannot be divided into {model['n_heads']} heads"
    if model["positions"] == ("learned" if model["kind"] == "simplified" else "random"):
        allowed = "random or sinusoidal" if model["kind"] == "simplified" else "learned or sinusoidal"
        yield f"model/positions: the {model['kind']} model has {allowed} ones, found {model['positions']}"
    if model["positions"] == "sinusoidal" and model["dimension"] % 2:
        yield f"model/positions: sines come with cosines; make the width of {model['dimension']} even"
    for parameter in training["frozen_until"]:
        if parameter not in (known := trained_parameters(model)):
            yield f"training/frozen_until: no trained parameter '{parameter}'; {_nearest_parameter(parameter, known)}"
    late = [iteration for iteration in training["checkpoints"] if iteration > training["n_iterations"]]
    if late:
        yield f"training/checkpoints: {late[0]} is after the last of {training['n_iterations']} iterations"
    if birth["probe"]["locate"] and model["kind"] == "full":
        yield "probe/locate: the memories of a full model are not known; leave it out, or train a simplified one"


def _nearest_parameter(name: str, known: Collection[str]) -> str:
    """Return what a wrong name of a parameter may have meant; names of memory matrices are understood, too."""
    near = [WEIGHTS[name]] if WEIGHTS.get(name) in known else difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"


def _of_data(data: Section) -> Iterator[str]:
    shortest = 2 * data["n_triggers"]
    if data["triggers"] == "random" and data["offset"]:
        yield "data/offset: random triggers have no order to skip in; leave it out, or choose frequent ones"
    if data["length"] < shortest:
        yield (
            f"data/length: {data['length']} tokens cannot show {data['n_triggers']} triggers twice; "
            f"use at least {shortest}"
        )
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
            Task.of(data, bigrams)
        except UserError as error:
            yield f"data: {error}"


@functools.cache
def _count(text: Path) -> characters.Bigrams:
    return characters.read(text.read_bytes())


def _foreign(where: str, key: str, section: Section, table: Mapping[str, Section]) -> Iterator[str]:
    """Yield keys that were given although they belong to another choice (of model, optimiser or figure)."""
    own = table[section[key]]
    for name in section:
        others = [choice for choice, known in table.items() if name in known]
        if others and name not in own:
            yield f"{where}/{name}: belongs to {key} {' or '.join(others)}, found {key} {section[key]}; leave it out"


def _of_model(where: str, model: Section, births: Section) -> Iterator[str]:
    spec = model["source"]["birth"]
    birth = births[spec["birth"]]
    for key, known in (("seed", birth["seeds"]), ("iteration", birth["training"]["checkpoints"])):
        if spec[key] not in known:
            kept = ", ".join(map(str, known))
            yield f"{where}/source/birth/{key}: found {spec[key]}; births/{spec['birth']} keeps {kept}"
    n_layers = birth["model"].get("n_layers", 2)
    if model["parts"] > n_layers:
        yield f"{where}/parts: found {model['parts']}; births/{spec['birth']} has {n_layers} layers; use no more"


def _of_corpus(where: str, corpus: Section) -> Iterator[str]:
    """Yield what sequences of the task cannot be asked for: they are documents without names and splits."""
    n_documents = corpus["source"]["birth"]["n_documents"]
    if corpus["documents"] != "file":
        yield f"{where}/documents: each sequence of a birth is one document; found {corpus['documents']}, leave it out"
    for part in ("observe", "evaluate"):
        [(way, chosen)] = corpus[part].items()
        if way != "share":
            yield f"{where}/{part}: the sequences of a birth have no {_lacking(way)}; choose a share, such as [0, 0.5]"
        elif round(chosen[0] * n_documents) >= round(chosen[1] * n_documents):
            yield f"{where}/{part}/share: {chosen[0]} to {chosen[1]} of {n_documents} sequences are none; take more"


def _lacking(way: str) -> str:
    return {"files": "file names", "number_in_name": "file names", "split": "splits"}[way]


def _of_windows(config: Section) -> Iterator[str]:
    """Yield windows that are longer than the sequences which a born model has positions for."""
    asked = {section: config[section] for section in ("observe", "predict")}
    asked |= {f"experiments/{name}": found for name, found in config["experiments"].items() if "corpus" in found}
    for where, found in asked.items():
        for model in found["models"]:
            spec = config["models"][model]["source"].get("birth")
            length = config["births"][spec["birth"]]["data"]["length"] if spec else found["window"]
            if found["window"] > length:
                yield f"{where}/window: {found['window']} tokens are more than the {length} positions of '{model}'"


def _of_figure(where: str, figure: Section, births: Section) -> Iterator[str]:
    kind, names = figure["kind"], figure["births"]
    yield from _foreign(where, "kind", figure, OF_FIGURE)
    probes = {name: probes_of(births[name]["model"], births[name]["data"]) for name in names}
    for probe in figure.get("probes", []):
        yield from (f"{where}/probes: {fault}" for fault in _of_probe(probe, probes))
    if kind == "scaling":
        against = figure["against"]
        if against == "offset":
            for name in (name for name in names if births[name]["data"]["triggers"] == "random"):
                yield f"{where}/against: births/{name} has random triggers and so no offset; leave it out"
        found = {name: births[name]["model" if against == "dimension" else "data"][against] for name in names}
        if len(set(found.values())) < 2:
            values = ", ".join(f"{value} ({name})" for name, value in found.items())
            yield f"{where}/births: a scaling needs two values of {against} or more, found {values}"
    if kind in ("timeline", "knockouts", "capacity"):
        for name in (name for name in names if not births[name]["probe"]["locate"]):
            yield f"{where}/births: the locator is not scored on births/{name} (probe/locate); leave it out"


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
