"""What a job reads, as its plan names it: tasks of their own, texts, and controls among checkpoints."""

import copy
from types import SimpleNamespace

from configurations import BIRTHS, TASKS
from plan import Plan
from snake import ROOT

from weightspectra.config.needs import SHAKESPEARE


def test_a_task_is_made_from_what_it_names(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("mine.yaml", "helper.py", "rows.parquet", "notes.txt"):
        (folder / name).touch()
    config = copy.deepcopy(TASKS)
    config["tasks"]["mine"] = {"file": str(folder / "mine.yaml")}
    config["tasks"]["copied"] = {"name": "boolq", "data": str(folder)}
    plan = Plan(config, root=str(ROOT))
    found = {task: plan.task_inputs(SimpleNamespace(task=task)) for task in config["tasks"]}
    assert found["films"] == {"data_set": ["<results>/data_sets/films.parquet"], "tokenizer": [], "own": []}
    assert found["long"]["tokenizer"] == ["<results>/sources/one.parquet"]
    assert found["mine"]["own"] == [str(folder / "helper.py"), str(folder / "mine.yaml")]
    assert str(folder / "notes.txt") in found["copied"]["own"]
    assert str(folder / "rows.parquet") not in found["copied"]["own"]


def test_the_initial_checkpoint_is_the_control_of_the_last_one_of_its_run():
    plan = Plan(copy.deepcopy(BIRTHS), root=str(ROOT))
    assert plan.controls == {"first": "last"}  # 'other' is the initialisation of another seed
    nulls = {model: plan.nulls_of(SimpleNamespace(model=model)) for model in BIRTHS["models"]}
    assert nulls["first"] == nulls["last"] == "<results>/nulls/last.parquet"
    assert nulls["other"] == "<results>/nulls/other.parquet"
    assert plan.presented.figures["controls-first"] == {
        "kind": "controls",
        "model": "last",
        "control": "first",
        "block": None,
    }
    assert plan.presented.named_in_report["titles"]["last"] == "Trained"
    assert plan.original_of(SimpleNamespace(model="first")) == ["<results>/births/base/seed-0.parquet"]


def test_a_control_of_its_own_kind_stands_before_a_drawn_one():
    config = copy.deepcopy(BIRTHS)
    config["models"] = {"drawn": {"source": {"random": {"like": "last"}}}, **config["models"]}
    plan = Plan(config, root=str(ROOT))
    assert plan.controls == {"first": "last", "drawn": "last"}
    assert plan.presented.figures["information-last"]["control"] == "first"


def test_a_text_is_found_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.txt").write_text("abcdef" * 9)
    config = copy.deepcopy(BIRTHS)
    config["births"]["wide"]["data"] = {"text": "~/mine.txt"}
    plan = Plan(config, root=str(ROOT))
    assert plan.text_of_birth(SimpleNamespace(birth="wide")) == str(tmp_path / "mine.txt")
    assert plan.text_of_birth(SimpleNamespace(birth="base")) == str(SHAKESPEARE)
    assert SHAKESPEARE.is_file()


def test_how_fused_matrices_are_cut_decides_what_a_structure_keeping_control_is_and_no_other_source():
    models = {
        "neox": {"source": {"path": "/models/neox"}, "fused_split": "thirds"},
        "flipped": {"source": {"flipped": {"like": "neox", "draw": 2}}, "fused_split": "thirds"},
    }
    plan = Plan({"seed": 4, "models": models}, root=str(ROOT))
    control, other = (SimpleNamespace(model=model) for model in ("flipped", "neox"))
    assert plan.fetched_of(control)["fused_split"] == "thirds"
    assert plan.fetched_of(control)["source"] == {"flipped": {"like": "neox", "draw": 2}}
    assert "fused_split" not in plan.fetched_of(other)
    assert (plan.seed_of(control), plan.seed_of(other)) == (4, None)
    assert plan.original_of(control) == ["<results>/sources/neox.parquet"]
