import subprocess
import sys
from itertools import pairwise

import pytest
from fetch_corpus import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.birth.task.characters import count

YEARS = range(1990, 1996)


@pytest.fixture
def folder(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for year in YEARS:
        (texts / f"{year}.txt").write_text(f"first of {year}\n\nsecond of {year}\n")
    return texts


def fetch(folder, output, **changes):
    entry = {
        "source": {"path": str(folder)},
        "documents": "file",
        "observe": {"number_in_name": [1990, 1993]},
        "evaluate": {"number_in_name": [1994, 1995]},
    }
    main(job("fetch_corpus", Files(), Files(output), wildcards={"corpus": "prose"}, entry=entry | changes))


def test_each_document_is_a_row_of_its_part(folder, tmp_path):
    fetch(folder, tmp_path / "corpus.parquet")
    rows = contracts.CORPUS.read(tmp_path / "corpus.parquet")
    assert list(rows["document"]) == [f"{year}.txt" for year in YEARS]
    assert list(rows["part"]) == 4 * ["observe"] + 2 * ["evaluate"]
    assert set(rows["corpus"]) == {"prose"}
    assert rows["text"][5] == "first of 1995\n\nsecond of 1995"


def test_the_source_is_recorded_without_its_place(folder, tmp_path):
    fetch(folder, tmp_path / "a.parquet")
    recorded = contracts.read_provenance(tmp_path / "a.parquet")["sources"]["corpus:prose"]
    assert (recorded["kind"], recorded["name"], recorded["revision"]) == ("path", "texts", "")
    (folder / "1990.txt").write_text("other")
    fetch(folder, tmp_path / "b.parquet")
    changed = contracts.read_provenance(tmp_path / "b.parquet")["sources"]["corpus:prose"]
    assert len(changed["sha256"]) == 64
    assert changed["sha256"] != recorded["sha256"]


def test_the_same_texts_give_the_same_bytes(folder, tmp_path):
    for name in ("a", "b"):
        fetch(folder, tmp_path / f"{name}.parquet", documents="paragraph")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert len(contracts.CORPUS.read(tmp_path / "a.parquet")) == 12


def test_a_corpus_that_cannot_be_divided_leaves_no_file(folder, tmp_path):
    with pytest.raises(UserError, match="2 documents are in both parts"):
        fetch(folder, tmp_path / "corpus.parquet", evaluate={"number_in_name": [1992, 1995]})
    with pytest.raises(UserError, match="no such text file or folder"):
        fetch(folder / "absent", tmp_path / "corpus.parquet")
    assert not (tmp_path / "corpus.parquet").exists()


DATA = {"triggers": "frequent", "n_triggers": 1, "offset": 0, "outputs": "uniform", "no_repeat": False, "length": 40}
BIRTH = {
    "source": {"birth": {"birth": "small", "n_documents": 12}},
    "observe": {"share": [0, 0.5]},
    "evaluate": {"share": [0.5, 1]},
}


@pytest.fixture
def counted(tmp_path):
    """The characters of a text with blank lines."""
    bigrams = count("to be or so, to be or\n\n\nto be " * 5)
    contracts.CHARACTERS.write(list(bigrams.rows()), tmp_path / "characters.parquet", {})
    return bigrams


def draw(folder, output, corpus="bigrams", seed=0, data=DATA, **changes):
    entry = {"documents": "file", **BIRTH} | changes
    inputs = Files(folder / "characters.parquet")
    main(job("fetch_corpus", inputs, Files(output), wildcards={"corpus": corpus}, entry=entry, seed=seed, data=data))
    return contracts.CORPUS.read(output)


def test_sequences_of_the_bigram_task_are_whole_documents_whatever_a_document_is(counted, tmp_path):
    rows = draw(tmp_path, tmp_path / "a.parquet")
    assert list(rows["part"]) == 6 * ["observe"] + 6 * ["evaluate"]
    assert rows["document"].is_unique
    assert set(rows["text"].str.len()) == {40}
    assert rows["text"].str.contains("\n\n").any()
    assert (rows["text"].str.strip() != rows["text"]).any()
    characters = counted.characters
    for text in rows["text"]:
        assert len({text[at + 1] for at in range(39) if text[at] == " "}) <= 1  # the most frequent one is the trigger
        for one, other in pairwise(text):
            assert one == " " or counted.followers[characters.index(one), characters.index(other)]
    for unit in ("paragraph", "article"):
        assert draw(tmp_path, tmp_path / "b.parquet", documents=unit).equals(rows)
    by_number = {"observe": {"number_in_name": [0, 5]}, "evaluate": {"number_in_name": [6, 99]}}
    assert draw(tmp_path, tmp_path / "b.parquet", **by_number).equals(rows)


def test_sequences_depend_on_seed_corpus_and_task(counted, tmp_path):
    def texts(**changes):
        return tuple(draw(tmp_path, tmp_path / "a.parquet", **changes)["text"])

    ways = ({}, {"seed": 1}, {"corpus": "other"}, {"data": DATA | {"no_repeat": True}})
    assert len({texts(**way) for way in ways}) == len(ways)
    assert texts() == texts()
    recorded = contracts.read_provenance(tmp_path / "a.parquet")
    assert recorded["sources"]["corpus:bigrams"].items() >= {"kind": "birth", "name": "small", "revision": ""}.items()
    assert recorded["seed"] == 0


def test_a_task_that_its_characters_cannot_make_leaves_no_corpus(counted, tmp_path):
    with pytest.raises(UserError, match="50 triggers were asked for"):
        draw(tmp_path, tmp_path / "a.parquet", data=DATA | {"n_triggers": 50})
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize(
    ("script", "heavy"), [("fetch_corpus", "torch"), ("count_characters", "torch"), ("measure_overlap", "transformers")]
)
def test_scripts_do_not_import_what_they_do_not_need(script, heavy):
    code = f"import sys; sys.path[:0] = ['src', 'scripts']; import {script}; sys.exit('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
