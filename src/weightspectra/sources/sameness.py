"""When two texts are the same, and parts that share none."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")


class Division(NamedTuple, Generic[Item]):
    """The parts of a collection of texts, and how many were left out because another part holds the same text."""

    parts: Mapping[str, Sequence[Item]]
    n_left_out: int


def sameness(text: str) -> str:
    """Return what two texts have in common that differ in capitals and white space alone."""
    return " ".join(text.split()).casefold()


def without(items: Iterable[Item], others: Iterable[Item], key: Callable[[Item], Any]) -> list[Item]:
    """Return the items that are the same as none of the others by a key."""
    taken = {key(other) for other in others}
    return [item for item in items if key(item) not in taken]
