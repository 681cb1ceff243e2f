import subprocess
import sys
import textwrap
import zipfile

import pytest

from weightspectra.activations import texts
from weightspectra.activations.texts import fetch_texts, read_texts
from weightspectra.errors import UserError


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.txt").write_bytes(b"\xef\xbb\xbfone\r\n")
    (tmp_path / "a.txt").write_text("zwei \N{LATIN SMALL LETTER U WITH DIAERESIS}", encoding="utf-8")
    (tmp_path / "notes.md").write_text("not read")
    assert list(read_texts(tmp_path).items()) == [("a.txt", "zwei \xfc"), ("b/one.txt", "one\n")]
    assert fetch_texts({"path": str(tmp_path / "notes.md")}) == ({"notes.md": "not read"}, "path", "notes.md", "")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="no such text file or folder; correct the corpus' 'source'"):
        read_texts(tmp_path / "absent")
    with pytest.raises(UserError, match=r"expected \.txt files in this folder, found nothing"):
        read_texts(tmp_path)
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(UserError, match=r"expected \.txt files in this folder, found \.csv"):
        read_texts(tmp_path)


def test_latin_1_is_not_guessed(tmp_path):
    (tmp_path / "old.txt").write_bytes("caf\xe9".encode("latin-1"))
    with pytest.raises(UserError, match=r"old\.txt: byte 0xe9 at position 3 is not UTF-8; .* iconv -f latin1"):
        read_texts(tmp_path)


def test_a_package_gives_its_folder_and_its_hash_as_revision(tmp_path, monkeypatch):
    archive = tmp_path / "made-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr("made/data/a.txt", "alpha")
        wheel.writestr("made/data/deep/b.txt", "beta")
        wheel.writestr("made/other.txt", "not this")
    monkeypatch.setattr(texts, "fetch_package", lambda requirement, sha256: archive)
    source = {"package": {"requirement": "made==1.0", "sha256": "0" * 64, "path": "made/data"}}
    assert fetch_texts(source) == ({"a.txt": "alpha", "deep/b.txt": "beta"}, "package", "made==1.0", "0" * 64)


COMMIT = "c" * 40
HUB_CALL = """
    from weightspectra.activations.texts import fetch_texts
    from weightspectra.errors import UserError
    try:
        print(fetch_texts({"hub": {"repo": "someone/data", "revision": "main", **OPTIONS}}, SPLITS))
    except UserError as error:
        print("refused:", error)
"""


@pytest.fixture
def cached_data_set(tmp_path):
    """A hub cache that holds one data set of two splits, as ``hf download`` leaves it."""
    repo = tmp_path / "hub" / "datasets--someone--data"
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    (snapshot / "train.jsonl").write_text(
        '{"text": "one\\n", "n": 1}\n{"text": "", "n": 2}\n{"text": "two\\n", "n": 3}\n'
    )
    (snapshot / "test.jsonl").write_text('{"text": "three", "n": 4}\n')
    return tmp_path


def ask_hub(home, options="{}", splits="()", endpoint="http://127.0.0.1:9"):
    """Ask for a data set in a process of its own, for the hub's library reads its settings on import."""
    code = textwrap.dedent(HUB_CALL).replace("OPTIONS", options).replace("SPLITS", splits)
    settings = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "PATH": "", "PYTHONPATH": "src"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def test_a_cached_data_set_needs_no_network(cached_data_set):
    answer = ask_hub(cached_data_set)
    assert answer == str(texts.Texts({"train": "one\n\ntwo", "test": "three"}, "hub", "someone/data", COMMIT))
    assert "'train'" not in ask_hub(cached_data_set, splits="['test']")


@pytest.mark.parametrize(
    ("options", "splits", "message"),
    [
        ("{}", "['valid']", "data set someone/data has no split 'valid'; it has"),
        ("{'column': 'body'}", "()", "data set someone/data has no text column 'body'; its columns are text, n"),
        ("{'name': 'wrong'}", "()", "refused: data set someone/data: "),
    ],
)
def test_what_a_data_set_lacks_is_named(cached_data_set, options, splits, message):
    assert message in ask_hub(cached_data_set, options, splits)


def test_a_data_set_out_of_reach_is_refused_at_once(tmp_path):
    answer = ask_hub(tmp_path)
    assert "is not in the cache and http://127.0.0.1:9 cannot be reached" in answer
    assert "hf download someone/data --repo-type dataset --revision main" in answer
