import pytest
from fetch_data_set import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError

DEFAULTS = {"reader": "table", "text": "text", "label": "label", "test_share": 0.25}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "colours.csv"
    path.write_text("text,label\n" + "".join(f"sky {n},blue\ngrass {n},green\n" for n in range(20)))
    return path


def fetch(source, output, *, seed=1, **changes):
    entry = DEFAULTS | {"source": source} | changes
    main(job("fetch_data_set", Files(), Files(output), wildcards={"data_set": "made"}, entry=entry, seed=seed))
    return contracts.EXAMPLES.read(output)


def test_each_example_is_a_row_of_its_part(table, tmp_path):
    rows = fetch({"path": str(table)}, tmp_path / "a.parquet", test_share=0.2)
    assert rows["split"].value_counts().to_dict() == {"train": 32, "test": 8}
    assert rows["example"].is_unique
    named = rows.groupby("label_name", observed=True)["label"].unique()
    assert (list(named["blue"]), list(named["green"])) == ([0], [1])
    assert all(text.startswith("sky") == (label == 0) for text, label in zip(rows["text"], rows["label"], strict=True))


def test_the_same_source_and_seed_give_the_same_bytes(table, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fetch({"path": str(table)}, tmp_path / f"{name}.parquet", seed=seed)
    one, same, other = ((tmp_path / f"{name}.parquet").read_bytes() for name in "abc")
    assert one == same != other
    recorded = contracts.read_provenance(tmp_path / "a.parquet")["sources"]["data_set:made"]
    assert (recorded["kind"], recorded["name"], recorded["revision"]) == ("path", "colours.csv", "")
    assert len(recorded["sha256"]) == 64


def test_a_data_set_that_cannot_be_divided_leaves_no_file(table, tmp_path):
    with pytest.raises(UserError, match="found 2 classes"):
        fetch({"path": str(table)}, tmp_path / "a.parquet", classes=["red", "grey", "white"])
    assert not (tmp_path / "a.parquet").exists()


SST2 = {
    "train": (
        *("a stirring , funny and finally transporting re imagining\t1", "a gob of drivel so sickly sweet\t0"),
        *('no " movement , no yuks\t0', "it 's charming\t1", "one long string of cliches\t0"),
    ),
    "dev": ("one long string of cliches\t0", 'k 19 exploits our " fear \t0', "if you 've ever been moved\t1"),
    "test": ("gangs of new york is an unapologetic mess\t0", "we never feel anything\t0", "a treat\t1"),
}
"""Sentences in the form of SST-2: no head line, quotes that open nothing, and one that is in two files."""


def test_files_without_a_head_line_are_read_by_the_names_given(tmp_path):
    folder = tmp_path / "sst2"
    folder.mkdir()
    for split, lines in SST2.items():
        (folder / f"{split}.tsv").write_text("".join(f"{line}\n" for line in lines))
    settings = {"columns": ["text", "label"], "classes": ["negative", "positive"], "splits": ["train", "dev"]}
    rows = fetch({"path": str(folder)}, tmp_path / "sst2.parquet", **settings)
    lines = rows["text"] + "\t" + rows["label"].astype(str)
    assert sorted(lines[rows["split"] == "test"]) == sorted(line.replace(" \t", "\t") for line in SST2["dev"])
    assert sorted(lines[rows["split"] == "train"]) == sorted(set(SST2["train"]) - set(SST2["dev"]))
