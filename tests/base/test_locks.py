"""What one process works on, no other one touches."""

import errno
import os
import re
import subprocess
import sys

import pytest
from patience import HANGS_S

from weightspectra.base import locks
from weightspectra.base.errors import UserError
from weightspectra.base.locks import Lock

HOLD = """
import sys
from weightspectra.base.locks import Lock

with Lock("results/.lock", "results"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / ".lock"


@pytest.fixture
def holder(tmp_path):
    """Another process, which holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_refusal_names_the_holder_its_machine_and_its_folder(path, holder, tmp_path):
    said = rf"^results is being written to by process {holder.pid} on \S+ in {tmp_path}; wait for its end, or stop it$"
    with pytest.raises(UserError, match=said):
        Lock(path, "results").take()
    assert f"process {holder.pid} " in path.read_text()


def test_a_lock_ends_with_its_process_however_that_ends(path, holder):
    holder.kill()
    holder.wait()
    with Lock(path, "results"):
        assert re.fullmatch(rf"process {os.getpid()} on .*\n", path.read_text())  # no word of the last holder
    assert not path.exists()


def test_one_who_is_patient_gets_it_when_the_holder_ends(path, holder, monkeypatch, capsys):
    waits = []

    def end_it(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            holder.stdin.close()
            holder.wait()

    monkeypatch.setattr(locks.time, "sleep", end_it)
    with Lock(path, "results", patience_s=HANGS_S):
        assert f"process {os.getpid()} " in path.read_text()
    assert len(waits) == 3
    said = capsys.readouterr().err
    assert re.fullmatch(f"results: waiting for process {holder.pid} on .*, which still writes to it\n", said)  # once


def test_a_file_that_its_last_holder_deletes_meanwhile_is_no_lock(path, monkeypatch):
    first = Lock(path, "results")
    first.take()
    flock, calls = locks.fcntl.flock, []

    def late(stream, how):
        calls.append(how)
        if len(calls) == 1:
            first.give_back()
        flock(stream, how)

    monkeypatch.setattr(locks.fcntl, "flock", late)
    with Lock(path, "results"):
        assert len(calls) == 2
        assert f"process {os.getpid()} " in path.read_text()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_to_is_said_in_a_sentence(path, number, monkeypatch):
    def refuse(*_):
        raise OSError(number, "no")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(
        UserError, match=rf"^results cannot be written to \(.*: {os.strerror(number)}\); make the folder"
    ):
        Lock(path, "results").take()


def test_a_file_system_without_locks_is_warned_of(path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with Lock(path, "results"):
        assert (
            "results: its file system has no locks: see to it that no second run writes there"
            in capsys.readouterr().err
        )
