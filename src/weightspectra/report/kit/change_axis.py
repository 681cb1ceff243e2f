"""The axis of a change: logarithmic both ways and linear around zero for perplexities, linear for scores."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from weightspectra.report.cuts import costs
from weightspectra.report.kit import style
from weightspectra.report.kit.wording import MINUS

MAX_DECADES = 6


class ChangeAxis(NamedTuple):
    """How changes of one metric are drawn.

    Attributes
    ----------
    label : str
        What the axis is called.
    low, high : float
        What it must reach.
    threshold : float or None
        The power of ten within which it is linear; None: it is linear everywhere.
    """

    label: str
    low: float
    high: float
    threshold: float | None

    def apply(self, panels: Sequence[Axes], side: str) -> None:
        """Set the scale, limits and ticks of the side ``x`` or ``y``, and draw the line of no change."""
        for panel in panels:
            line = panel.axhline if side == "y" else panel.axvline
            line(0, color=style.MUTED, linewidth=0.5, zorder=0)
            if self.threshold is None:
                margin = 0.06 * (self.high - self.low)
                getattr(panel, f"set_{side}lim")(self.low - margin, self.high + margin)
                continue
            getattr(panel, f"set_{side}scale")("symlog", linthresh=self.threshold, linscale=0.6)
            axis = getattr(panel, f"{side}axis")
            axis.set_major_locator(FixedLocator(_ticks(self.low, self.high, self.threshold)))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: spelled(value)))
            getattr(panel, f"set_{side}lim")(self.low * 1.6, self.high * 2.5)


def change_axis(cuts: pd.DataFrame) -> ChangeAxis:
    """Choose the axis for the changes of one metric with their intervals.

    Parameters
    ----------
    cuts : DataFrame
        Rows of ``contracts.EVALUATIONS``, all of one metric. What is not finite is left out.
    """
    ends = cuts[["difference", "difference_low", "difference_high"]].to_numpy(float)
    finite = ends[np.isfinite(ends)]
    low, high = min(finite.min(initial=0.0), 0.0), max(finite.max(initial=0.0), 0.0)
    metric = f"change of {costs.metric_title(str(cuts['metric'].iloc[0]))}"
    if cuts["statistic"].iloc[0] not in ("exp_ratio", "bits_ratio"):
        return ChangeAxis(metric, low, high if high > low else low + 1.0, None)
    threshold = linear_threshold(cuts["difference"], cuts["difference_se"])
    scale = f"(log scale, linear within ±{spelled(threshold)})"
    return ChangeAxis(f"{metric}\n{scale}", min(low, -threshold), max(high, threshold), threshold)


def linear_threshold(differences: pd.Series, errors: pd.Series) -> float:
    """Return the power of ten within which the axis is linear: below nearly all changes, not far below their errors."""
    sizes, noise = (np.abs(column[np.isfinite(column) & (column != 0)]) for column in (differences, errors))
    if sizes.empty:
        return 1.0
    wanted = max(float(sizes.quantile(0.1)), float(noise.median()) if len(noise) else 0.0)
    return 10.0 ** math.floor(math.log10(wanted))


def reaches(cuts: pd.DataFrame) -> np.ndarray:
    """Return how far intervals reach down and up from the change, of shape (2, n); 0 where there is no end."""
    ends = np.stack([cuts["difference"] - cuts["difference_low"], cuts["difference_high"] - cuts["difference"]])
    return np.where(np.isfinite(ends), np.clip(ends, 0.0, None), 0.0)


def _ticks(low: float, high: float, threshold: float) -> list[float]:
    return sorted([0.0, *decades(threshold, high), *(-value for value in decades(threshold, -low))])


def decades(threshold: float, limit: float) -> list[float]:
    """Return the powers of ten from the threshold to the limit, thinned to at most six."""
    first, last = round(math.log10(threshold)), math.floor(math.log10(limit) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / MAX_DECADES))
    return [10.0**power for power in range(first, last + 1, step)]


def spelled(value: float) -> str:
    """Spell a tick: plain up to a thousand, a power of ten beyond."""
    size = abs(value)
    sign = MINUS if value < 0 else ""
    if size >= 1e4 or 0 < size < 1e-3:
        return f"{sign}$10^{{{round(math.log10(size))}}}$"
    return f"{sign}{size:,.10g}" if size < 1000 else f"{sign}{size:,.0f}"
