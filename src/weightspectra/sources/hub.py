"""The Hugging Face hub: refuse within seconds, download only what is needed, never ask twice for the same commit."""

import io
import re
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm import tqdm

from weightspectra.base.atomic import disk_is_full, free_bytes
from weightspectra.base.errors import UserError
from weightspectra.sources import checkpoints, folders
from weightspectra.sources.hub_cache import check_blobs, is_whole
from weightspectra.sources.transfer import Transfer

ANSWER_SECONDS = 3.0
"""How long the hub may take for its first answer."""

Result = TypeVar("Result")


def fetch_snapshot(
    repo: str,
    revision: str,
    *,
    allow_pickle: bool = False,
    code: bool = False,
    check: Callable[[dict[str, Any]], None] = lambda config: None,
) -> tuple[Path, str]:
    """Return a folder of the hub's cache that holds a model's configuration, tokenizer and weights.

    Parameters
    ----------
    repo : str
        ``owner/name``.
    revision : str
        A commit, which is not looked up again once it is in the cache, or a
        branch or tag, which is, as long as the hub can be reached.
    allow_pickle, code : bool
        Take pickled weights where there are no safetensors; take Python files.
    check : callable
        Called with the content of ``config.json`` before weights are downloaded.

    Returns
    -------
    folder : path
    commit : str

    Raises
    ------
    UserError
        When the hub cannot be reached, does not know the model or revision,
        wants a licence accepted, or the download breaks off.
    """
    cached = _cached(repo, revision, allow_pickle)
    if cached and re.fullmatch("[0-9a-f]{40}", revision):
        return cached, revision
    where = f"{repo}@{revision}"
    try:
        info = within(ANSWER_SECONDS, lambda: HfApi().model_info(repo, revision=revision, timeout=ANSWER_SECONDS))
    except (OfflineModeIsEnabled, TimeoutError, httpx2.TransportError, HfHubHTTPError, HFValidationError) as error:
        if cached and not isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError)):
            reason = _spell(error, where).partition("; ")[0]
            print(f"{reason}: taking commit {cached.name}, which is in the cache", file=sys.stderr)
            return cached, cached.name
        raise UserError(_spell(error, where)) from error
    try:
        names = [file.rfilename for file in info.siblings or []]
        return _download(repo, revision, names, allow_pickle, code, check)
    except (OSError, httpx2.TransportError) as error:
        raise UserError(_spell(error, where)) from error


def fetch_files(repo: str, revision: str, patterns: Sequence[str]) -> Path:
    """Return a folder of the hub's cache that holds some of a repository's files.

    Parameters
    ----------
    repo, revision : str
        As for :func:`fetch_snapshot`.
    patterns : sequence of str
        Which files, as shells spell them; none in a subfolder.

    Raises
    ------
    UserError
        As :func:`fetch_snapshot` does.
    """
    where = f"{repo}@{revision}"
    try:
        found = snapshot_download(repo, revision=revision, allow_patterns=list(patterns), ignore_patterns=["*/*"])
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HFValidationError, httpx2.TransportError, OSError) as error:
        raise UserError(_spell(error, where)) from error
    check_blobs(path for path in Path(found).iterdir() if any(path.match(pattern) for pattern in patterns))
    return Path(found)


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """Return a call's result, or give up on it: no library timeout bounds name look-up and silent servers alike.

    Parameters
    ----------
    seconds : float
    call : callable

    Raises
    ------
    TimeoutError
        When it takes longer; the call goes on in a thread that the program's end does not wait for.
    """
    outcome: list[Callable[[], Result]] = []

    def attempt() -> None:
        try:
            result = call()
            outcome.append(lambda: result)
        except BaseException as error:
            failure = error

            def fail() -> Result:
                raise failure

            outcome.append(fail)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return outcome[0]()


