"""Packages are fetched once through pip, verified on every use, and unpacked without leaving their folder."""

import errno
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from patience import HANGS_S

from weightspectra.base import lifetime
from weightspectra.base.errors import UserError
from weightspectra.sources import packages
from weightspectra.sources.formats.archives import unpack_package
from weightspectra.sources.packages import fetch_package, package_cache

WHEEL = "texts-1.2-py3-none-any.whl"


def write_wheel(folder: Path) -> str:
    """Write a tiny wheel as an index would serve it; return its hash."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as file:
        file.writestr("texts/__init__.py", "")
        file.writestr("texts/data/1900.txt", "first")
        file.writestr("texts/data/more/1901.txt", "second")
        file.writestr("texts/database.txt", "no part of the folder 'data'")
        file.writestr("texts-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: texts\nVersion: 1.2\n")
        file.writestr("texts-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("texts-1.2.dist-info/RECORD", "")
    return hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A local folder that pip searches instead of an index; returns the wheel's hash."""
    sha256 = write_wheel(tmp_path / "index")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return sha256


def test_a_cached_archive_needs_no_index(index, tmp_path):
    cache = tmp_path / "cache"
    first = fetch_package("texts==1.2", index, cache=cache)
    assert first.name == WHEEL
    (tmp_path / "index" / WHEEL).unlink()
    assert fetch_package("texts==1.2", index, cache=cache) == first
    assert [path.name for path in cache.iterdir()] == [index]


def test_a_wrong_hash_names_both_and_keeps_nothing(index, tmp_path):
    wrong = "0" * 64
    with pytest.raises(UserError) as refusal:
        fetch_package("texts==1.2", wrong, cache=tmp_path / "cache")
    assert index in str(refusal.value)
    assert wrong in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_cached_archive_is_removed(index, tmp_path):
    archive = fetch_package("texts==1.2", index, cache=tmp_path / "cache")
    damaged = bytearray(archive.read_bytes())
    damaged[100] ^= 1
    archive.write_bytes(damaged)
    with pytest.raises(UserError, match="damaged") as refusal:
        fetch_package("texts==1.2", index, cache=tmp_path / "cache")
    assert index in str(refusal.value)
    assert hashlib.sha256(damaged).hexdigest() in str(refusal.value)
    assert not archive.exists()
    assert fetch_package("texts==1.2", index, cache=tmp_path / "cache").is_file()


def test_an_unknown_version_names_the_known_ones(index, tmp_path):
    with pytest.raises(UserError, match=r"no such version; it has 1\.2$"):
        fetch_package("texts==9.9", index, cache=tmp_path)


def test_an_unknown_package_is_one_line(index, tmp_path):
    with pytest.raises(UserError, match="no such package"):
        fetch_package("other==1.0", index, cache=tmp_path)


def test_an_unreachable_index_is_one_line(index, tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(UserError, match=r"^texts==1\.2: the package index cannot be reached[^\n]*$"):
        fetch_package("texts==1.2", index, cache=tmp_path)


def test_the_cache_follows_the_environment(monkeypatch):
    monkeypatch.delenv("WEIGHTSPECTRA_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert package_cache() == Path("~/.cache/weightspectra/packages").expanduser()
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert package_cache() == Path("/shared/weightspectra/packages")
    monkeypatch.setenv("WEIGHTSPECTRA_CACHE", "/own")
    assert package_cache() == Path("/own/packages")


def test_unpacking_a_folder_takes_exactly_its_content(tmp_path):
    write_wheel(tmp_path)
    unpacked = unpack_package(tmp_path / WHEEL, "texts/data", tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "out")) for path in unpacked] == ["1900.txt", "more/1901.txt"]
    assert unpacked[1].read_text() == "second"


def test_unpacking_one_file_drops_its_folder(tmp_path):
    write_wheel(tmp_path)
    assert unpack_package(tmp_path / WHEEL, "texts/data/1900.txt", tmp_path) == [tmp_path / "1900.txt"]


