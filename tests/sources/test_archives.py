"""An archive is a stranger's bytes: it is unpacked as it says, or refused in a sentence."""

import io
import shutil
import tarfile
import zipfile
from collections import namedtuple

import numpy as np
import pytest
from damaging import damaged

from weightspectra.base.errors import UserError
from weightspectra.sources.formats import archives
from weightspectra.sources.formats.archives import unpack_package

FILES = {"a/one.txt": b"first " * 30, "a/b/two.txt": bytes(range(256)), "c/three.txt": b"elsewhere"}

KINDS = ("x.whl", "x.tar.gz", "x.tar.bz2", "x.tar.xz", "x.tgz", "x.tar")


def packed(path, files=FILES):
    """Write an archive of the kind that its name says."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(zipfile.ZipInfo(name), content)
        return path
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz", ".tar": "w"}[path.suffix]
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(content), {"comment": "of a stranger"}
            file.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_archive_is_unpacked(name, tmp_path):
    found = unpack_package(packed(tmp_path / name), "a", tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in found} == {
        "one.txt": FILES["a/one.txt"],
        "b/two.txt": FILES["a/b/two.txt"],
    }


@pytest.mark.parametrize("n_files", [40, pytest.param(4_000, marks=pytest.mark.full)])
@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_archive_is_unpacked_or_refused(name, n_files, tmp_path):
    """Seeded damage: only the one error of a user may come out, and nothing beside the folder.

    A tar file that is not compressed has no checksum of its content, and is taken for what it says.
    """
    rng, path, n_refused = np.random.default_rng(1), tmp_path / "in" / name, 0
    path.parent.mkdir()
    whole = packed(path).read_bytes()
    for _ in range(n_files):
        path.write_bytes(damaged(whole, rng))
        try:
            unpack_package(path, "a", tmp_path / "out" / "inner")
        except UserError as error:
            assert str(error).startswith(name)
            n_refused += 1
    assert n_refused > n_files / 4
    places = {place.name for place in (tmp_path, tmp_path / "out") for place in place.glob("*")}
    assert places <= {"in", "out", "inner"}


def unpacked(path, folder):
    """Unpack the folder "a"; return its files, or the sentence that refuses the archive."""
    try:
        return {file.name: file.read_bytes() for file in unpack_package(path, "a", folder)}
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("name", KINDS)
def test_an_archive_that_is_cut_anywhere_is_never_taken_for_a_shorter_one(name, tmp_path):
    """Only what nothing stands in may be missing: the zeros that fill up a tar file's last record."""
    path = tmp_path / name
    whole = packed(path).read_bytes()
    expected, n_taken = unpacked(path, tmp_path / "out"), 0
    assert set(expected) == {"one.txt", "two.txt"}
    last = len(whole.rstrip(b"\0")) if name == "x.tar" else len(whole)
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        found = unpacked(path, tmp_path / "out")
        n_taken += found == expected
        assert found == expected if length >= last + 512 + 511 else found.startswith(f"{name}: not a readable"), length
    assert n_taken == 0 or name == "x.tar"


def test_a_tar_file_with_a_damaged_header_or_content_after_its_end_is_refused(tmp_path):
    path = tmp_path / "x.tar"
    whole = packed(path).read_bytes()
    with tarfile.open(path) as file:
        headers = {info.name: info.offset_data - 512 for info in file}
    for name, before in (("a/b/two.txt", "after 'a/one.txt'"), ("c/three.txt", "after 'a/b/two.txt'")):
        broken = bytearray(whole)
        broken[headers[name]] ^= 1
        path.write_bytes(broken)
        # a header in front of this one tells its comment, and counts as its part
        assert unpacked(path, tmp_path / "out").startswith("x.tar: not a readable archive (")
        broken[headers[name] - 1024 : headers[name] + 512] = bytes(1536)
        path.write_bytes(broken)
        assert (
            unpacked(path, tmp_path / "out")
            == f"x.tar: not a readable archive (its end stands {before}, but more follows)"
        )
    path.write_bytes(whole[: headers["c/three.txt"] - 1024])
    assert unpacked(path, tmp_path / "out") == (
        "x.tar: not a readable archive (it breaks off after 'a/b/two.txt', where its end or another file should be)"
    )
    path.write_bytes(whole + whole)
    assert unpacked(path, tmp_path / "out").endswith("(its end stands after 'c/three.txt', but more follows)")


def test_a_zip_files_list_is_held_against_what_it_lists(tmp_path):
    path = tmp_path / "x.whl"
    whole = packed(path).read_bytes()
    path.write_bytes(whole[:-12] + b"\2" + whole[-11:])
    assert unpacked(path, tmp_path / "out") == (
        "x.whl: not a readable archive (its end speaks of 2 entries, its list of 3)"
    )
    path.write_bytes(whole[::-1].replace(b"txt.owt/b/a", b"txt.owt/b/q", 1)[::-1])
    assert "File name in directory 'q/b/two.txt' and header b'a/b/two.txt' differ" in unpacked(path, tmp_path / "out")


def test_an_encrypted_file_and_an_unknown_method_are_refused(tmp_path):
    whole = packed(tmp_path / "x.whl").read_bytes()
    for place, value, message in ((8, 1, "encrypted"), (10, 99, "compression")):
        changed, start = bytearray(whole), whole.index(b"PK\x01\x02")
        changed[start + place] = value
        changed[whole.index(b"PK\x03\x04") + place - 2] = value
        (tmp_path / "x.whl").write_bytes(changed)
        with pytest.raises(UserError, match=f"x.whl: not a readable archive .*{message}"):
            unpack_package(tmp_path / "x.whl", "a", tmp_path / "out")


def test_sizes_that_the_disk_cannot_hold_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(500, 100, 400))
    with pytest.raises(
        UserError, match=r"x\.whl: its files are said to be 436 bytes, 400 are free in .*out; make room"
    ):
        unpack_package(packed(tmp_path / "x.whl"), "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_holes_is_refused(tmp_path):
    """A few bytes say that they stand for a terabyte of zeros."""
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as file:
        info = tarfile.TarInfo("a/GNUSparseFile.0/holes")
        info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "a/holes"}
        info.pax_headers |= {"GNU.sparse.size": str(2**10), "GNU.sparse.numblocks": "0", "GNU.sparse.map": "0,0"}
        file.addfile(info)
    with pytest.raises(UserError, match="'a/holes' is a link"):
        unpack_package(tmp_path / "x.tar.gz", "a", tmp_path / "out")


def test_a_name_that_stands_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as file:
        file.writestr("a/one", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a/one", "2")
    with pytest.raises(UserError, match=r"x\.whl: 'a/one' stands in it 2 times; nothing is used"):
        unpack_package(tmp_path / "x.whl", "a", tmp_path / "out")


def test_a_size_below_zero_is_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as file:
        info = tarfile.TarInfo("a/one")
        info.pax_headers = {"size": "-512"}
        file.addfile(info)
    with pytest.raises(UserError, match=r"x\.tar\.gz: not a readable archive"):
        unpack_package(tmp_path / "x.tar.gz", "a", tmp_path / "out")


def test_a_fault_of_the_disk_is_no_fault_of_the_archive(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(archives, "replace_file", denied)
    with pytest.raises(PermissionError):
        unpack_package(packed(tmp_path / "x.whl"), "a", tmp_path / "out")
