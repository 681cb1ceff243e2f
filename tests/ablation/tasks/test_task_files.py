"""Resolving tasks: what is found, what is fetched, what is refused, and that evaluation needs nothing else."""

import json
import shutil
import socket
import time

import pandas as pd
import pytest
import yaml

from weightspectra.ablation.settings import Task
from weightspectra.ablation.tasks import task_building, task_data, task_files
from weightspectra.ablation.tasks.task_code import own_functions
from weightspectra.ablation.tasks.task_index import BUILT_IN, built_in_names, expand
from weightspectra.base.errors import UserError


@pytest.fixture
def unreachable(monkeypatch):
    """No machine can be reached; the list says which were looked for."""
    asked = []

    def look_up(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(-3, "no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def write_rows(folder, split, rows):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_task(folder, name="mine", **changed):
    """A multiple-choice task over a file beside it, with a helper in a module."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder, "rows", [{"q": f"is {i} even", "a": i % 2} for i in range(8)])
    (folder / "helper.py").write_text("def question(doc):\n    return 'Q: ' + doc['q'] + '?\\nA:'\n")
    settings = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_target": "a",
        "doc_to_choice": ["yes", "no"],
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        **changed,
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(settings) + "doc_to_text: !function helper.question\n")
    return file


def examples(n=6, pair=""):
    rows = [
        {"data_set": "films", "split": split, "example": f"{split}-{i}", "text": f"text {i} {{pair}}", "pair": pair}
        | {"label": i % 2, "label_name": ("bad", "good")[i % 2], "group": ""}
        for split in ("train", "test")
        for i in range(n)
    ]
    return pd.DataFrame(rows)


def test_a_name_stands_for_the_tasks_that_lm_eval_itself_finds():
    from lm_eval.tasks import TaskManager

    folders = [BUILT_IN / name for name in ("glue", "super_glue", "ruler", "arithmetic")]
    known = TaskManager(include_path=folders, include_defaults=False)
    for name in ("glue", "super-glue-lm-eval-v1", "arithmetic"):  # tags: lm-eval knows their tasks without building any
        assert {leaf.name for leaf in expand(name).leaves} == known.task_index[name].tags
    assert [leaf.file for leaf in expand("boolq").leaves] == [known.task_index["boolq"].yaml_path]
    ruler = expand("ruler")
    assert [leaf.name for leaf in ruler.leaves] == known.task_index["ruler"].cfg["task"]
    assert ruler.averages == {"4096": False}
    assert len(expand("mmlu").leaves) == 57  # groups of tags, defined in other files


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"no task or group 'helaswag'.*hellaswag"):
        expand("helaswag")
    assert "hellaswag" in built_in_names()


def test_without_a_network_a_task_is_refused_within_seconds(tmp_path, unreachable):
    start = time.monotonic()
    with pytest.raises(UserError) as refused:
        task_files.prepare("reading", Task(name="boolq"), tmp_path / "reading")
    assert time.monotonic() - start < 30  # the libraries alone would try for minutes
    for part in ("'reading'", "aps/super_glue", "configuration 'boolq'", "hf download", "tasks/reading/data"):
        assert part in str(refused.value)
    assert unreachable and not (tmp_path / "reading").exists()


def test_a_folder_that_does_not_exist_is_named_with_all_that_was_searched(tmp_path, unreachable):
    entry = Task(name="boolq", data=str(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"searched: .*absent/aps/super_glue, .*absent/super_glue, .*absent;"):
        task_files.prepare("reading", entry, tmp_path / "out")
    assert not unreachable


def test_built_in_tasks_run_over_a_local_copy_of_their_data(tmp_path, unreachable):
    rows = [{"question": "is it", "passage": f"p {i}", "idx": i, "label": i % 2} for i in range(5)]
    copy = tmp_path / "copies" / "aps" / "super_glue"
    write_rows(copy, "train", rows)
    write_rows(copy, "validation", rows[:3])
    entry = Task(name="boolq", data=str(tmp_path / "copies"), limit=2, n_shots=1)
    [row] = task_files.prepare("reading", entry, tmp_path / "out")
    assert (row["name"], row["output_type"], row["metrics"], row["n_documents"]) == (
        "boolq",
        "multiple_choice",
        ["acc"],
        2,
    )
    shutil.rmtree(copy)
    task, _ = task_files.load(tmp_path / "out", row["file"], row["sha256"])
    assert task.eval_docs.to_list() == rows[:3]
    assert task.config.num_fewshot == 1
    assert str(tmp_path) not in (tmp_path / "out" / row["file"]).read_text()
    assert not unreachable


def test_the_same_data_give_the_same_files(tmp_path):
    file = write_task(tmp_path / "own")
    digests = {
        task_files.prepare("mine", Task(allow_code=True, file=str(file)), tmp_path / out)[0]["sha256"]
        for out in ("a", "b")
    }
    assert len(digests) == 1
    write_rows(tmp_path / "own", "rows", [{"q": "is 1 odd", "a": 0}] * 8)
    assert task_files.prepare("mine", Task(allow_code=True, file=str(file)), tmp_path / "c")[0]["sha256"] not in digests


def test_a_task_of_ones_own_keeps_its_helpers_and_its_data(tmp_path):
    base = write_task(tmp_path / "own" / "base", name="base")
    file = tmp_path / "own" / "mine" / "mine.yaml"
    file.parent.mkdir()
    file.write_text("include: ../base/base.yaml\ntask: mine\ndescription: 'Answer. '\n")
    # as lm-eval has it, data files are looked for from the working folder or beside the task that is asked
    shutil.copy(base.parent / "rows.jsonl", file.parent)
    [row] = task_files.prepare("mine", Task(allow_code=True, file=str(file)), tmp_path / "out")
    shutil.rmtree(tmp_path / "own")
    task, settings = task_files.load(tmp_path / "out", row["file"], row["sha256"])
    assert task.doc_to_text(task.eval_docs[0]) == "Q: is 0 even?\nA:"
    assert settings["source"] == "own/mine/mine.yaml"


def test_a_changed_copy_is_named(tmp_path):
    [row] = task_files.prepare("mine", Task(allow_code=True, file=str(write_task(tmp_path / "own"))), tmp_path / "out")
    for file in ("own/helper.py", "data/mine/test.arrow", row["file"]):
        before = (tmp_path / "out" / file).read_bytes()
        (tmp_path / "out" / file).write_bytes(before + b"\n")
        with pytest.raises(UserError, match=rf"{file} has changed.*rm .*out\.parquet"):
            task_files.load(tmp_path / "out", row["file"], row["sha256"])
        (tmp_path / "out" / file).write_bytes(before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("task: [", "no readable task file"),
        ("nothing: here\n", "no readable task file"),
        ("task: broken\ndataset_path: json\noutput_type: nonsense\n", "cannot be built: ValueError"),
        (
            "task: broken\ndataset_path: json\ndataset_kwargs: {data_files: gone.jsonl}\n",
            "no file gone.jsonl; searched",
        ),
    ],
)
def test_a_broken_task_file_is_refused_in_a_line(tmp_path, content, message):
    file = tmp_path / "broken.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        task_files.prepare("broken", Task(allow_code=True, file=str(file)), tmp_path / "out")
    assert not list(tmp_path.glob(".*partial"))


def test_a_group_of_ones_own_overrides_its_tasks_and_says_how_to_average(tmp_path):
    write_task(tmp_path / "own", "first")
    write_task(tmp_path / "own", "second")
    averages = [{"metric": "acc", "weight_by_size": False}]
    group = {
        "group": "both",
        "task": [{"task": "first", "num_fewshot": 2}, "second"],
        "aggregate_metric_list": averages,
    }
    (tmp_path / "own" / "group.yaml").write_text(yaml.safe_dump(group))
    rows = task_files.prepare(
        "both", Task(allow_code=True, file=str(tmp_path / "own" / "group.yaml")), tmp_path / "out"
    )
    loaded = [task_files.load(tmp_path / "out", row["file"], row["sha256"]) for row in rows]
    assert [task.config.num_fewshot for task, _ in loaded] == [2, 0]
    assert all(settings["averages"] == {"acc": False} for _, settings in loaded)


def test_a_program_of_the_model_is_not_run_unless_the_configuration_says_so(tmp_path, monkeypatch):
    file = write_task(tmp_path / "own", unsafe_code=True)
    (tmp_path / "own" / "helper.py").write_text("raise SystemExit('imported')\n")
    with pytest.raises(UserError, match="tasks/coding/run_generated_code: true"):
        task_files.prepare("coding", Task(allow_code=True, file=str(file)), tmp_path / "out")
    with pytest.raises(UserError, match="humaneval runs programs that the model writes"):
        task_files.prepare("coding", Task(name="humaneval"), tmp_path / "out")
    monkeypatch.setenv("HF_ALLOW_CODE_EVAL", "1")
    with task_building.generated_code(False):
        assert task_building.os.environ["HF_ALLOW_CODE_EVAL"] == "0"
    assert task_building.os.environ["HF_ALLOW_CODE_EVAL"] == "1"


def test_a_data_set_becomes_a_choice_between_its_classes(tmp_path):
    entry = Task(data_set="films", prompt="{text}\nIt is")
    [row] = task_files.prepare("films", entry, tmp_path / "out", examples=examples())
    task, settings = task_files.load(tmp_path / "out", row["file"], row["sha256"])
    task.build_all_requests(limit=1)
    # braces in a text are no places
    assert [instance.args for instance in task.instances] == [
        ("text 0 {pair}\nIt is", " bad"),
        ("text 0 {pair}\nIt is", " good"),
    ]
    assert list(task.dataset["content_free"]["prompt"]) == ["N/A\nIt is", "\nIt is", "[MASK]\nIt is"]
    assert settings["calibrated"]


def test_a_prompt_must_have_the_places_that_the_texts_need(tmp_path):
    for prompt, pair, message in (("It is", "", "lacks the place {text}"), ("{text}:", "b", "lacks the place {pair}")):
        with pytest.raises(UserError, match=message):
            task_files.prepare(
                "films", Task(data_set="films", prompt=prompt), tmp_path / "o", examples=examples(pair=pair)
            )
    with pytest.raises(UserError, match=r"has the place {pair}"):
        task_files.prepare("films", Task(data_set="films", prompt="{text}{pair}"), tmp_path / "o", examples=examples())


def test_made_up_texts_are_kept_as_they_were_made(tmp_path):
    """As RULER does it: a function makes the data, measured with a tokenizer, from settings of the configuration."""
    file = write_task(tmp_path / "own", "made", dataset_path="", dataset_kwargs=None)
    (tmp_path / "own" / "maker.py").write_text(
        "import random\nimport datasets\n\n\ndef make(lengths, tokenizer, **_):\n"
        "    rows = [{'q': f'{random.random()} {length} {tokenizer}', 'a': 0} for length in lengths]\n"
        "    return {'test': datasets.Dataset.from_list(rows)}\n"
    )
    with file.open("a") as stream:
        stream.write("custom_dataset: !function maker.make\n")
    entry = Task(allow_code=True, file=str(file), metadata={"lengths": [7, 9]})
    rows = [task_files.prepare("made", entry, tmp_path / out, tokenizer=tmp_path / "t")[0] for out in ("a", "b")]
    task, settings = task_files.load(tmp_path / "a", rows[0]["file"], rows[0]["sha256"])
    assert [question.split()[1:] for question in task.eval_docs["q"]] == [
        ["7", f"{tmp_path}/t"],
        ["9", f"{tmp_path}/t"],
    ]
    assert rows[0]["sha256"] == rows[1]["sha256"]
    assert str(tmp_path) not in json.dumps(settings)


def test_a_tokenizer_is_a_model_of_the_configuration(tmp_path):
    file = write_task(tmp_path / "own", "made", dataset_path="", dataset_kwargs=None)
    (tmp_path / "own" / "maker.py").write_text("def make(**_):\n    assert False, 'No tokenizer provided'\n")
    with file.open("a") as stream:
        stream.write("custom_dataset: !function maker.make\n")
    with pytest.raises(UserError, match=r"No tokenizer provided; set tasks/made/tokenizer to a model"):
        task_files.prepare("made", Task(allow_code=True, file=str(file)), tmp_path / "out")
    with pytest.raises(UserError, match=r"name a tokenizer in tasks/made/tokenizer, not in metadata"):
        task_files.prepare(
            "made", Task(allow_code=True, file=str(file), metadata={"tokenizer": "some/model"}), tmp_path / "out"
        )


def test_ruler_is_refused_with_the_packages_that_it_lacks(tmp_path, unreachable):
    pytest.importorskip("nltk")
    try:
        import wonderwords  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match=r"niah_single_1 cannot be built: .*wonderwords"):
            task_files.prepare("long", Task(name="ruler", metadata={"max_seq_lengths": [256]}), tmp_path / "long")
    else:
        pytest.skip("wonderwords is installed")


def test_rows_come_back_with_their_types(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    features = Features({"label": ClassLabel(names=["no", "yes"]), "parts": Sequence(Value("int32"))})
    rows = Dataset.from_dict({"label": [1, 0, 1], "parts": [[1, 2], [], [3]]}, features=features).select([2, 0])
    stored = task_data.store({"test": rows}, tmp_path / "data")
    [back] = task_data.stored_splits(tmp_path / "data", stored).values()
    assert back.features == features
    assert back.to_list() == [{"label": 1, "parts": [3]}, {"label": 1, "parts": [1, 2]}]


def test_python_code_of_a_task_file_runs_with_permission_only(tmp_path):
    file = write_task(tmp_path / "own")
    (tmp_path / "own" / "helper.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\ndef question(doc):\n    return ''\n"
    )
    including = tmp_path / "own" / "second.yaml"
    including.write_text("include: mine.yaml\ntask: second\n")
    for refused in (file, including):
        message = r"names Python code to be run \(helper\.question\).*tasks/mine/allow_code: true"
        with pytest.raises(UserError, match=message):
            task_files.prepare("mine", Task(file=str(refused)), tmp_path / "out")
    assert not (tmp_path / "ran").exists()
    task_files.prepare("mine", Task(file=str(file), allow_code=True), tmp_path / "out")
    assert (tmp_path / "ran").exists()


def test_what_lm_eval_brings_needs_no_permission():
    assert own_functions(BUILT_IN / "ruler" / "niah_single_1.yaml") == []
