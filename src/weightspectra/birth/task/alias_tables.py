"""Draws from many discrete distributions at once, one for each row of a table."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class AliasTables(NamedTuple):
    """Walker's alias method, a table for each of several distributions.

    The distribution of row r has m_r outcomes of positive weight, and as many
    cells of equal probability. Cell c yields ``outcome[c]`` with probability
    ``share[c]``, otherwise ``alias[c]``. One uniform number chooses the cell and
    what it yields, whatever the number of outcomes. Outcomes without weight have
    no cell and are never drawn.

    References
    ----------
    Walker, ACM Trans. Math. Softw. 3, 253 (1977); Vose, IEEE Trans. Softw. Eng. 17, 972 (1991).
    """

    start: np.ndarray
    size: np.ndarray
    outcome: np.ndarray
    alias: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray) -> "AliasTables":
        """Make the tables.

        Parameters
        ----------
        weights : ndarray of int, of shape (n_rows, n_outcomes)
            Not negative, and in each row not all zero. Whole numbers keep the tables free of rounding.
        """
        support = weights > 0
        size = support.sum(axis=1)
        if not size.all():
            raise ValueError(f"row {int(np.argmin(size))} has no outcome of positive weight")
        start = np.cumsum(size) - size
        outcome = np.nonzero(support)[1]
        alias, share = outcome.copy(), np.ones(len(outcome))
        for row, (first, m) in enumerate(zip(start, size, strict=True)):
            cells = slice(first, first + m)
            found = weights[row, outcome[cells]].tolist()
            for cell, other, kept in _cells(found):
                alias[first + cell], share[first + cell] = outcome[first + other], kept
        return cls(start, size.astype(np.float64), outcome, alias, share)

    def draw(self, rows: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Draw one outcome from each of the rows given, by numbers from [0, 1); all of one shape."""
        place = uniform * self.size.take(rows)
        cell = place.astype(np.int64)
        place -= cell
        cell += self.start.take(rows)
        return np.where(place < self.share.take(cell), self.outcome.take(cell), self.alias.take(cell))


def _cells(weights: list[int]) -> Iterator[tuple[int, int, float]]:
    """Yield the cells that two outcomes share: the cell, the other outcome, and the share of the cell's own."""
    m, total = len(weights), sum(weights)
    left = [weight * m for weight in weights]
    small = [i for i, weight in enumerate(left) if weight < total]
    large = [i for i, weight in enumerate(left) if weight > total]
    while small:
        cell = small.pop()
        other = large[-1]
        yield cell, other, left[cell] / total
        left[other] -= total - left[cell]
        if left[other] <= total:
            large.pop()
        if left[other] < total:
            small.append(other)
