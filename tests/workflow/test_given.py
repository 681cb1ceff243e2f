"""What is made of the user's own files is made anew when these are edited, and not when they are only touched."""

import os
from types import SimpleNamespace

import pandas as pd
import pytest
from given import Given
from snake import copy_workflow, plan, seem_finished

from weightspectra.config.reading import resolve

HALVES = {"observe": {"share": [0, 0.5]}, "evaluate": {"share": [0.5, 1]}}


@pytest.fixture
def files(tmp_path):
    """A folder with a text, a table, data of a task and a model's small files."""
    for name in ("texts/deep/a.txt", "texts/b.txt", "texts/.hidden/c.txt", "texts/notes.md", "model/vocab.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "model" / "config.json").write_text('{"model_type": "llama"}')
    for name in ("labelled", "data"):
        (tmp_path / name).mkdir()
        pd.DataFrame({"text": ["one", "two"], "label": [0, 1]}).to_parquet(tmp_path / name / "train.parquet")
    return tmp_path


def config_of(folder):
    return {
        "models": {"own": {"source": {"path": str(folder / "model")}}},
        "corpora": {"prose": {"source": {"path": str(folder / "texts")}, **HALVES}},
        "observe": {"models": ["own"], "corpora": ["prose"]},
        "data_sets": {"labels": {"source": {"path": str(folder / "labelled")}}},
        "tasks": {"asked": {"name": "boolq", "data": str(folder / "data")}},
    }


@pytest.fixture
def digests(files, monkeypatch):
    """A function: the digests of texts, tables and a task's Parquet files, as a plan of now finds them."""
    monkeypatch.chdir(files)

    def found():
        given = Given(resolve(config_of(files)))
        wanted = SimpleNamespace(corpus="prose", data_set="labels", task="asked", model="own")
        return given.texts(wanted), given.tables(wanted), given.task_tables(wanted), given.model_files(wanted)

    return found


def test_names_and_contents_count_and_dates_do_not(files, digests):
    before = digests()
    assert before[3] == [str(files / "model" / name) for name in ("config.json", "vocab.txt")]
    for path in files.rglob("*"):
        os.utime(path, (1, 1))
    for name in ("texts/.hidden/c.txt", "texts/notes.md", "texts/._b.txt"):
        (files / name).write_text("not read")
    assert digests() == before
    seen = [before]
    for change in (
        lambda: (files / "texts" / "b.txt").write_text("TEXTS/b.txt"),
        lambda: (files / "texts" / "b.txt").rename(files / "texts" / "d.txt"),
        lambda: (files / "texts" / "deep" / "a.txt").unlink(),
    ):
        change()
        seen.append(digests())
    assert len({texts for texts, *_ in seen}) == 4
    assert len({others[1:3] for others in seen}) == 1


def test_an_edit_re_runs_what_reads_the_file(files):
    tree = copy_workflow(files / "tree")
    seem_finished(files, tree, config_of(files))

    def planned():
        found = plan(files, "--configfile", files / "config.yaml", root=tree)
        return {rule for rule in found if rule.startswith("fetch_")}

    whole = pd.DataFrame({"text": ["one", "two"], "label": [1, 0]})
    for path in files.glob("texts/*"):
        path.touch()
    assert planned() == set()
    (files / "texts" / "b.txt").write_text("edited")
    for name in ("labelled", "data"):
        whole.to_parquet(files / name / "train.parquet")
    (files / "model" / "vocab.txt").write_text("edited")
    assert planned() == {"fetch_corpus", "fetch_data_set", "fetch_task", "fetch_model"}


def test_a_text_in_another_folder_is_another_one(files, digests):
    before = digests()
    (files / "texts" / "deep").rename(files / "texts" / "other")
    assert digests()[0] != before[0]
