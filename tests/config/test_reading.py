"""Configurations from files: what YAML would read otherwise than it is meant is refused, home folders are found."""

import subprocess
import sys

import pytest
from configurations import ROOT, complete

from weightspectra.config.messages import ConfigurationError
from weightspectra.config.reading import read

BERT = "models:\n  bert: {source: {path: /models/bert}}\n"


def refused(text, folder):
    """Return the file of a configuration that must be refused, and the lines that say why."""
    file = folder / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        read(file)
    return file, [line.strip() for line in str(error.value).splitlines()[1:]]


def test_a_key_that_is_there_twice_is_named_with_both_lines(tmp_path):
    file, lines = refused(f"seed: 1\n{BERT}  gpt: {{source: {{path: x, path: y}}}}\nseed: 2\n", tmp_path)
    assert lines == [
        f"{file}, line 4: the key 'path' is there twice, first in line 4; keep one of them",
        f"{file}, line 5: the key 'seed' is there twice, first in line 1; keep one of them",
    ]


def test_an_entry_may_be_merged_into_several_others(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "models:\n  a: {source: &one {path: x}}\n  b: {source: {<<: *one}}\n"
        "corpora:\n  c: {source: {path: y}, observe: &part {share: [0, 0.5]}, evaluate: {<<: *part, share: [0.5, 1]}}\n"
    )
    assert read(file).models["b"].source.path == "x"


def test_several_entries_may_be_merged_into_one(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("models:\n  a: {<<: &one {title: A}, <<: {source: {path: x}}}\n")
    assert (read(file).models["a"].title, read(file).models["a"].source.path) == ("A", "x")


@pytest.mark.parametrize(
    ("name", "found"),
    [("no", "False as a boolean"), ("2026", "2026 as a number"), ("2026-12-01", "2026-12-01 as a date")],
)
def test_a_name_that_is_none_to_yaml_is_to_be_quoted(name, found, tmp_path):
    _, lines = refused(f"{BERT}  {name}: {{source: {{path: x}}}}\n", tmp_path)
    assert lines == [f"models: YAML reads the name {found}; write it in quotes"]
    _, lines = refused(f"{BERT}{name}: 3\n", tmp_path)
    assert lines == [f"top level: YAML reads the name {found}; write it in quotes"]


def test_a_value_that_is_no_text_to_yaml_is_to_be_quoted(tmp_path):
    _, [line] = refused(f"{BERT}report: {{title: 2026}}\n", tmp_path)
    assert line.startswith("report/title: found 2026, expected string.")
    assert line.endswith("Write it in quotes.")


def test_json_is_a_configuration_too(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text('{\n\t"models": {"a": {"source": {"path": "x"}}}}')
    assert complete({"models": {"a": {"source": {"path": "x"}}}}, [file])["seed"] == 1


def test_a_tilde_is_the_home_folder_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    parts = {"observe": {"share": [0, 0.5]}, "evaluate": {"share": [0.5, 1]}}
    config = complete(
        {
            "models": {"a": {"source": {"path": "~/a"}}, "b": {"source": {"gguf": {"path": "~", "file": "b.gguf"}}}},
            "corpora": {"c": {"source": {"path": "~/c"}, **parts}},
            "data_sets": {"d": {"source": {"path": "~/d"}}},
            "tasks": {"t": {"file": "~/t.yaml", "data": "~/t"}},
            "pathvars": {"results": "~/results"},
            "report": {"published": ["~/numbers.yaml", "config/numbers.yaml"]},
        }
    )
    assert config["models"]["a"]["source"]["path"] == "/home/me/a"
    assert config["models"]["b"]["source"]["gguf"]["path"] == "/home/me"
    assert config["corpora"]["c"]["source"]["path"] == "/home/me/c"
    assert config["data_sets"]["d"]["source"]["path"] == "/home/me/d"
    assert (config["tasks"]["t"]["file"], config["tasks"]["t"]["data"]) == ("/home/me/t.yaml", "/home/me/t")
    assert config["pathvars"]["results"] == "/home/me/results"
    assert config["report"]["published"] == ["/home/me/numbers.yaml", "config/numbers.yaml"]


def test_settings_are_read_without_heavy_libraries():
    heavy = "{'torch', 'transformers', 'pandas', 'pyarrow', 'numpy'} & sys.modules.keys()"
    code = f"import sys; sys.path.insert(0, 'src'); import weightspectra.config.reading; sys.exit(str({heavy} or 0))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.stderr in ("", "0\n")
