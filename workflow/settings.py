"""Reads a configuration: refuses what is wrong in it, in a sentence, and fills in the defaults."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import birth_contradictions
import birth_settings
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

SCHEMA = Path(__file__).parent / "schemas" / "config.schema.yaml"


class SettingsError(Exception):
    """A configuration that cannot be run; the message is one line per fault."""


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """Check a configuration and fill its defaults in, in place.

    Raises
    ------
    SettingsError
        Names every unknown key (with the nearest known one), wrong type or
        value, every reference to a model or corpus that is not there, and
        every contradiction.
    """
    schema = yaml.safe_load(SCHEMA.read_text())
    faults = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda fault: str(list(fault.absolute_path)))
    messages = [message for fault in faults for message in _spell(fault)]
    messages = messages or birth_settings.inherit(config.get("births", {}))
    if not messages:
        _filling_validator(schema).validate(config)
        birth_settings.fill(config["births"], config["report"]["births"])
        for experiment in config["experiments"].values():
            experiment.setdefault("stride", experiment["window"])
            experiment.setdefault("metrics", ["perplexity"] if "corpus" in experiment else [])
        for finetuning in config["finetunings"].values():
            finetuning.setdefault("n_seeds_removed", finetuning["n_seeds"])
        messages = list(_loose_references(config)) or list(_contradictions(config))
    if messages:
        raise SettingsError("the configuration cannot be run:\n" + "\n".join(f"  {line}" for line in messages))
    return config


def _filling_validator(schema: Mapping[str, Any]) -> Any:
    """Return a validator that also writes each ``default`` of the schema into the instance."""
    check_properties = Draft202012Validator.VALIDATORS["properties"]

    def properties(validator: Any, known: Mapping[str, Any], instance: Any, parent: Any) -> Iterator[ValidationError]:
        if validator.is_type(instance, "object"):
            for name, subschema in known.items():
                if "default" in subschema and name not in instance:
                    default = subschema["default"]
                    instance[name] = default.copy() if isinstance(default, (dict, list)) else default
        yield from check_properties(validator, known, instance, parent)

    return extend(Draft202012Validator, {"properties": properties})(schema)


def _spell(fault: ValidationError) -> Iterator[str]:
    """Turn one validation error into lines that say where, what was found, and what was expected."""
    where = "/".join(map(str, fault.absolute_path)) or "top level"
    description = fault.schema.get("description", "") if isinstance(fault.schema, Mapping) else ""
    if fault.validator == "additionalProperties":
        known = list(fault.schema.get("properties", {}))
        for name in sorted(set(fault.instance) - set(known)):
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
            yield f"{where}: unknown key '{name}'; {hint}"
    elif fault.validator == "required":
        yield f"{where}: {fault.message}; expected: {', '.join(fault.schema['required'])}"
    elif fault.validator in ("minProperties", "maxProperties"):
        known = ", ".join(fault.schema.get("properties", {})) or "at least one entry"
        found = ", ".join(map(str, fault.instance)) or "nothing"
        yield f"{where}: found {found}, expected {'exactly one of ' if 'maxProperties' in fault.schema else ''}{known}"
    elif fault.validator == "type":
        yield f"{where}: found {fault.instance!r}, expected {fault.validator_value}. {description}".rstrip()
    elif fault.validator in ("minimum", "maximum"):
        low, high = (fault.schema.get(limit) for limit in ("minimum", "maximum"))
        expected = f"at least {low}" if high is None else f"{low} to {high}"
        yield f"{where}: found {fault.instance!r}, expected {expected}. {description}".rstrip()
    elif fault.validator == "oneOf":
        names = [choice["required"][0] for choice in fault.validator_value]
        found = ", ".join(name for name in names if name in fault.instance) or "none of them"
        yield f"{where}: found {found}, expected exactly one of {', '.join(names)}"
    elif fault.validator == "enum":
        near = difflib.get_close_matches(str(fault.instance), map(str, fault.validator_value), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        yield f"{where}: found {fault.instance!r}, expected one of {', '.join(map(str, fault.validator_value))}{hint}"
    else:
        yield f"{where}: {fault.message}. {description}".rstrip()


def _loose_references(config: Mapping[str, Any]) -> Iterator[str]:
    for where, kind, name in _references(config):
        known = config[SECTIONS[kind]]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"
            yield f"{where}: there is no {kind} '{name}'; {hint}"
    for name, model in config["models"].items():
        [(kind, spec)] = model["source"].items()
        like = config["models"].get(spec["like"]) if kind in ("random", "renoised") else None
        if like is not None and like["source"].keys() & {"random", "renoised"}:
            yield f"models/{name}/source/{kind}/like: '{spec['like']}' is itself made like another; name the original"


SECTIONS = {"model": "models", "corpus": "corpora", "data set": "data_sets", "task": "tasks", "birth": "births"}
"""From what a reference names to the section that must hold it."""


def _references(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield every reference of the configuration: where it stands, what it names, and the name."""
    for name, model in config["models"].items():
        for kind in model["source"].keys() & {"random", "renoised"}:
            yield f"models/{name}/source/{kind}/like", "model", model["source"][kind]["like"]
    for section in ("models", "corpora"):
        for name, entry in config[section].items():
            if "birth" in entry["source"]:
                yield f"{section}/{name}/source/birth/birth", "birth", entry["source"]["birth"]["birth"]
    for name, figure in config["report"]["births"].items():
        yield from ((f"report/births/{name}/births", "birth", birth) for birth in figure["births"])
    for section in ("observe", "predict"):
        yield from ((f"{section}/models", "model", name) for name in config[section]["models"])
        yield from ((f"{section}/corpora", "corpus", name) for name in config[section]["corpora"])
    yield from (("report/blocks", "model", name) for name in config["report"]["blocks"])
    for number, matrix in enumerate(config["report"]["matrices"]):
        yield f"report/matrices/{number}/model", "model", matrix["model"]
    for name, task in config["tasks"].items():
        if "data_set" in task:
            yield f"tasks/{name}/data_set", "data set", task["data_set"]
        if "tokenizer" in task:
            yield f"tasks/{name}/tokenizer", "model", task["tokenizer"]
    for name, experiment in config["experiments"].items():
        yield from _references_of_experiment(f"experiments/{name}", experiment)
    for name, finetuning in config["finetunings"].items():
        yield from ((f"finetunings/{name}/models", "model", model) for model in finetuning["models"])
        yield f"finetunings/{name}/data_set", "data set", finetuning["data_set"]
    for name, comparison in config["comparisons"].items():
        yield from ((f"comparisons/{name}/{role}", "model", comparison[role]) for role in ("base", "tuned"))


