"""Configurations: what is wrong is refused in a sentence, what is left out gets its default."""

import copy
import re
from pathlib import Path
from typing import get_args

import configurations
import generate_configuration
import pytest
import yaml
from configurations import complete
from jsonschema import Draft202012Validator

from weightspectra.config.configuration import Configuration, PathVariables
from weightspectra.config.messages import ConfigurationError
from weightspectra.config.reading import read
from weightspectra.config.schema import json_schema
from weightspectra.contracts import ROLES
from weightspectra.models.settings import ModelSource, Role
from weightspectra.sources.settings import CorpusSource

ROOT = Path(__file__).parents[2]
SCHEMA = json_schema()
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
SMALLEST = yaml.safe_load("""
models:
  bert: {source: {path: /models/bert}}
corpora:
  text: {source: {path: text.txt}, observe: {share: [0, 0.5]}, evaluate: {share: [0.5, 1]}}
experiments:
  deciles: {models: [bert], corpus: text, cuts: [{remove: {deciles: [1]}}]}
""")
HASH = "0" * 64


def with_value(path, value):
    """Return the smallest configuration with one value replaced or added."""
    return configurations.with_value(SMALLEST, path, value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sead", 3, "top level: unknown key 'sead'; did you mean 'seed'?"),
        ("experiments/deciles/stide", 3, "experiments/deciles: unknown key 'stide'; did you mean 'stride'?"),
        ("pathvars/zzz", "x", "pathvars: unknown key 'zzz'; known keys: results, logs, benchmarks"),
        ("seed", "one", "seed: found 'one', expected integer. Seed of everything random"),
        ("seed", -1, "seed: found -1, expected at least 0. Seed"),
        ("device", "gpu", "device: 'gpu' does not match '^(auto|cpu|cuda(:[0-9]+)?)$'. Where matrices"),
        ("seed", True, "seed: found True, expected integer."),
        ("cut", 3, "cut: found 3, expected string. The cut that `snakemake export` writes"),
        ("cut", 3, "Write it in quotes."),
        ("device", None, "device: found nothing; give it a value, or leave the key out"),
        ("models/yes\n", {"source": {"path": "x"}}, "models: 'yes\\n' does not match '^[A-Za-z0-9]"),
        ("models", {}, "models: found nothing, expected at least one entry"),
        ("models/my bert", {"source": {"path": "x"}}, "models: 'my bert' does not match '^[A-Za-z0-9]"),
        ("models/new", {}, "models/new: 'source' is a required property; expected: source"),
        ("models/new/source", {}, "models/new/source: found nothing, expected exactly one of hub, path, package, gguf"),
        (
            "models/bert/source/random",
            {"like": "bert"},
            "models/bert/source: found path, random, expected exactly one of hub, path, package, gguf, random",
        ),
        (
            "models/new/source/random/like",
            "brt",
            "models/new/source/random/like: there is no model 'brt'; did you mean 'bert'?",
        ),
        (
            "models/new/source/random/like",
            "new",
            "models/new/source/random/like: 'new' is itself made like another; name the original",
        ),
        ("models/new/source/gguf/file", "x", "models/new/source/gguf: found none of them, expected exactly one of"),
        (
            "models/new/source/gguf",
            {"file": "x", "path": "a", "package": {"requirement": "a==1", "sha256": HASH}},
            "models/new/source/gguf: found package, path, expected exactly one of package, path",
        ),
        (
            "models/new/source/package",
            {"requirement": "a>=1", "sha256": HASH, "path": "x"},
            "models/new/source/package/requirement: 'a>=1' does not match",
        ),
        ("models/new/source/hub/repo", "a/b", "models/new/source/hub: 'revision' is a required property"),
        ("models/bert/parts", 0, "models/bert/parts: found 0, expected 1 to 99. Into how many jobs"),
        ("corpora/text/source/hub", {"repo": "a/b", "revision": "c"}, "corpora/text/source: found path, hub, expected"),
        ("corpora/text/observe/share", [0.9, 0.1], "corpora/text/observe/share: found 0.9 to 0.1; the smaller number"),
        ("corpora/text/evaluate/share", [0.4, 1], "corpora/text: observe and evaluate overlap (share: [0, 0.5] and"),
        (
            "observe",
            {"models": ["brt"], "corpora": ["text"]},
            "observe/models: there is no model 'brt'; did you mean 'bert'?",
        ),
        ("observe", {"models": ["bert"], "corpora": ["zzz"]}, "observe/corpora: there is no corpus 'zzz'; known: text"),
        ("observe/models", ["bert"], "observe: found models without corpora or corpora without models"),
        ("report/blocks/brt", [1], "report/blocks: there is no model 'brt'; did you mean 'bert'?"),
        ("report/blocks/bert", [-1], "report/blocks/bert/0: found -1, expected at least 0."),
        ("experiments/deciles/models", ["zzz"], "experiments/deciles/models: there is no model 'zzz'; known: bert"),
        ("experiments/deciles/corpus", "txt", "experiments/deciles/corpus: there is no corpus 'txt'; did you mean"),
        ("experiments/deciles/window", "long", "experiments/deciles/window: found 'long', expected integer. Tokens"),
        ("experiments/deciles/stride", 300, "experiments/deciles/stride: 300 is larger than the window of 256 tokens"),
        (
            "experiments/deciles/cuts/0/remove/deciles",
            [0],
            "experiments/deciles/cuts/0/remove/deciles/0: found 0, expected 1 to 10.",
        ),
        ("experiments/deciles/cuts/0/remove/deciles", [3, 11], "cuts/0/remove/deciles/1: found 11, expected 1 to 10."),
        ("experiments/deciles/cuts/0/remove", {}, "cuts/0/remove: found nothing, expected exactly one of deciles"),
        (
            "experiments/deciles/cuts/0/remove/region",
            ["below"],
            "cuts/0/remove: found deciles, region, expected exactly one of deciles, indices, region",
        ),
        (
            "experiments/deciles/cuts/0/remove",
            {"indices": [5, 2]},
            "experiments/deciles/cuts/0/remove/indices: found 5 to 2; the smaller rank comes first",
        ),
        (
            "experiments/deciles/cuts/0/roles",
            ["querry"],
            "experiments/deciles/cuts/0/roles/0: found 'querry', expected one of query, key, value, attention_output, "
            "up, gate, down; did you mean 'query'?",
        ),
    ],
)
def test_each_fault_is_one_line_that_says_where_what_and_what_instead(path, value, message):
    with pytest.raises(ConfigurationError) as error:
        complete(with_value(path, value))
    opening, *lines = str(error.value).splitlines()
    assert opening == "the configuration cannot be run:"
    assert [line for line in lines if message in line], error.value
    assert len(lines) == 1


