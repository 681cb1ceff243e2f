"""Tasks in a configuration: what cannot be asked is refused."""

import copy

import pytest
from configurations import TASKS, complete

from weightspectra.config.messages import ConfigurationError


def refused(task, **changes) -> str:
    config = copy.deepcopy(TASKS)
    config["tasks"][task].update(changes)
    config["tasks"][task] = {key: value for key, value in config["tasks"][task].items() if value is not None}
    with pytest.raises(ConfigurationError) as refusal:
        complete(config)
    return str(refusal.value)


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
