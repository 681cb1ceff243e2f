import subprocess
import sys

import pytest
from fetch_corpus import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.errors import UserError

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


@pytest.mark.parametrize(("script", "heavy"), [("fetch_corpus", "torch"), ("measure_overlap", "transformers")])
def test_scripts_do_not_import_what_they_do_not_need(script, heavy):
    code = f"import sys; sys.path[:0] = ['src', 'scripts']; import {script}; sys.exit('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
