"""Where the data of a task are read from, in which order, and that what is stored comes back."""

import json

import pytest

from weightspectra.ablation.tasks import task_data
from weightspectra.base.errors import UserError


def write(folder, split, *questions):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{split}.jsonl"
    file.write_text("".join(json.dumps({"q": question}) + "\n" for question in questions))
    return file


def questions(fetched):
    return {split: rows["q"] for split, rows in fetched.splits.items()}


def fetch(path, name=None, options=None, *, local=None, beside):
    return task_data.fetch(path, name, options or {}, local=local, beside=beside)


@pytest.mark.parametrize("place", ["owner/quiz", "quiz", ""])
def test_a_local_copy_is_the_data_set_or_holds_it_by_its_id_or_its_name(tmp_path, place):
    write(tmp_path / "copies" / place, "test", "local")
    found = fetch("owner/quiz", local=tmp_path / "copies", beside=tmp_path)
    assert questions(found) == {"test": ["local"]}
    assert found.origin == f"folder {place.rpartition('/')[2] or 'copies'}"


def test_of_local_copies_the_one_under_the_whole_id_counts(tmp_path):
    write(tmp_path / "copies" / "owner" / "quiz", "test", "by id")
    write(tmp_path / "copies" / "quiz", "test", "by name")
    assert questions(fetch("owner/quiz", local=tmp_path / "copies", beside=tmp_path)) == {"test": ["by id"]}


def test_files_are_looked_for_in_the_working_folder_then_beside_the_task(tmp_path, monkeypatch):
    for folder in ("work", "task"):
        write(tmp_path / folder, "both", f"both in {folder}")
    write(tmp_path / "task", "one", "one in task")
    monkeypatch.chdir(tmp_path / "work")
    files = {"test": "both.jsonl", "train": ["one.jsonl", "both.jsonl"]}
    found = fetch("json", options={"data_files": files, "trust_remote_code": True}, beside=tmp_path / "task")
    assert questions(found) == {"test": ["both in work"], "train": ["one in task", "both in work"]}
    assert found.origin == "files of the task"
    with pytest.raises(UserError, match=rf"data set 'json': no file none.jsonl; searched: {tmp_path / 'work'}, "):
        fetch("json", options={"data_files": "none.jsonl"}, beside=tmp_path / "task")


def test_a_path_is_a_folder_or_refused(tmp_path):
    write(tmp_path / "mine", "train", "a", "b")
    found = fetch(str(tmp_path / "mine"), beside=tmp_path)
    assert (questions(found), found.origin) == ({"train": ["a", "b"]}, "folder mine")
    for absent in (str(tmp_path / "absent"), "./absent", "a/b/c"):
        with pytest.raises(UserError, match=f"data set '{absent}': the folder {absent} does not exist"):
            fetch(absent, beside=tmp_path)


@pytest.mark.parametrize(("revision", "asked"), [(None, "main"), ("v2", "v2")])
def test_the_hub_is_asked_for_the_revision_that_the_task_names(tmp_path, monkeypatch, revision, asked):
    write(tmp_path / "0123abc", "test", "from the hub")
    calls = []

    def snapshot(path, revision):
        calls.append((path, revision))
        return tmp_path / "0123abc"

    monkeypatch.setattr(task_data, "fetch_data_set", snapshot)
    found = fetch("owner/quiz", options={"revision": revision}, beside=tmp_path)
    assert calls == [("owner/quiz", asked)]
    assert (questions(found), found.origin) == ({"test": ["from the hub"]}, "owner/quiz@0123abc")


def test_a_file_that_cannot_be_read_is_refused_in_a_line_with_its_data_set(tmp_path):
    (tmp_path / "broken.jsonl").write_text("{]")
    with pytest.raises(UserError, match=r"^data set 'json', configuration 'hard' cannot be read: [^\n]*$"):
        fetch("json", "hard", {"data_files": "broken.jsonl"}, beside=tmp_path)


def test_stored_splits_come_back_and_equal_rows_are_equal_bytes(tmp_path):
    write(tmp_path / "mine", "train", "a", "b", "c")
    write(tmp_path / "mine", "test", "d")
    splits = fetch(str(tmp_path / "mine"), beside=tmp_path).splits
    first = task_data.store(splits, tmp_path / "first")
    shuffled = {"test": splits["test"], "train": splits["train"].select([2, 0, 1]).select([1, 2, 0])}
    assert task_data.store(shuffled, tmp_path / "second") == first
    assert {split: entry["rows"] for split, entry in first.items()} == {"train": 3, "test": 1}
    back = task_data.stored_splits(tmp_path / "first", ["train", "test"])
    assert {split: rows["q"] for split, rows in back.items()} == {"train": ["a", "b", "c"], "test": ["d"]}
