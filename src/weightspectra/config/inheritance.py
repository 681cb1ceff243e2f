"""Births that are like another birth: what they do not say themselves is as there."""

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import ValidatorFunctionWrapHandler
from pydantic_core import PydanticCustomError

from weightspectra.birth.settings import OF_KIND, OF_OPTIMISER, Birth

CHOICES = {"model": ("kind", OF_KIND), "training": ("optimiser", OF_OPTIMISER)}
"""From a section to the key that decides what else belongs there. A rate that suits one is not inherited by the
other."""

REPLACED = ("frozen_until", "checkpoints")
"""What is a list of its own (of parameters, of iterations): inherited whole or not at all."""


def inherited(given: Any, validate: ValidatorFunctionWrapHandler) -> dict[str, Birth]:
    """Validate births as they are given, so that faults are told where they stand, then with what they inherit."""
    births = validate(given)
    _refuse_circles({name: birth.like for name, birth in births.items()})
    return validate({name: _whole(name, given) for name in births})


def _refuse_circles(like: Mapping[str, str | None]) -> None:
    for name in like:
        line = [name]
        while (other := like.get(line[-1])) is not None:
            line.append(other)
            if other == name:
                raise PydanticCustomError(
                    "circle", "{line}, which has no end", {"line": " is like ".join(line), "inside": (name, "like")}
                )
            if other in line[:-1]:
                break  # a circle that this birth only leads to


def _whole(name: str, births: Mapping[str, Any]) -> Any:
    entry = births[name]
    other = entry.get("like")
    return _heir(copy.deepcopy(_whole(other, births)), entry) if other in births else entry


def _heir(base: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Return ``entry`` with what ``base`` says and it does not.

    A title is not inherited; nor is what depends on the kind of model or the optimiser, where the heir has another one.
    """
    base.pop("title", None)
    for section, (key, table) in CHOICES.items():
        held, default = base.get(section, {}), next(iter(table))
        if entry.get(section, {}).get(key, held.get(key, default)) != held.get(key, default):
            depends = {name for known in table.values() for name in known}
            base[section] = {name: value for name, value in held.items() if name not in depends}
    return _over(base, entry)


def _over(base: Any, entry: Any) -> Any:
    """Return ``base`` with what ``entry`` says in its place, section by section."""
    if not (isinstance(base, dict) and isinstance(entry, dict)):
        return entry
    return base | {name: value if name in REPLACED else _over(base.get(name), value) for name, value in entry.items()}