def test_a_missing_member_lists_what_there_is(tmp_path):
    write_wheel(tmp_path)
    with pytest.raises(UserError, match=r"holds no 'texts/dta'; it holds: texts, texts-1\.2\.dist-info, texts/data"):
        unpack_package(tmp_path / WHEEL, "texts/dta", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_something_else_than_an_archive_is_refused(tmp_path):
    (tmp_path / WHEEL).write_bytes(b"no archive")
    with pytest.raises(UserError, match="not a readable archive"):
        unpack_package(tmp_path / WHEEL, "texts", tmp_path / "out")


def write_tar(path: Path, *, name: str = "texts-1.2/data/a.txt", link: str | None = None) -> Path:
    with tarfile.open(path, "w:gz") as file:
        info = tarfile.TarInfo(name)
        if link is None:
            info.size = 4
            file.addfile(info, io.BytesIO(b"text"))
        else:
            info.type, info.linkname = tarfile.SYMTYPE, link
            file.addfile(info)
    return path


def test_a_source_archive_unpacks_too(tmp_path):
    archive = write_tar(tmp_path / "texts-1.2.tar.gz")
    assert [path.read_text() for path in unpack_package(archive, "texts-1.2/data", tmp_path / "out")] == ["text"]


@pytest.mark.parametrize(
    "entry",
    [{"name": "texts-1.2/data/../../../outside.txt"}, {"link": "/etc/passwd"}, {"link": "../../secret"}],
    ids=["dots", "absolute link", "relative link"],
)
def test_entries_that_leave_the_folder_are_refused(tmp_path, entry):
    archive = write_tar(tmp_path / "texts-1.2.tar.gz", **entry)
    with pytest.raises(UserError, match="leads out of its folder"):
        unpack_package(archive, "texts-1.2/data", tmp_path / "a" / "b" / "out")
    assert list(tmp_path.rglob("*.txt")) == []


def test_links_inside_a_wheel_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as file:
        link = zipfile.ZipInfo("texts/data/link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="is a link"):
        unpack_package(tmp_path / WHEEL, "texts/data", tmp_path / "out")


def write_source_archive(folder: Path, ran: Path, project: str) -> str:
    """Write a source archive of which every module would leave a file behind; return its hash."""
    folder.mkdir(exist_ok=True)
    described = "Metadata-Version: 1.2\nName: made-up\nVersion: 0.3\n"
    modules = (
        "setup",
        "own",
        "sitecustomize",
        "usercustomize",
        "setuptools/__init__",
        "setuptools/build_meta",
        "email",
    )
    files = {f"{name}.py": f"open({str(ran)!r}, 'w').close()\n" for name in modules}
    files |= {"PKG-INFO": described, "data/a.txt": "text"} | ({"pyproject.toml": project} if project else {})
    with tarfile.open(folder / "made-up-0.3.tar.gz", "w:gz") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(f"made-up-0.3/{name}")
            info.size = len(content)
            file.addfile(info, io.BytesIO(content.encode()))
    return hashlib.sha256((folder / "made-up-0.3.tar.gz").read_bytes()).hexdigest()


OTHERS = {
    "setup.py": "",
    "its own backend": "[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n",
    "setuptools beside it": "[build-system]\nrequires = []\nbuild-backend = 'setuptools.build_meta'\n"
    "backend-path = ['.']\n",
}


@pytest.mark.parametrize("project", OTHERS.values(), ids=OTHERS)
def test_a_source_archive_is_fetched_and_none_of_it_is_run(index, tmp_path, project, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep)  # which would make modules of the archive's folder importable
    sha256 = write_source_archive(tmp_path / "index", tmp_path / "ran", project)
    archive = fetch_package("made-up==0.3", sha256, cache=tmp_path / "cache")
    assert archive == tmp_path / "cache" / sha256 / "made-up-0.3.tar.gz"
    assert unpack_package(archive, "made-up-0.3/data/a.txt", tmp_path)[0].read_text() == "text"
    assert not (tmp_path / "ran").exists()
    assert "a source archive, and no wheel: it is unpacked only, and none of its code is run" in capsys.readouterr().err


def test_counting_bytes_passes_over_what_pip_deletes_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "archive").write_bytes(b"12345")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "inside").write_bytes(b"678")
    read = os.scandir

    def scandir(folder):
        if Path(folder).name == "gone":
            raise FileNotFoundError(folder)
        return read(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert packages._size(tmp_path) == 5


def test_a_disk_that_is_full_before_pip_runs_is_one_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(packages, "_run_pip", full)
    said = r"texts==1\.2: the disk is full: [\d,]+ bytes are free in .*; make room and run again"
    with pytest.raises(UserError, match=said):
        fetch_package("texts==1.2", "0" * 64, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert re.fullmatch(
        said, packages._spell_failure("texts==1.2", "0" * 64, "ERROR: [Errno 28] No space left on device")
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux kills a child with its parent")
def test_pip_ends_with_a_job_that_is_killed_alone(tmp_path):
    """A module in pip's place names itself, and would go on for hours."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(
        f"import os, pathlib, time; pathlib.Path({str(tmp_path / 'new')!r}).write_text(str(os.getpid()))\n"
        f"os.rename({str(tmp_path / 'new')!r}, {str(tmp_path / 'pid')!r}); time.sleep(7200)"
    )
    (tmp_path / "staging").mkdir()
    code = "import pathlib; from weightspectra.sources import packages"
    call = f"packages._run_pip('texts==1.2', pathlib.Path({str(tmp_path / 'staging')!r}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    job = subprocess.Popen([sys.executable, "-c", f"{code}; {call}"], env=environment)
    try:
        assert until(lambda: (tmp_path / "pid").exists() or job.poll() is not None)
    finally:
        job.kill()
        job.wait()
    pid = int((tmp_path / "pid").read_text())
    assert until(lambda: not lifetime._began(pid))


def until(happens) -> bool:
    """Wait for something; false if the machine hangs first."""
    last = time.monotonic() + HANGS_S
    while not happens() and time.monotonic() < last:
        time.sleep(0.05)
    return bool(happens())
