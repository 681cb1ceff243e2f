import errno
import json
import math

import pytest

from weightspectra.base import journal
from weightspectra.base.errors import UserError
from weightspectra.base.journal import Journal, check_complete

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


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda lines: lines[1:], 0),  # the journal of a second writer, which began when the first one's was deleted
        (lambda lines: [lines[0], *lines[2:]], 1),
        (lambda lines: [lines[0], *lines], 1),
        (lambda lines: [lines[1], lines[0], lines[2]], 0),
        (lambda lines: [*lines, lines[2]], 3),
        (lambda lines: [*lines, lines[0]], 3),
    ],
    ids=["first line gone", "a hole", "first line twice", "swapped", "last line twice", "begins again"],
)
def test_a_line_is_gone_on_with_only_behind_those_it_was_written_behind(path, damage, left):
    rows = [*ROWS, {"cut": "decile 2"}]
    written(path).append(rows[2])
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    resumed = Journal(path, "key")
    assert resumed.rows == rows[:left]
    for row in rows[left:]:
        resumed.append(row)
    assert Journal(path, "key").rows == rows


@pytest.mark.parametrize("change", ["deleted", "appended to", "cut"])
def test_a_writer_that_finds_what_it_has_not_written_stops(path, change):
    finished = written(path)
    whole = path.read_bytes()
    path.unlink() if change == "deleted" else path.write_bytes(whole + b"more" if change == "appended to" else b"")
    with pytest.raises(
        UserError, match=r"\.deciles\.journal: another program has changed it while this job worked: exp"
    ):
        finished.append({"cut": "decile 2"})
    assert not path.exists() or b"decile 2" not in path.read_bytes()


def test_any_flipped_byte_and_any_end_leave_what_stands_before_it(path):
    written(path)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for place in range(len(whole)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            assert Journal(path, "key").rows == ROWS[: int(place >= first)]


def test_what_is_complete_passes():
    check_complete("train toy: checkpoints", iter([0, 2, 4]), [0, 2, 4])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([0], r"expected 6, found 1 \(missing: 2, 4, 8 and 2 more\)"),
        ([0, 2, 4, 8, 16, 32, 3], r"expected 6, found 7 \(not asked for: 3\)"),
        ([0, 2, 2, 4, 8, 16], r"expected 6, found 6 \(missing: 32; there twice: 2\)"),
        ([0, 2, 4, 8, 32, 16], r"expected 6, found 6 \(in another order\)"),
    ],
)
def test_what_is_not_all_that_was_asked_is_said(found, said):
    with pytest.raises(UserError, match=f"^train toy: checkpoints: {said}; nothing was written: run again"):
        check_complete("train toy: checkpoints", found, [0, 2, 4, 8, 16, 32])


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
