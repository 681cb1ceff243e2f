"""How a stage runs as a job: log file, no network, one-line errors, provenance."""

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from weightspectra.base import atomic, lifetime, provenance
from weightspectra.base.errors import UserError
from weightspectra.base.journal import Journal
from weightspectra.base.locks import Lock
from weightspectra.base.parquet import read_provenance

PATIENCE_S = 60
"""How long a job waits for another one on the same work: longer than one that has lost its Snakemake takes to end."""


class _Tee:
    """Standard error that also goes to the job's log file."""

    def __init__(self, path: str):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._terminal: TextIO = sys.stderr
        self._log = open(path, "w", buffering=1)  # noqa: SIM115 (closed in __exit__)

    def __enter__(self) -> "_Tee":
        sys.stderr = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stderr = self._terminal
        self._log.close()

    def write(self, text: str) -> int:
        """Write to both."""
        self._terminal.write(text)
        return self._log.write(text)

    def flush(self) -> None:
        """Flush both."""
        self._terminal.flush()
        self._log.flush()

    def isatty(self) -> bool:
        """Say no: libraries shall not draw bars that a log file cannot hold."""
        return False


def run(main: Callable[[Any], None], smk: Any, *, online: bool = False) -> None:
    """Run a script's ``main`` as a job.

    What it says on standard error is also written to ``smk.log``, a traceback
    included. A ``UserError`` becomes one line. Both end with exit code 1. Unless
    ``online`` is true, the hub libraries are told that there is no network.
    The job ends when the Snakemake that started it does (:mod:`weightspectra.base.lifetime`),
    and holds a lock beside its first output while it works, so that no two
    jobs ever write the same files, staging folders and journals included.
    """
    lifetime.end_with_snakemake()
    if not online:
        _forbid_network()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    output = Path(smk.output[0])
    lock = Lock(output.with_name(f".{output.name}.lock"), str(output), PATIENCE_S)
    try:
        lock.take()
    except UserError as error:  # the log is that of the job that holds the lock
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    try:
        _run_logged(main, smk)
    finally:
        lock.give_back()


def _run_logged(main: Callable[[Any], None], smk: Any) -> None:
    with _Tee(smk.log[0]):
        try:
            main(smk)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("interrupted; run again to go on", file=sys.stderr)
            sys.exit(130)
        except Exception as error:
            if atomic.disk_is_full(error):
                print(f"error: {_of_full_disk(error, Path(smk.output[0]))}", file=sys.stderr)
            else:
                traceback.print_exc()
            sys.exit(1)


def _of_full_disk(error: BaseException, output: Path) -> str:
    """Name where the disk is full: the file that the system names, or where the job writes."""
    named = error.filename if isinstance(error, OSError) else None
    where = Path(os.fsdecode(named)) if isinstance(named, str | bytes) else output
    free = atomic.free_bytes(where)
    return f"{where}: the disk is full ({free:,} bytes are free there): make room and run again, it goes on from there"


def _forbid_network() -> None:
    """Tell the hub libraries that there is no network, also where a script has imported them already.

    They read the environment once, when they are imported.
    """
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    imported: Any = sys.modules.get("huggingface_hub.constants")
    if imported is not None:
        imported.HF_HUB_OFFLINE = True


def stamp(smk: Any, *, device: str = "cpu", sources: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the provenance of a job's outputs.

    It holds the rule, the digests of the configuration that the rule saw and of
    its code, versions, seed and device, and the sources (models and corpora
    with revision and hash) of everything it read. No dates and no paths, so
    that the same work gives the same bytes.
    """
    params = dict(smk.params.items())
    code = params.pop("code", None)
    params.pop("requested", None)  # what is refused before anything is computed, and changes nothing that is
    found = dict(sources or {})
    for path in _parquet_files(smk.input):
        found.update(read_provenance(path).get("sources", {}))
    return {
        "rule": smk.rule,
        "config": provenance.digest(params),
        "code": code,
        "seed": params.get("seed"),
        "device": device,
        "versions": provenance.versions(),
        "sources": found,
    }


def work_key(smk: Any, stamp: Mapping[str, Any]) -> str:
    """Return a digest of everything that a job's results depend on to the last bit.

    That is its provenance, which files it makes, where all that it reads came from, and its threads, over more of
    which sums have other bits.
    """
    inputs = [read_provenance(path) for path in _parquet_files(smk.input)]
    return provenance.digest([stamp, dict(smk.wildcards.items()), inputs, smk.threads])


def journal(smk: Any, stamp: Mapping[str, Any]) -> Journal:
    """Open the journal of a job, beside its first output: what an earlier one that was killed has finished."""
    output = Path(smk.output[0])
    return Journal(output.with_name(f".{output.stem}.journal"), work_key(smk, stamp))


def _parquet_files(paths: Iterable[str]) -> list[str]:
    return [str(path) for path in paths if str(path).endswith(".parquet")]