def test_all_faults_are_told_at_once():
    config = with_value("sead", 3) | {"seed": "x"}
    with pytest.raises(ConfigurationError) as error:
        complete(config)
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("observe", "evaluate", "allowed"),
    [
        ({"number_in_name": [1900, 1979]}, {"number_in_name": [1980, 2026]}, True),
        ({"number_in_name": [1900, 1980]}, {"number_in_name": [1980, 2026]}, False),
        ({"share": [0.9, 1]}, {"share": [0, 0.9]}, True),
        ({"share": [0.9, 1]}, {"share": [0, 0.91]}, False),
        ({"split": "validation"}, {"split": "test"}, True),
        ({"split": "test"}, {"split": "test"}, False),
        ({"files": "*.txt"}, {"files": "*.txt"}, False),
    ],
)
def test_the_two_parts_of_a_corpus_must_not_overlap(observe, evaluate, allowed):
    config = with_value("corpora/text", {"source": {"path": "t"}, "observe": observe, "evaluate": evaluate})
    if allowed:
        complete(config)
    else:
        with pytest.raises(ConfigurationError, match="corpora/text: observe and evaluate overlap"):
            complete(config)


def test_defaults_are_filled_in_at_every_depth():
    config = complete(with_value("models/hub/source/hub", {"repo": "a/b", "revision": "c"}))
    assert (config["seed"], config["device"], config["keep_weights"]) == (1, "auto", True)
    assert config["models"]["bert"] == {
        "source": {"path": "/models/bert"},
        "parts": 1,
        "fused_split": "interleaved",
        "allow_pickle": False,
        "trust_remote_code": False,
    }
    assert config["observe"]["models"] == []
    assert config["report"]["blocks"] == {}
    experiment = config["experiments"]["deciles"]
    assert (experiment["metrics"], experiment["bos"], experiment["dtype"]) == (["perplexity"], True, "float32")
    assert experiment["cuts"][0]["scope"] == "role"
    assert complete(copy.deepcopy(config)) == config


