"""How far a download is: one line every few seconds, for terminals and log files alike."""

import sys
import time

from weightspectra.base.progress import duration, is_due

MEGABYTE = 1e6


class Transfer:
    """Reports the bytes of one download that have arrived, and the time left.

    Parameters
    ----------
    label : str
        What is being downloaded.
    n_bytes : int or None
        Its size; without it no time left can be given.
    """

    def __init__(self, label: str, n_bytes: int | None):
        self.label = label
        self.n_bytes = n_bytes
        self._start = self._last = time.monotonic()

    def report(self, arrived: int) -> None:
        """Print a line, unless the last one is only a few seconds old."""
        now = time.monotonic()
        if not is_due(self._start, self._last, now):
            return
        self._last = now
        line = f"{self.label}: {arrived / MEGABYTE:,.0f}"
        if self.n_bytes and arrived:
            left = (now - self._start) / arrived * max(self.n_bytes - arrived, 0)
            line += f" of {self.n_bytes / MEGABYTE:,.0f} MB, {duration(left)} left"
        else:
            line += " MB"
        print(line, file=sys.stderr, flush=True)
