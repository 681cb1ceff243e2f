"""Which values a contract allows: ranges, closed vocabularies, columns in order, one row for each key."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROUNDING = 1e-6
"""By so much a floating-point number may miss a limit: the norm of a unit vector in float32 does."""


class Column(NamedTuple):
    """One column of a contract: its name, Arrow type, what it means (with its unit), and what it may hold.

    Attributes
    ----------
    one_of : tuple of str
        The only words that may stand here; empty for any.
    minimum, maximum : float
        The least and the largest number; floating-point numbers may miss them by ``ROUNDING``.
    nan, infinite : bool
        Whether there may be NaN, and infinite numbers within the limits; by default every number is finite.

    Of a list, all this holds for each element.
    """

    name: str
    type: pa.DataType
    meaning: str
    one_of: tuple[str, ...] = ()
    minimum: float = -inf
    maximum: float = inf
    nan: bool = False
    infinite: bool = False

    @property
    def element(self) -> pa.DataType:
        """The type of one value: of a list's elements, if it is one."""
        return self.type.value_type if pa.types.is_list(self.type) else self.type

    @property
    def allowed(self) -> str:
        """The values allowed, in words; empty where the type says it all."""
        if self.one_of:
            return f"one of {', '.join(map(repr, self.one_of))}"
        if self.minimum > -inf and self.maximum < inf:
            words = [f"{self.minimum:g} to {self.maximum:g}"]
        elif self.minimum > -inf or self.maximum < inf:
            words = [f"at least {self.minimum:g}" if self.minimum > -inf else f"at most {self.maximum:g}"]
        else:
            words = ["finite"] if pa.types.is_floating(self.element) else []
        return " or ".join(words + ["infinite"] * self.infinite + ["NaN"] * self.nan)


def first_fault(
    table: pa.Table, columns: Iterable[Column], key: Sequence[str] = (), ordered: Iterable[Sequence[str]] = ()
) -> str:
    """Return the first thing that is wrong with a table's values, in words; nothing if all are allowed.

    Parameters
    ----------
    table : Table
        Columns that it lacks, and what concerns them, are not checked.
    columns : iterable of Column
    key : sequence of str
        Columns that no two rows share all values of.
    ordered : iterable of sequences of str
        Columns whose values may not fall from one to the next; NaN is in order with everything.
    """
    present = set(table.column_names)
    for column in columns:
        if column.name in present and (found := _outside(table.column(column.name), column)):
            row, value = found
            return f"{_named(table, key, row)}: column '{column.name}' is {value!r}, expected {column.allowed}"
    for names in ordered:
        for lower, upper in pairwise(name for name in names if name in present):
            if found := _out_of_order(*(table.column(name).combine_chunks() for name in (lower, upper))):
                row, (low, high) = found
                return (
                    f"{_named(table, key, row)}: columns '{lower}' and '{upper}' are {low!r} and {high!r}, expected "
                    "the first to be no larger"
                )
    if key and present.issuperset(key):
        keys = table.select(list(key))
        if keys.group_by(list(key), use_threads=False).aggregate([]).num_rows < len(table):
            row = int(keys.to_pandas().duplicated().to_numpy().argmax())
            return f"{_named(table, key, row)}: found more than once, expected one row for each {', '.join(key)}"
    return ""


def _outside(values: pa.ChunkedArray, column: Column) -> tuple[int, Any] | None:
    """Return row and value of the first that a column does not allow."""
    if not column.allowed:
        return None
    array = values.combine_chunks()
    flat = _flat(array)
    wrong = _wrong_words(flat, column.one_of) if column.one_of else _wrong_numbers(flat.to_numpy(), column)
    if wrong is None or not wrong.any():
        return None
    place = int(wrong.argmax())
    return _row(array, place), flat[place].as_py()


def _wrong_words(words: pa.Array, allowed: Sequence[str]) -> np.ndarray | None:
    if set(pc.unique(words).to_pylist()).issubset(allowed):
        return None
    return ~np.asarray(pc.is_in(words, pa.array(allowed, words.type)))


def _wrong_numbers(numbers: np.ndarray, column: Column) -> np.ndarray | None:
    """Return where numbers are outside the limits; None, in two passes and without a copy, if none is."""
    if not numbers.size:
        return None
    low, high = column.minimum, column.maximum
    if np.issubdtype(numbers.dtype, np.floating):
        largest = inf if column.infinite else float(np.finfo(numbers.dtype).max)
        low, high = max(low - ROUNDING, -largest), min(high + ROUNDING, largest)
    # NaN is in neither of the first, and in both of the second.
    if numbers.min() >= low and numbers.max() <= high:
        return None
    return (numbers < low) | (numbers > high) if column.nan else ~((numbers >= low) & (numbers <= high))


def _out_of_order(lower: pa.Array, upper: pa.Array) -> tuple[int, tuple[Any, Any]] | None:
    """Return the first row where one column is above another, and the two values."""
    low, high = (_flat(array).to_numpy() for array in (lower, upper))
    wrong = low > high + ROUNDING * np.maximum(1, np.abs(high))
    if not wrong.any():
        return None
    place = int(wrong.argmax())
    return _row(lower, place), (low[place].item(), high[place].item())


def _flat(array: pa.Array) -> pa.Array:
    return array.flatten() if pa.types.is_list(array.type) else array


def _row(array: pa.Array, place: int) -> int:
    """Return the row that holds one of all elements."""
    if not pa.types.is_list(array.type):
        return place
    return int(np.searchsorted(np.cumsum(pc.list_value_length(array).to_numpy()), place, side="right"))


def _named(table: pa.Table, key: Sequence[str], row: int) -> str:
    """Return what identifies a row: its key, as far as it is there, otherwise its number."""
    values = [f"{name} {table.column(name)[row].as_py()!r}" for name in key if name in table.column_names]
    return f"row {', '.join(values) or row}"
