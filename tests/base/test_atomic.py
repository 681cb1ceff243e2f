"""Files appear whole or not at all, whatever happens while they are written."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from weightspectra.base import atomic
from weightspectra.base.atomic import replace_file, replace_folder
from weightspectra.base.errors import UserError
from weightspectra.contracts import WEIGHTS, MatrixKey

WRITE_HALF_AND_WAIT = """
import sys, time
from weightspectra.base.atomic import replace_file
with replace_file(sys.argv[1]) as stream:
    stream.write(b"half")
    stream.flush()
    print("ready", flush=True)
    time.sleep(7200)
"""


def test_the_file_takes_its_name_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "folder" / "file"
    with replace_file(target) as stream:
        stream.write(b"all")
        assert not target.exists()
    assert target.read_bytes() == b"all"
    assert names_in(target.parent) == ["file"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), replace_file(target) as stream:
        stream.write(b"new")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_writer_leaves_no_file_under_the_name_and_the_next_one_succeeds(number, tmp_path):
    target = tmp_path / "file"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_HALF_AND_WAIT, str(target)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with writer:
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(number)
    assert not target.exists()
    with replace_file(target) as stream:
        stream.write(b"whole")
    assert target.read_bytes() == b"whole"
    assert names_in(tmp_path) == ["file"]


def names_in(folder):
    return [path.name for path in folder.iterdir()]


@contextlib.contextmanager
def small_disk(folder, n_bytes):
    """Mount a disk of this size; skip where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_run_with_path_and_bytes_and_no_half_file(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((512, 512))
    with small_disk(tmp_path / "disk", 256 * 1024) as disk:
        target = disk / "weights.parquet"
        with pytest.raises(UserError) as error, WEIGHTS.matrix_writer(target, {}) as writer:
            writer.write(MatrixKey(0, "query"), matrix)
        assert re.match(
            rf"{target}: the disk is full: the file needs at least [1-9][\d,]+ bytes, [\d,]+ are free; make room",
            str(error.value),
        )
        assert names_in(disk) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_at_the_last_moment_is_reported_too(code, tmp_path, monkeypatch):
    def fail(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic.os, "fsync", fail)
    with (
        pytest.raises(UserError, match="the disk is full: the file needs at least 5 bytes"),
        replace_file(tmp_path / "file") as stream,
    ):
        stream.write(b"whole")
    assert names_in(tmp_path) == []


def test_a_folder_takes_its_name_and_an_older_ones_place_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "folder"
    for content in ("one", "two"):
        with replace_folder(target) as folder:
            (folder / content).write_text(content)
            (folder / content).chmod(0o600)
            (folder / "inner").mkdir(mode=0o700)
            assert not (target / content).exists()
        assert set(names_in(target)) == {"inner", content}
        assert (target / content).stat().st_mode & 0o777 == 0o644
        assert (target / "inner").stat().st_mode & 0o777 == 0o755
    assert names_in(target.parent) == ["folder"]


def test_what_links_in_a_folder_lead_to_is_left_as_it_is(tmp_path):
    (tmp_path / "elsewhere").touch(mode=0o600)
    with replace_folder(tmp_path / "folder") as folder:
        (folder / "link").symlink_to(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_folder_that_was_not_finished_leaves_the_old_one_and_nothing_else(error, tmp_path):
    with replace_folder(tmp_path / "folder") as folder:
        (folder / "old").touch()
    with pytest.raises(error), replace_folder(tmp_path / "folder") as folder:
        (folder / "new").touch()
        raise error
    assert names_in(tmp_path) == ["folder"] and names_in(tmp_path / "folder") == ["old"]


def test_what_a_killed_writer_left_of_a_folder_is_not_mixed_into_the_next_one(tmp_path):
    (tmp_path / ".folder.partial").mkdir()
    (tmp_path / ".folder.partial" / "half").touch()
    with replace_folder(tmp_path / "folder") as folder:
        (folder / "whole").touch()
    assert names_in(tmp_path / "folder") == ["whole"]


def test_a_disk_that_fills_up_under_a_folder_is_reported(tmp_path):
    with (
        pytest.raises(UserError, match=r"folder: the disk is full: the folder needs at least 5 bytes, [\d,]+ are free"),
        replace_folder(tmp_path / "folder") as folder,
    ):
        (folder / "file").write_text("whole")
        raise OSError(errno.ENOSPC, "full")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("replace", [replace_file, replace_folder])
def test_a_full_disk_is_reported_whoever_says_so_and_in_whatever_words(replace, tmp_path, monkeypatch):
    """Safetensors tells of it in an error of its own; others raise theirs from the system's."""
    for error in (RuntimeError("I/O error: No space left on device (os error 28)"), KeyError("weights")):
        cause = None if isinstance(error, RuntimeError) else OSError(errno.ENOSPC, "full")
        with pytest.raises(UserError, match="x: the disk is full: the "), replace(tmp_path / "x"):
            raise error from cause
    with pytest.raises(KeyError), replace(tmp_path / "x"):
        raise KeyError("weights")
    assert names_in(tmp_path) == []

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(UserError, match=r"new/x: the disk is full: .*needs at least 0 bytes"):
        replace(tmp_path / "new" / "x").__enter__()
