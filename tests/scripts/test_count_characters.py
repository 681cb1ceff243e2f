from pathlib import Path

import numpy as np
import pytest
from count_characters import main
from stand_in import Files, job

from weightspectra import contracts
from weightspectra.base.errors import UserError
from weightspectra.birth.task.characters import Bigrams

DATA = {"triggers": "frequent", "n_triggers": 3, "offset": 0, "outputs": "uniform", "no_repeat": False, "length": 16}
TABLE = Path(__file__).parents[2] / "config" / "published" / "tiny_shakespeare.csv"


def count(text, output, **changes):
    main(job("count_characters", Files(text), Files(output), wildcards={"birth": "small"}, data=DATA | changes))


def test_a_text_is_counted_and_its_digest_recorded(tmp_path):
    (tmp_path / "text.txt").write_text("abracadabra\n")
    count(tmp_path / "text.txt", tmp_path / "a.parquet")
    rows = contracts.CHARACTERS.read(tmp_path / "a.parquet")
    assert "".join(rows["character"]) == "\nabcdr"
    assert list(rows["token"]) == [0, 1, 2, 3, 4, 5]
    assert list(rows["count"]) == [1, 5, 2, 1, 1, 2]
    assert list(rows["followers"][1]) == [1, 0, 2, 1, 1, 0]
    recorded = contracts.read_provenance(tmp_path / "a.parquet")["sources"]["characters:small"]
    assert (recorded["name"], len(recorded["sha256"])) == ("text.txt", 64)


def test_counts_that_come_with_the_workflow_are_read(tmp_path):
    count(TABLE, tmp_path / "a.parquet")
    found = Bigrams.of(contracts.CHARACTERS.read(tmp_path / "a.parquet"))
    assert (found.n_characters, found.counts.sum(), found.followers.sum()) == (65, 1115394, 1115393)
    assert found.characters[np.argmax(found.counts)] == " "


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (b"", {}, "births/small/data: text.txt: the text holds 0 characters"),
        (b"\xff\xfe", {}, "births/small/data: text.txt: found UTF-16, expected plain text in UTF-8"),
        (
            b"abab",
            {},
            "3 triggers were asked for, but the text has only 2 distinct characters; make n_triggers smaller",
        ),
    ],
)
def test_a_text_that_the_task_cannot_use_is_refused_and_leaves_no_file(content, changes, message, tmp_path):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        count(tmp_path / "text.txt", tmp_path / "a.parquet", **changes)
    assert not (tmp_path / "a.parquet").exists()
