"""Checksums beside files: as ``sha256sum`` writes them, and no bit of either changes in silence."""

import hashlib
import shutil
import subprocess

import pytest

from weightspectra.base import checksums
from weightspectra.base.errors import UserError

CONTENTS = {"a.csv": b"1,2\n", "deep/b.svg": b"<svg/>"}


@pytest.fixture
def sums(tmp_path):
    for name, content in CONTENTS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    checksums.write_sums([tmp_path / name for name in reversed(CONTENTS)], tmp_path / "all.sha256")
    return tmp_path / "all.sha256"


def test_only_what_has_checksums_and_their_stem_is_removed(tmp_path):
    for name in ("old.csv", "old.md", "old.txt", "kept.csv", "other.csv"):
        (tmp_path / name).write_text(name)
    checksums.write_sums([tmp_path / "old.csv", tmp_path / "old.md", tmp_path / "other.csv"], tmp_path / "old.sha256")
    checksums.write_sums([tmp_path / "kept.csv"], tmp_path / "kept.sha256")
    assert checksums.remove_others(tmp_path, {"kept"}) == ["old"]
    assert {path.name for path in tmp_path.iterdir()} == {"old.txt", "kept.csv", "kept.sha256", "other.csv"}
    assert checksums.remove_others(tmp_path / "none", {"kept"}) == []


def test_they_are_as_sha256sum_writes_and_checks_them(sums):
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in CONTENTS.items()]
    assert sums.read_text() == "".join(lines)
    if program := shutil.which("sha256sum"):
        assert subprocess.run([program, "--check", "--strict", sums.name], cwd=sums.parent, check=False).returncode == 0
    assert checksums.covered(sums) == {sums.parent / name: "" for name in (*CONTENTS, "all.sha256")}


def test_a_file_that_changed_or_went_is_named(sums):
    (sums.parent / "a.csv").write_bytes(b"1,3\n")
    (sums.parent / "deep" / "b.svg").unlink()
    found = checksums.covered(sums)
    expected, actual = (hashlib.sha256(content).hexdigest() for content in (b"1,2\n", b"1,3\n"))
    assert found[sums.parent / "a.csv"] == f"expected SHA-256 {expected}, found {actual}"
    assert found[sums.parent / "deep" / "b.svg"] == "it is missing"
    assert found[sums] == ""


def test_what_is_read_is_whole_or_is_deleted_and_said(tmp_path):
    table, sums = tmp_path / "t.json", tmp_path / "t.sha256"
    table.write_bytes(b"{}")
    checksums.write_sums([table], sums)
    assert checksums.whole(table) == table
    table.write_bytes(b"[]")
    with pytest.raises(
        UserError, match=r"t\.json: damaged \(expected SHA-256 .*\); it was deleted: run again and it is"
    ):
        checksums.whole(table)
    assert not table.exists()
    table.write_bytes(b"{}")
    checksums.write_sums([], sums)
    with pytest.raises(UserError, match=r"t\.json: damaged \(t\.sha256 does not name it\)"):
        checksums.whole(table)
    sums.unlink()
    with pytest.raises(UserError, match=r"t\.json: damaged \(t\.sha256 is missing\)"):
        checksums.whole(table)


def test_a_flipped_bit_in_any_byte_of_the_list_itself_is_found(sums):
    whole = sums.read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        sums.write_bytes(damaged)
        assert any(checksums.covered(sums).values()), at
    sums.write_bytes(b"")
    assert checksums.covered(sums) == {sums: "it is no list of checksums"}
