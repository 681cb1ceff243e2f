"""Names in a configuration that must be those of other entries of it."""

from collections.abc import Iterable, Iterator
from typing import Any

from weightspectra.base.settings import Reference, Section
from weightspectra.config.configuration import Configuration
from weightspectra.config.messages import nearest

SECTIONS = {"model": "models", "corpus": "corpora", "data set": "data_sets", "task": "tasks", "birth": "births"}
"""From what a reference names to the section that must hold it."""


def loose(configuration: Configuration) -> Iterator[str]:
    """Yield a line for each name that is not there."""
    for where, section in _sections(configuration, ""):
        for field, info in type(section).model_fields.items():
            value = getattr(section, field)
            for reference in (mark for mark in info.metadata if isinstance(mark, Reference)):
                known = getattr(configuration, SECTIONS[reference.noun])
                for name in (value,) if isinstance(value, str) else value or ():
                    if name not in known:
                        yield f"{where}{field}: there is no {reference.noun} '{name}'; {nearest(name, known)}"


def _sections(value: Any, where: str) -> Iterator[tuple[str, Section]]:
    """Yield every section of a configuration with the path of its keys."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Section):
        yield where, value
        inner = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, tuple):
        inner = enumerate(value)
    for name, part in inner:
        yield from _sections(part, f"{where}{name}/")
