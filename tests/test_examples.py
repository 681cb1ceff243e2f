"""The examples of docstrings and documents run, and the modules that documents name are there."""

import ast
import doctest
import importlib
import re
import runpy
from pathlib import Path

import pytest
from filled import filled

from weightspectra import contracts

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src"
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "config").glob("*.md")]

WITH_EXAMPLES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text()]

FENCED = re.compile(r"^```python\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    \.venv/bin/python -c \"(.*?)\"\n", flags=re.MULTILINE | re.DOTALL)


def blocks(pattern):
    """From each document to what it shows as Python code."""
    found = {path.relative_to(ROOT).as_posix(): pattern.findall(path.read_text()) for path in DOCUMENTS}
    return {name: shown for name, shown in found.items() if shown}


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_of_docstrings_give_what_they_show(path):
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder with the one result that documents read."""
    monkeypatch.chdir(tmp_path)
    contracts.BULK.write(
        [filled(contracts.BULK)], tmp_path / "results" / "bulk" / "minilm.parquet", {"rule": "fit_bulk"}
    )


def test_the_provenance_of_a_file_is_read_as_documents_say(results, capsys):
    [[shown]] = [found for name, found in blocks(FENCED).items() if name == "docs/data.md"]
    *statements, last = ast.parse(shown).body
    names = {}
    exec(compile(ast.Module(statements, []), "data.md", "exec"), names)
    assert eval(compile(ast.Expression(last.value), "data.md", "eval"), names) == {"rule": "fit_bulk"}
    assert list(blocks(INDENTED)) == ["CONTRIBUTING.md"]
    for command in blocks(INDENTED)["CONTRIBUTING.md"]:
        exec(command.replace("\\\n", ""), {})
        assert capsys.readouterr().out == "{'rule': 'fit_bulk'}\n"


def test_the_rows_of_a_new_architecture_are_such_rows():
    row, entry = blocks(FENCED)["docs/add-an-architecture.md"]
    names = {}
    exec(row, names)
    assert names["STARCODER2"].model_type == "starcoder2"
    assert isinstance(eval(f"{{{entry}}}", runpy.run_path(str(ROOT / "tests" / "models" / "conftest.py"))), dict)


def test_no_document_shows_code_that_is_not_run():
    assert set(blocks(FENCED)) == {"docs/data.md", "docs/add-an-architecture.md"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_modules_that_a_document_names_are_there(document):
    if document.name == "CHANGELOG.md":
        pytest.skip("tells of modules that have gone")
    folders = ("src", "scripts", "tests", "bench", "workflow", "docs", "config")
    files = [f"/{path.relative_to(ROOT)}" for folder in folders for path in (ROOT / folder).rglob("*.py")]
    named = re.findall(r"`([\w/.-]+\.py)`", document.read_text())
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files)] == []
