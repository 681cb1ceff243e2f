"""Labelled texts: classes numbered, and the texts divided into a part to learn from and a part to test on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from weightspectra.base.errors import UserError
from weightspectra.sources.corpora import Division, not_among, sameness
from weightspectra.sources.texts import words_digest

SPLITS = ("train", "test")

UNLABELLED = {"", "-1", "None"}
"""What stands in place of a label that is kept back."""


class Example(NamedTuple):
    """One labelled text, as it is named in its source; ``group`` is what it was taken from, '' if it stands alone."""

    name: str
    text: str
    pair: str
    label: str
    group: str


class Source(NamedTuple):
    """Examples by split of the source ('' if it has none), the classes it fixes, and where they come from."""

    splits: dict[str, list[Example]]
    classes: tuple[str, ...]
    kind: str
    name: str
    revision: str


def number_classes(source: Source, names: Sequence[str] = ()) -> dict[str, tuple[int, str]]:
    """Give each class of a data set its number.

    Parameters
    ----------
    source : Source
    names : sequence of str
        What the classes are called, in the order of their numbers. Where the
        labels found are others (numbers, say), the first name is that of the
        first label in their order, and so on.

    Returns
    -------
    dict
        From each label found to the number of its class, from 0, and its name.

    Raises
    ------
    UserError
        When a text has no label, there are fewer than two classes, or not as
        many as names.
    """
    found = {example.label for examples in source.splits.values() for example in examples}
    if found & UNLABELLED:
        raise UserError("some texts have no label, as in splits whose labels are kept back; name others under 'splits'")
    labels = list(names) if found <= set(names) else list(source.classes) or _in_order(found)
    if len(labels) < 2 or len(names or labels) != len(labels):
        expected = f"{len(names)} ({listed(names)})" if names else "two or more"
        raise UserError(f"found {len(labels)} classes ({listed(labels)}), expected {expected}; correct 'classes'")
    return {label: (number, name) for number, (label, name) in enumerate(zip(labels, names or labels, strict=True))}


def divide(
    source: Source, splits: Sequence[str], test_share: float, generator: np.random.Generator
) -> Division[Example]:
    """Choose the examples to learn from and those to test on.

    Parameters
    ----------
    source : Source
    splits : sequence of str
        The source's splits to learn from and to test on; if none is named, its
        training split and its test, validation or development split.
    test_share : float
        Of a source without splits, the share of each class's groups (of its
        texts that have none) to test on, drawn at random.
    generator : numpy.random.Generator

    Returns
    -------
    Division
        ``train`` and ``test``, each in a random order, so that the first n are a
        sample. A text in both, whatever its capitals and spaces, is left out of
        ``train``.

    Raises
    ------
    UserError
        When the source has no such splits, or a class is missing in a part.
    """
    if len(source.splits) == 1 and not splits:
        train, test = _draw(next(iter(source.splits.values())), test_share, generator)
    else:
        train, test = (source.splits[split] for split in splits or _usual_splits(list(source.splits)))
    kept = not_among(train, test, key=_sameness)
    parts = dict(zip(SPLITS, (kept, test), strict=True))
    classes = {example.label for example in [*train, *test]}
    for part, examples in parts.items():
        missing = classes - {example.label for example in examples}
        if missing:
            raise UserError(
                f"{part}: found {len(examples)} texts, none of class {listed(sorted(missing))}; change 'test_share' or "
                "'splits'"
            )
    shuffled = {
        part: [examples[index] for index in generator.permutation(len(examples))] for part, examples in parts.items()
    }
    return Division(shuffled, len(train) - len(kept))


def examples_digest(parts: Mapping[str, Sequence[Example]]) -> str:
    """Return the SHA-256 over all examples of both parts."""
    return words_digest((part, *example) for part, examples in parts.items() for example in examples)


def _draw(
    examples: Sequence[Example], test_share: float, generator: np.random.Generator
) -> tuple[list[Example], list[Example]]:
    """Divide examples by their groups, class by class; texts without one are each other's where they are the same."""
    units = [example.group or "\n".join(_sameness(example)) for example in examples]
    classes: dict[str, list[str]] = {}
    for unit, label in {unit: example.label for unit, example in zip(units, examples, strict=True)}.items():
        classes.setdefault(label, []).append(unit)
    tested: set[str] = set()
    for label in sorted(classes):
        order = generator.permutation(len(classes[label]))
        tested.update(classes[label][index] for index in order[: round(test_share * len(order))])
    train = [example for unit, example in zip(units, examples, strict=True) if unit not in tested]
    return train, [example for unit, example in zip(units, examples, strict=True) if unit in tested]


def _sameness(example: Example) -> tuple[str, str]:
    return sameness(example.text), sameness(example.pair)


def _usual_splits(known: Sequence[str]) -> tuple[str, str]:
    test = next((split for split in ("test", "validation", "valid", "dev") if split in known), None)
    if "train" not in known or test is None:
        raise UserError(
            f"found the splits {listed(known)}; say which to learn from and which to test on under 'splits'"
        )
    return "train", test


def _in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels, numbers among themselves by value."""
    return sorted(labels, key=lambda label: (0, int(label), "") if label.isdigit() else (1, 0, label))


def listed(names: Sequence[str], shown: int = 12) -> str:
    """Return names as an error lists them: not more than ``shown``."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
