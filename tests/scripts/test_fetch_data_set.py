from pathlib import Path

import pytest
from fetch_data_set import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError

SST2 = Path(__file__).parents[3] / "shared" / "data" / "sst2"
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


@pytest.mark.skipif(not SST2.is_dir(), reason="the files of SST-2 are not here")
def test_files_without_a_head_line_are_read_by_the_names_given(tmp_path):
    settings = {"columns": ["text", "label"], "classes": ["negative", "positive"], "splits": ["train", "dev"]}
    rows = fetch({"path": str(SST2)}, tmp_path / "sst2.parquet", **settings)
    lines = (SST2 / "dev.tsv").read_text().splitlines()
    tested = rows[rows["split"] == "test"]
    assert sorted(f"{row.text}\t{row.label}" for row in tested.itertuples()) == sorted(line.strip() for line in lines)
    assert not set(rows[rows["split"] == "train"]["text"]) & set(tested["text"])
