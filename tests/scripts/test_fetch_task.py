import json
import subprocess
import sys

import pytest
from fetch_task import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError


def fetch(output, entry, **inputs):
    files = {"data_set": [], "tokenizer": [], "own": [], **inputs}
    main(job("fetch_task", Files(**files), Files(output), wildcards={"task": output.stem}, entry=entry))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    rows = [{"question": "is it", "passage": f"p {i}", "idx": i, "label": i % 2} for i in range(4)]
    for split in ("train", "validation"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_built_in_task_is_a_row_with_its_files(data, tmp_path):
    for name in ("a", "b"):
        fetch(tmp_path / name / "reading.parquet", {"name": "boolq", "data": str(data), "limit": 3})
    [row] = contracts.TASKS.read(tmp_path / "a" / "reading.parquet").to_dict("records")
    assert (row["task"], row["name"], row["version"], row["n_documents"]) == ("reading", "boolq", "2.0", 3)
    assert row["data"] == "folder copy"
    assert (tmp_path / "a" / "reading" / row["file"]).is_file()
    assert (tmp_path / "a" / "reading.parquet").read_bytes() == (tmp_path / "b" / "reading.parquet").read_bytes()
    [source] = contracts.read_provenance(tmp_path / "a" / "reading.parquet")["sources"].values()
    assert source["name"] == "folder copy" and source["revision"].startswith("lm-eval 0.4")


def test_a_data_set_of_the_configuration_is_read_by_its_contract(tmp_path):
    rows = [
        {"data_set": "films", "split": split, "example": f"{split}{i}", "text": f"t {i}", "pair": "", "label": i % 2}
        | {"label_name": "ab"[i % 2], "group": ""}
        for split in ("train", "test")
        for i in range(4)
    ]
    contracts.EXAMPLES.write(rows, tmp_path / "films.parquet", {})
    entry = {"data_set": "films", "prompt": "{text} is"}
    fetch(tmp_path / "asked.parquet", entry, data_set=[str(tmp_path / "films.parquet")])
    [row] = contracts.TASKS.read(tmp_path / "asked.parquet").to_dict("records")
    assert (row["output_type"], row["n_documents"], list(row["metrics"])) == ("multiple_choice", 4, ["acc"])


def test_what_is_refused_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="task 'coding': humaneval runs programs"):
        fetch(tmp_path / "coding.parquet", {"name": "humaneval"})
    assert not list(tmp_path.iterdir())


def test_the_script_needs_no_model():
    """Nor does it load what runs one: a preflight is quick."""
    code = "import sys, fetch_task; sys.exit('transformers.models.llama.modeling_llama' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
