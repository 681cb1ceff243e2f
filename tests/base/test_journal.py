import errno
import json
import math

import pytest

from weightspectra.base import journal
from weightspectra.base.errors import UserError
from weightspectra.base.journal import Journal

ROWS = [{"cut": "none", "value": 0.1 + 0.2, "nll": [1e-300, 1 / 3]}, {"cut": "decile 1", "value": 2.5e300}]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / ".deciles.journal"


def written(path, key="key"):
    found = Journal(path, key)
    for row in ROWS:
        found.append(row)
    return found


def test_rows_come_back_to_the_last_bit(path):
    written(path)
    assert Journal(path, "key").rows == ROWS


def test_numbers_that_are_not_finite_come_back(path):
    Journal(path, "key").append({"value": math.inf, "difference_se": math.nan})
    (row,) = Journal(path, "key").rows
    assert row["value"] == math.inf
    assert math.isnan(row["difference_se"])


def test_append_returns_what_a_resumed_job_would_read(path):
    assert Journal(path, "key").append({"layers": (1, 2)}) == {"layers": [1, 2]}


@pytest.mark.parametrize("torn", [1, 5, 20])
def test_a_torn_last_line_is_dropped_and_overwritten(path, torn):
    written(path)
    path.write_bytes(path.read_bytes()[:-torn])
    resumed = Journal(path, "key")
    assert resumed.rows == ROWS[:1]
    resumed.append(ROWS[1])
    assert Journal(path, "key").rows == ROWS


def test_a_damaged_line_and_all_after_it_are_dropped(path):
    written(path)
    path.write_bytes(path.read_bytes().replace(b"0.3000", b"0.4000"))
    assert Journal(path, "key").rows == []
    assert path.read_bytes() == b""


def test_another_key_starts_afresh(path):
    written(path)
    assert Journal(path, "other key").rows == []
    assert Journal(path, "key").rows == []


def test_removing_leaves_no_file(path):
    written(path).remove()
    assert list(path.parent.iterdir()) == []


def test_a_full_disk_is_said_in_a_sentence(path, monkeypatch):
    finished = written(path)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal.os, "fsync", full)
    with pytest.raises(UserError, match=r"\.deciles\.journal: the disk is full: .* bytes, .* are free; make room"):
        finished.append({"cut": "decile 2"})


def test_lines_can_be_read_by_people(path):
    written(path)
    assert [json.loads(line.partition(" ")[2]) for line in path.read_text().splitlines()] == ROWS
