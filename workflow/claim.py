"""What a run makes sure of before its first job: that it alone writes to its results, and that they are its own."""

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

    def make(self, workflow: Any) -> None:
        """Refuse to run while another run writes to the same folder, on files from the future, or to call old ones new.

        Parameters
        ----------
        workflow : snakemake.workflow.Workflow
        """
        try:
            _check_clock(workflow.dag)
            if workflow.touch:
                _check_touched(workflow)
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


def _check_touched(workflow: Any) -> None:
    """Refuse ``--touch`` where it would call new what was made with other settings or code: a report would show it."""
    # Not the reasons of the plan, which name settings only where files alone give no reason.
    others = [job for job in workflow.dag.needrun_jobs() if workflow.persistence.params_changed(job)]
    if others:
        more = f" (and what {len(others) - 1} more jobs made)" if len(others) > 1 else ""
        raise UserError(
            f"{others[0].output[0]}{more}: made with another configuration or code than this one, which --touch would "
            "hide; run without --touch"
        )
