"""Shares of successes with their uncertainty."""

from typing import NamedTuple

from scipy.stats import beta


class Share(NamedTuple):
    """How many of a number of independent trials came out, with Clopper and Pearson's 95 % interval."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.trials

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return float(beta.ppf(0.025, self.hits, self.trials - self.hits + 1)) if self.hits else 0.0

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return float(beta.ppf(0.975, self.hits + 1, self.trials - self.hits)) if self.hits < self.trials else 1.0

    def __str__(self) -> str:
        return f"{percent(self.value)} % ({percent(self.low)} to {percent(self.high)})"


def percent(share: float) -> str:
    """Write a share in per cent, with one digit after the point where it is small."""
    return f"{100 * share:.1f}" if share < 0.1 else f"{100 * share:.0f}"
