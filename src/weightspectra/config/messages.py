"""What is wrong in a configuration, in sentences: where, what was found, and what was expected."""

import datetime
import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from weightspectra.base.errors import UserError
from weightspectra.config.schema import Node, node_at


class ConfigurationError(UserError):
    """A configuration that cannot be run; the message is one line per fault."""

    def __init__(self, faults: Iterable[str]):
        lines = dict.fromkeys(faults)
        super().__init__("the configuration cannot be run:\n" + "\n".join(f"  {line}" for line in lines))


def nearest(name: str, known: Iterable[str], what: str = "known") -> str:
    """Return which known name may have been meant, or else all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"{what}: {', '.join(known) or 'none'}"


def told(error: ValidationError) -> Iterator[str]:
    """Yield a line for each fault of values and keys."""
    for fault in error.errors(include_url=False):
        if not _follows(fault):
            path, sentence = _spell(fault)
            yield f"{'/'.join(map(str, path)) or 'top level'}: {sentence}"


def _follows(fault: ErrorDetails) -> bool:
    """Say whether a fault is only what another one leaves: a default without its ground, a list without its entries."""
    return fault["type"] == "default_factory_not_called" or (
        fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]
    )


def _spell(fault: ErrorDetails) -> tuple[tuple[str | int, ...], str]:
    """Return where a fault is and what it is."""
    path, kind, found = fault["loc"], fault["type"], fault["input"]
    if kind == "invalid_key":
        return path[:-1], _read_otherwise(found)
    if path[-1:] == ("[key]",):
        return path[:-2], _of_name(kind, found, node_at(path[:-2]))
    if kind == "extra_forbidden":
        known = node_at(path[:-1])["properties"]
        return path[:-1], f"unknown key '{path[-1]}'; {nearest(str(path[-1]), known, 'known keys')}"
    if kind == "missing" and isinstance(path[-1], int):
        return path[:-1], f"found {found!r}, expected {len(node_at(path[:-1])['prefixItems'])} values"
    if kind == "missing":
        required = ", ".join(node_at(path[:-1])["required"])
        return path[:-1], f"'{path[-1]}' is a required property; expected: {required}"
    node = node_at(path)
    return (*path, *fault.get("ctx", {}).get("inside", ())), _of_value(fault, node)


def _of_name(kind: str, found: Any, node: Node) -> str:
    if kind == "string_type":
        return _read_otherwise(found)
    names = node["propertyNames"]
    return f"{found!r} does not match '{names['pattern']}'. {names['description']}"


def _of_value(fault: ErrorDetails, node: Node) -> str:
    kind, found, description = fault["type"], fault["input"], node.get("description", "")
    if kind in ("empty", "exactly_one", "twice", "circle"):
        return fault["msg"]
    if kind == "literal_error":
        known = list(map(str, node["enum"]))
        near = difflib.get_close_matches(str(found), known, n=1)
        return f"found {found!r}, expected one of {', '.join(known)}" + (f"; did you mean '{near[0]}'?" if near else "")
    if kind == "too_short" and not found:
        return "found nothing, expected at least one entry" if isinstance(found, Mapping) else "[] should be non-empty"
    if kind in ("too_short", "too_long"):
        limit = f"at least {node['minItems']}" if kind == "too_short" else f"{node['maxItems']}"
        sentence = f"found {len(found)} values, expected {limit}"
    elif kind == "string_pattern_mismatch":
        sentence = f"{found!r} does not match '{node['pattern']}'"
    elif kind.endswith("_type"):
        sentence = f"found {found!r}, expected {node['type']}"
        if kind == "string_type" and isinstance(found, bool | int | float | datetime.date):
            description += " Write it in quotes."
    else:
        sentence = f"found {found!r}, expected {_range(node)}"
    return f"{sentence}. {description}".rstrip()


def _range(node: Node) -> str:
    if "minimum" in node and "maximum" in node:
        return f"{node['minimum']:g} to {node['maximum']:g}"
    limits = {
        "exclusiveMinimum": "more than",
        "minimum": "at least",
        "exclusiveMaximum": "less than",
        "maximum": "at most",
    }
    return (
        " and ".join(f"{word} {node[limit]:g}" for limit, word in limits.items() if limit in node) or "a finite number"
    )


def _read_otherwise(found: Any) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", type(None): "nothing"}
    return f"YAML reads the name {found} as {kinds.get(type(found), 'a date')}; write it in quotes"
