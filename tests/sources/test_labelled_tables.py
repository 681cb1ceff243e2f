"""Tables of every kind give the same rows; what is no table is refused in one line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weightspectra.base.errors import UserError
from weightspectra.sources.labelled.tables import read_tables

ROWS = [
    {"text": 'a "quoted" word', "label": "1"},
    {"text": "zwei \N{LATIN SMALL LETTER U WITH DIAERESIS}", "label": "0"},
]


def write(path, rows):
    """Write rows in the form that the file's ending says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".json", ".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".tsv":
        lines = [rows[0], *(row.values() for row in rows)]
        path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    else:
        quoted = [['"' + value.replace('"', '""') + '"' for value in row.values()] for row in rows]
        path.write_text("".join(",".join(line) + "\n" for line in [list(rows[0]), *quoted]), encoding="utf-8")


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".jsonl", ".json", ".parquet"])
def test_all_kinds_give_the_same_rows(tmp_path, ending):
    write(tmp_path / f"all{ending}", ROWS)
    assert read_tables(tmp_path / f"all{ending}") == {"all": ROWS}


def test_a_folder_has_one_split_for_each_name(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / ".cache").mkdir()
    write(tmp_path / "data" / "train-00000-of-00002.parquet", ROWS[:1])
    write(tmp_path / "data" / "train-00001-of-00002.parquet", ROWS[1:])
    write(tmp_path / "test.tsv", ROWS)
    write(tmp_path / ".cache" / "dev.tsv", ROWS)
    (tmp_path / "README.md").write_text("not a table")
    assert read_tables(tmp_path) == {"train": ROWS, "test": ROWS}
    (tmp_path / "test.tsv").write_text("not\tread")
    assert read_tables(tmp_path, wanted=["train"]) == {"train": ROWS}
    with pytest.raises(UserError, match="has no split 'dev'; it has train, test"):
        read_tables(tmp_path, wanted=["train", "dev"])


def test_columns_are_named_where_the_file_does_not(tmp_path):
    (tmp_path / "bare.tsv").write_text("one\t1\ntwo\t0\n")
    assert read_tables(tmp_path / "bare.tsv", ["text", "label"])["bare"] == [
        {"text": "one", "label": "1"},
        {"text": "two", "label": "0"},
    ]


def test_what_is_no_table_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        read_tables(tmp_path / "absent")
    with pytest.raises(UserError, match=r"expected files that end in \.tsv, .*, found nothing"):
        read_tables(tmp_path)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(UserError, match=r"expected a file that ends in \.tsv"):
        read_tables(tmp_path / "a.txt")
    (tmp_path / "short.tsv").write_text("text\tlabel\none\n")
    with pytest.raises(UserError, match="line 2: found 1 columns, expected 2"):
        read_tables(tmp_path / "short.tsv")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    (tmp_path / "cut.jsonl").write_text('{"text": "on')
    (tmp_path / "list.jsonl").write_text("[1]\n")
    (tmp_path / "old.csv").write_bytes("caf\xe9,1\n".encode("latin-1"))
    for name, found in {"cut.parquet": "not a readable", "cut.jsonl": "not a readable", "old.csv": "UTF-8"}.items():
        with pytest.raises(UserError, match=found):
            read_tables(tmp_path / name)
    with pytest.raises(UserError, match="one JSON object a line"):
        read_tables(tmp_path / "list.jsonl")