def _download(
    repo: str,
    revision: str,
    names: list[str],
    allow_pickle: bool,
    code: bool,
    check: Callable[[dict[str, Any]], None],
) -> tuple[Path, str]:
    """Download what is not in the cache yet: small files first, one file at a time."""

    def get(name: str, revision: str) -> Path:
        label = f"download {repo}/{name}"
        return Path(hf_hub_download(repo, name, revision=revision, tqdm_class=_reporting(label)))

    checkpoint = folders.checkpoint(names, f"{repo}@{revision}", allow_pickle=allow_pickle)
    # The first file is asked for by the branch's name, so that the cache remembers where the branch stood.
    folder = get("config.json", revision).parent
    commit = folder.name
    check(checkpoints.config(folder))
    for name in folders.companions(names, code=code):
        get(name, commit)
    get(checkpoint, commit)
    shards = folders.weight_files(checkpoint, folder)
    absent = [name for name in shards if name not in names]
    if absent:
        raise UserError(f"{repo}@{commit}: incomplete: its index names {absent[0]}, which the repository lacks")
    for name in shards:
        get(name, commit)
    return folder, commit


def _cached(repo: str, revision: str, allow_pickle: bool) -> Path | None:
    """Return the snapshot in the cache, if it lacks nothing."""
    try:
        config = try_to_load_from_cache(repo, "config.json", revision=revision)
        if not isinstance(config, str):
            return None
        folder = Path(config).parent
        names = [path.name for path in folder.iterdir()]
        checkpoint = folders.checkpoint(names, repo, allow_pickle=allow_pickle)
        folders.check_weights(folder, folders.weight_files(checkpoint, folder), repo)
    except (UserError, HFValidationError):
        return None
    return folder if set(folders.TOKENIZER) & set(names) and is_whole(folder) else None


def _reporting(label: str) -> type[tqdm]:
    """Return a progress bar class that prints lines instead of a bar."""

    class Lines(tqdm):
        def __init__(self, *args: Any, **options: Any):
            super().__init__(*args, **{**options, "file": io.StringIO(), "disable": False})
            self.transfer = Transfer(label, int(self.total) if self.total else None)

        def update(self, n: float | None = 1) -> None:
            super().update(n)
            self.transfer.report(int(self.n))

        def update_transfer(self, n: float | None = 1) -> None:
            """Ignore bytes counted before they are unpacked."""

    return Lines


def spell_full_disk(where: str) -> str:
    """Say that there is no room for what is downloaded from somewhere."""
    cache = Path(constants.HF_HUB_CACHE)
    free = f"{free_bytes(cache):,} bytes are free in {cache}"
    return f"{where}: the disk is full: {free}; make room, or set HF_HOME, and run again: whole files are kept"


def _spell(error: Exception, where: str) -> str:
    """Turn an error of the hub's library into one line with its cure."""
    hub = constants.ENDPOINT
    if disk_is_full(error):
        return spell_full_disk(where)
    if isinstance(error, OfflineModeIsEnabled):
        return (
            f"{where}: the hub may not be asked, since HF_HUB_OFFLINE is set; unset it if the model is not in the cache"
        )
    if isinstance(error, GatedRepoError) or (isinstance(error, HfHubHTTPError) and error.response.status_code == 403):
        return f"{where}: the model is gated; accept its licence at {hub}/{where.split('@')[0]}, then: hf auth login"
    if isinstance(error, RevisionNotFoundError):
        return f"{where}: the model has no such revision; give a commit, branch or tag that {hub} lists"
    if isinstance(error, (RepositoryNotFoundError, HFValidationError)):
        return f"{where}: {hub} has no such model, or it is private; check the name, or log in with: hf auth login"
    if isinstance(error, HfHubHTTPError):
        return f"{where}: {hub} answered {error.response.status_code}; run again later"
    reason = str(error).partition("\n")[0] or type(error).__name__
    return (
        f"{where}: {hub} cannot be reached ({reason}); connect to the network and run again: "
        "files already in the cache are kept"
    )
