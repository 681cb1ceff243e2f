"""What a run makes sure of before its first job: that it alone writes to its results, and that its clock is right."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from weightspectra.base.errors import UserError
from weightspectra.base.locks import Lock

_AHEAD_S = 60  # clocks of two machines of one network may differ by seconds


class Claim:
    """The right of one run to write to a folder of results.

    Its lock lies in the folder itself, so that it holds for runs from elsewhere, too. Jobs on a cluster are run by
    Snakemakes of their own, which make no claim: they run no hooks.

    Parameters
    ----------
    results : path
    """

    def __init__(self, results: Path):
        self._lock = Lock(results / ".lock", str(results))

    def make(self, dag: Any) -> None:
        """Refuse to run while another run writes to the same folder, or on files from the future."""
        try:
            _check_clock(dag)
            self._lock.take()
        except UserError as error:
            raise SystemExit(f"error: {error}") from None

    def end(self) -> None:
        """Let other runs write to the folder."""
        self._lock.give_back()


def _check_clock(dag: Any) -> None:
    """Refuse inputs from the future: what is made from them would look old, which Snakemake says after each job."""
    latest = time.time() + _AHEAD_S
    inputs = {Path(path) for job in dag.needrun_jobs() for path in job.input}
    ahead = sorted(path for path in inputs if path.is_file() and path.stat().st_mtime > latest)
    if ahead:
        changed = datetime.fromtimestamp(ahead[0].stat().st_mtime)
        others = f" (and {len(ahead) - 1} more)" if len(ahead) > 1 else ""
        raise UserError(
            f"{ahead[0]}{others}: changed on {changed:%Y-%m-%d %H:%M:%S}, which is in the future: set the machine's "
            f"clock if that is wrong, or else run: touch {ahead[0]}"
        )
