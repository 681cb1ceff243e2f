"""A download reports itself every few seconds, with the time left where the size is known."""

import pytest

from weightspectra.sources import transfer


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets by hand."""
    now = [100.0]
    monkeypatch.setattr(transfer.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_every_few_seconds_with_the_time_left(clock, capsys):
    report = transfer.Transfer("download x", 90_000_000)
    for second in range(13):
        clock[0] = 100.0 + second
        report.report(3_000_000 * second)
    assert capsys.readouterr().err.splitlines() == [
        "download x: 15 of 90 MB, 25 s left",
        "download x: 30 of 90 MB, 20 s left",
    ]


def test_a_size_that_is_not_known_gives_no_time(clock, capsys):
    report = transfer.Transfer("download x", None)
    clock[0] += 6
    report.report(1_234_000_000)
    assert capsys.readouterr().err == "download x: 1,234 MB\n"


def test_more_bytes_than_announced_leave_no_negative_time(clock, capsys):
    report = transfer.Transfer("download x", 10_000_000)
    clock[0] += 6
    report.report(12_000_000)
    assert capsys.readouterr().err == "download x: 12 of 10 MB, 0 s left\n"
