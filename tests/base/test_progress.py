"""Progress: lines with the time left, by a clock that the test moves."""

import pytest

from weightspectra.base import progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def work(clock, seconds_each, total):
    for _ in progress.track(range(total), total, "decompose bert"):
        clock[0] += seconds_each


def test_a_quick_loop_is_silent(clock, capsys):
    work(clock, 0.4, 12)
    assert capsys.readouterr().err == ""


def test_a_slow_loop_says_how_much_is_done_and_how_long_it_will_take(clock, capsys):
    work(clock, 4.0, 5)
    assert capsys.readouterr().err.splitlines() == [
        "decompose bert: 2 of 5 matrices, 12 s left",
        "decompose bert: 4 of 5 matrices, 4 s left",
        "decompose bert: 5 matrices in 20 s",
    ]


def test_a_long_loop_reports_less_and_less_often(clock, capsys):
    work(clock, 1.0, 86_400)
    assert 100 < len(capsys.readouterr().err.splitlines()) < 200


def test_items_pass_through_unchanged(clock):
    assert list(progress.track("abc", 3, "letters", unit="letters")) == ["a", "b", "c"]
    assert list(progress.track([], 0, "nothing")) == []


@pytest.mark.parametrize(
    ("seconds", "spelled"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.9, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_durations_are_spelled_in_two_units(seconds, spelled):
    assert progress.duration(seconds) == spelled