def _references_of_experiment(where: str, experiment: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield from ((f"{where}/models", "model", model) for model in experiment["models"])
    if "corpus" in experiment:
        yield f"{where}/corpus", "corpus", experiment["corpus"]
    yield from ((f"{where}/tasks", "task", task) for task in experiment["tasks"])
    yield from ((f"{where}/probes", "data set", probe) for probe in experiment["probes"])
    for number, cut in enumerate(experiment["cuts"]):
        if "corpus" in cut.get("compress", {}):
            yield f"{where}/cuts/{number}/compress/corpus", "corpus", cut["compress"]["corpus"]


def _contradictions(config: Mapping[str, Any]) -> Iterator[str]:
    observe = config["observe"]
    for section in ("observe", "predict"):
        if bool(config[section]["models"]) != bool(config[section]["corpora"]):
            yield f"{section}: found models without corpora or corpora without models; name both, or neither"
    for name, corpus in config["corpora"].items():
        yield from _contradictions_of_corpus(f"corpora/{name}", corpus)
    for name, experiment in config["experiments"].items():
        yield from _contradictions_of_experiment(f"experiments/{name}", experiment, observe)
    for name, task in config["tasks"].items():
        if ("data_set" in task) != ("prompt" in task):
            yield f"tasks/{name}: a data set needs a prompt, and only a data set has one; name both, or neither"
        elif "{text}" not in task.get("prompt", "{text}"):
            yield f"tasks/{name}/prompt: found {task['prompt']!r}, which lacks the place of the text, {{text}}"
    for name, comparison in config["comparisons"].items():
        if comparison["base"] == comparison["tuned"]:
            yield f"comparisons/{name}: '{comparison['base']}' is compared with itself; name two models"
    yield from _contradictions_of_export(config)
    yield from birth_contradictions.contradictions(config)
    for name, finetuning in config["finetunings"].items():
        if finetuning["n_seeds_removed"] > finetuning["n_seeds"]:
            yield (
                f"finetunings/{name}/n_seeds_removed: found {finetuning['n_seeds_removed']}, more than the "
                f"{finetuning['n_seeds']} untouched runs they are compared with"
            )


def _contradictions_of_export(config: Mapping[str, Any]) -> Iterator[str]:
    """Find out where the cut to export is from; whether it is there is known only with the model's matrices."""
    if "cut" not in config:
        return
    *place, label = config["cut"].split("/")
    pairs = [f"{model}/{name}" for name, found in config["experiments"].items() for model in found["models"]]
    if not pairs:
        yield "cut: there is no experiment to take it from"
    elif not label.strip():
        yield f"cut: found '{config['cut']}', expected the label of a cut, for example 'decile 1 of down'"
    elif not place and len(pairs) > 1:
        yield f"cut: several experiments may have '{label}'; write {' or '.join(f'{pair}/{label}' for pair in pairs)}"
    elif place and "/".join(place) not in pairs:
        near = difflib.get_close_matches("/".join(place), pairs, n=1) or pairs
        yield f"cut: no experiment '{'/'.join(place)}' (model/experiment); perhaps {near[0]}/{label}?"


def _contradictions_of_experiment(
    where: str, experiment: Mapping[str, Any], observe: Mapping[str, Any]
) -> Iterator[str]:
    if experiment["stride"] > experiment["window"]:
        yield (
            f"{where}/stride: {experiment['stride']} is larger than the window of "
            f"{experiment['window']} tokens, which would skip text; use at most the window"
        )
    if experiment["metrics"] and "corpus" not in experiment:
        yield f"{where}/metrics: {', '.join(experiment['metrics'])} without a text; name a corpus"
    if not (experiment["metrics"] or experiment["tasks"] or experiment["probes"]):
        yield f"{where}: nothing is measured; name a corpus, tasks or probes"
    whitening = sorted({cut["compress"].get("corpus", "") for cut in experiment["cuts"] if "compress" in cut} - {""})
    if len(whitening) > 1:
        yield f"{where}/cuts: compress names the corpora {', '.join(whitening)}; whiten with one in each experiment"
    for number, cut in enumerate(experiment["cuts"]):
        for way in ("remove", "keep"):
            first, last = cut.get(way, {}).get("indices", (0, 0))
            if first > last:
                yield f"{where}/cuts/{number}/{way}/indices: found {first} to {last}; the smaller rank comes first"
        yield from _contradictions_of_compression(f"{where}/cuts/{number}", cut, experiment, observe)


def _contradictions_of_compression(
    where: str, cut: Mapping[str, Any], experiment: Mapping[str, Any], observe: Mapping[str, Any]
) -> Iterator[str]:
    compress = cut.get("compress")
    if compress is None:
        return
    if cut["controls"]:
        yield f"{where}/controls: a compression has no matched controls; leave the key out"
    if not {"whitened", "whitened_boundary"} & set(compress["methods"]):
        return
    if "corpus" not in compress:
        yield f"{where}/compress: whitening needs second moments; name the corpus they were collected on"
    elif compress["corpus"] not in observe["corpora"] or not set(experiment["models"]) <= set(observe["models"]):
        yield (
            f"{where}/compress/corpus: '{compress['corpus']}' is not observed for "
            f"{', '.join(experiment['models'])}; add both to observe"
        )


def _contradictions_of_corpus(where: str, corpus: Mapping[str, Any]) -> Iterator[str]:
    parts = {part: next(iter(corpus[part].items())) for part in ("observe", "evaluate")}
    for part, (kind, chosen) in parts.items():
        if kind in ("number_in_name", "share") and chosen[0] > chosen[1]:
            yield f"{where}/{part}/{kind}: found {chosen[0]} to {chosen[1]}; the smaller number comes first"
    (kind, seen), (other_kind, scored) = parts.values()
    if kind == other_kind and _overlap(kind, seen, scored):
        yield f"{where}: observe and evaluate overlap ({kind}: {seen} and {scored}); choose parts that do not"


def _overlap(kind: str, one: Any, other: Any) -> bool:
    """Say whether two selections of the same kind can choose the same document."""
    if kind == "number_in_name":  # both ends are included
        return max(one[0], other[0]) <= min(one[1], other[1])
    if kind == "share":
        return max(one[0], other[0]) < min(one[1], other[1])
    return one == other