def test_two_configurations_do_not_share_their_defaults():
    one, other = complete(copy.deepcopy(SMALLEST)), complete(copy.deepcopy(SMALLEST))
    one["report"]["blocks"]["bert"] = [1]
    assert other["report"]["blocks"] == {}


def test_windows_follow_each_other_unless_a_stride_is_given():
    experiment = with_value("experiments/deciles/window", 64)["experiments"]["deciles"]
    assert complete(SMALLEST | {"experiments": {"e": experiment}})["experiments"]["e"]["stride"] == 64


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_configurations_here_are_valid(path):
    complete(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_settings_come_back_from_the_plain_data_that_jobs_get(path):
    settings = read(path)
    assert Configuration.model_validate(settings.plain()) == settings


def test_the_examples_in_the_guide_are_valid(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "mine.txt").write_text("to be or not to be")
    guide = (ROOT / "config" / "README.md").read_text()
    whole, *pieces = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)]
    sections = [piece for piece in pieces if piece.keys() <= SCHEMA["properties"].keys()]
    for name, entries in (item for piece in sections for item in piece.items()):
        whole[name] = {**whole.get(name, {}), **entries}
    complete(whole)
    entries = [piece for piece in pieces if piece not in sections]
    base = SMALLEST | {"births": whole["births"]}
    for piece in entries:
        if "observe" in piece:
            complete(base | {"corpora": {"text": piece}})
        else:
            others = {name: {"source": {"path": "x"}} for name in ("bert", "another-model-of-this-file")}
            complete(base | {"models": {"mine": piece, **others}})
    assert {kind for piece in entries for kind in piece["source"]} == {
        *ModelSource.model_fields,
        *CorpusSource.model_fields,
    }


def properties_of(schema, where=""):
    """Yield every property of a schema with where it stands: (path, subschema)."""
    for name, definition in schema.get("$defs", {}).items():
        yield from properties_of(definition, f"$defs/{name}")
    for name, subschema in schema.get("properties", {}).items():
        yield f"{where}/{name}", subschema
        yield from properties_of(subschema, f"{where}/{name}")


PROPERTIES = dict(properties_of(SCHEMA))


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)
    assert len(PROPERTIES) > 150


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_editors_accept_the_configurations_here(path):
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sead", 3),
        ("models", {}),
        ("models/my bert", {"source": {"path": "x"}}),
        ("models/new", {}),
        ("models/bert/source/random", {"like": "bert"}),
        ("models/bert/parts", 0),
        ("corpora/text/observe/share", [0.1, 0.2, 0.3]),
        ("experiments/deciles/cuts/0/remove/deciles", [1, 1]),
        ("experiments/deciles/cuts/0/roles", ["querry"]),
        ("experiments/deciles/cuts/0/keep", {"deciles": [1]}),
    ],
)
def test_editors_refuse_what_is_refused(path, value):
    assert not Draft202012Validator(SCHEMA).is_valid(with_value(path, value))
    with pytest.raises(ConfigurationError):
        complete(with_value(path, value))


def test_a_check_fails_when_the_schema_or_the_page_drift():
    assert generate_configuration.out_of_date() == []


@pytest.mark.parametrize("where", PROPERTIES)
def test_every_key_is_described(where):
    subschema = PROPERTIES[where]
    definition = SCHEMA if "$ref" in subschema else {}
    for step in subschema.get("$ref", "#").split("/")[1:]:
        definition = definition[step]
    assert subschema.get("description") or definition.get("description")


@pytest.mark.parametrize("name", sorted({where.rsplit("/", 1)[-1] for where in PROPERTIES}))
def test_every_key_is_used(name):
    code = [*ROOT.glob("workflow/*.py"), *ROOT.glob("workflow/rules/*"), *ROOT.glob("scripts/*.py")]
    code += [path for path in ROOT.glob("src/**/*.py") if path.name != "settings.py" and path.parent.name != "config"]
    used = re.compile(rf"""["'/.]{name}\b|\b{name}(:|=)""")
    # Snakemake itself reads the path variables.
    assert name in PathVariables.model_fields or any(used.search(p.read_text()) for p in code)


def test_every_object_is_closed():
    def objects(schema):
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "properties" in schema:
                yield schema
            for value in schema.values():
                yield from objects(value)

    for schema in objects(SCHEMA):
        assert schema["additionalProperties"] is False, schema


def test_the_settings_know_the_same_roles_as_the_contracts():
    assert get_args(Role) == ROLES
