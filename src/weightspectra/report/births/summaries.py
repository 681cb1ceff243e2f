"""Numbers of trained births in words: means over runs with their spread, and what matrices are called."""

from weightspectra.report.kit import wording
from weightspectra.statistics.spread import Row, Spread

MATRIX_TITLES = {"output_2": "W_O²", "key_2": "W_K²", "key_1": "W_K¹", "feed_forward": "W_F", "all": "all together"}
"""From the matrices that hold memories to what tables and sentences call them, in the order in which they learn."""


def spread_of(row: Row) -> Spread:
    """Return the mean over runs that a row of ``contracts.FINDINGS`` holds."""
    return Spread(row["number"], row["sd"], int(row["n"]), int(row["n_all"]))


def spell(found: Spread, *, none: str = wording.NOTHING, signed: bool = False) -> str:
    """Spell a mean with its spread, and how many runs have it if not all do: ``"0.97 ± 0.01"``, ``"150 (2 of 3)"``."""
    if not found.n:
        return none
    whole = float(found.mean).is_integer() and not found.sd > 0
    text = f"{found.mean:{'+' if signed else ''},.0f}" if whole else wording.measurement(*found[:2], signed=signed)
    text = text.replace("-", wording.MINUS)
    return text if found.n == found.n_runs else f"{text} ({found.n} of {found.n_runs})"
