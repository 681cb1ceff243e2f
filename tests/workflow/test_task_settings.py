"""Tasks in a configuration: what cannot be asked is refused, and a task is made from what it names."""

import copy
from types import SimpleNamespace

import pytest
import yaml
from plan import Plan
from settings import SettingsError, complete
from snake import ROOT

BASE = yaml.safe_load("""
models:
  one: {source: {path: /models/one}}
data_sets:
  films: {source: {path: films.tsv}}
tasks:
  films: {data_set: films, prompt: "{text}\\nIt is"}
  long: {name: ruler, tokenizer: one, metadata: {max_seq_lengths: [4096]}}
""")


def refused(task, **changes) -> str:
    config = copy.deepcopy(BASE)
    config["tasks"][task].update(changes)
    config["tasks"][task] = {key: value for key, value in config["tasks"][task].items() if value is not None}
    with pytest.raises(SettingsError) as refusal:
        complete(config)
    return str(refusal.value)


def test_a_task_is_made_from_what_it_names(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("mine.yaml", "helper.py", "rows.parquet", "notes.txt"):
        (folder / name).touch()
    config = copy.deepcopy(BASE)
    config["tasks"]["mine"] = {"file": str(folder / "mine.yaml")}
    config["tasks"]["copied"] = {"name": "boolq", "data": str(folder)}
    plan = Plan(config, root=str(ROOT))
    found = {task: plan.task_inputs(SimpleNamespace(task=task)) for task in config["tasks"]}
    assert found["films"] == {"data_set": ["<results>/data_sets/films.parquet"], "tokenizer": [], "own": []}
    assert found["long"]["tokenizer"] == ["<results>/sources/one.parquet"]
    assert found["mine"]["own"] == [str(folder / "helper.py"), str(folder / "mine.yaml")]
    assert str(folder / "notes.txt") in found["copied"]["own"]
    assert str(folder / "rows.parquet") not in found["copied"]["own"]


def test_what_a_task_names_must_be_there():
    assert "tasks/films/data_set: there is no data set 'filns'; did you mean 'films'?" in refused(
        "films", data_set="filns"
    )
    assert "tasks/long/tokenizer: there is no model 'two'" in refused("long", tokenizer="two")


def test_a_data_set_and_its_prompt_come_together():
    assert "tasks/films: a data set needs a prompt" in refused("films", prompt=None)
    assert "tasks/long: a data set needs a prompt, and only a data set has one" in refused("long", prompt="{text}")
    assert "lacks the place of the text, {text}" in refused("films", prompt="It is")


def test_a_task_has_one_origin():
    assert "tasks/films: found name, data_set, expected exactly one of name, file, data_set" in refused(
        "films", name="boolq"
    )
