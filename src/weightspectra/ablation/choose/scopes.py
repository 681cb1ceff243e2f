"""Which matrices, or which heads of them, one cut takes together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from weightspectra.ablation.settings import Cut
from weightspectra.base.errors import UserError
from weightspectra.contracts import ROLES, MatrixKey
from weightspectra.models.attention import SIDES

Part = tuple[slice | None, slice | None]
"""Rows and columns of a matrix to which a cut is restricted; None for all."""

WHOLE: Part = (None, None)


class Group(NamedTuple):
    """Matrices that one cut takes together.

    Attributes
    ----------
    where : str
        What labels call it.
    parts : dict from MatrixKey to (rows, columns)
        The matrices, each with the part of it that is meant.
    """

    where: str
    parts: Mapping[MatrixKey, Part]


def groups_of(
    entry: Cut,
    shapes: Mapping[MatrixKey, tuple[int, int]],
    head_counts: Mapping[str, int],
) -> Iterator[Group]:
    """Yield the groups of an entry of the configuration.

    Parameters
    ----------
    entry : Cut
    shapes : mapping from MatrixKey to (n_out, n_in)
        All matrices of the model.
    head_counts : mapping from role to int
        Into how many heads each attention matrix is divided; asked only for the scope ``head``.

    Raises
    ------
    UserError
        For a role or layer that the model lacks, and for matrices without heads in the scope ``head``.
    """
    chosen = _selected(entry, list(shapes))
    if entry.scope == "head":
        yield from _heads(_of_attention(entry, chosen), shapes, head_counts)
        return
    for group in GROUPINGS[entry.scope](chosen):
        yield Group(_describe(entry.scope, group, list(shapes)), dict.fromkeys(group, WHOLE))


def _by(part: Callable[[MatrixKey], Any]) -> Callable[[list[MatrixKey]], list[list[MatrixKey]]]:
    def grouped(keys: list[MatrixKey]) -> list[list[MatrixKey]]:
        found: dict[Any, list[MatrixKey]] = {}
        for key in keys:
            found.setdefault(part(key), []).append(key)
        return list(found.values())

    return grouped


GROUPINGS: Mapping[str, Callable[[list[MatrixKey]], list[list[MatrixKey]]]] = {
    "role": _by(lambda key: key.role),
    "layer": _by(lambda key: key.layer),
    "matrix": _by(lambda key: key),
    "all": _by(lambda key: None),
}
"""From a ``scope`` of the configuration to the groups of whole matrices that one cut takes together."""


def _selected(entry: Cut, model: Sequence[MatrixKey]) -> list[MatrixKey]:
    """Return the matrices that pass the entry's filters: by role, then layer, then expert."""
    roles = [role for role in ROLES if any(key.role == role for key in model)]
    layers = sorted({key.layer for key in model})
    wanted_roles, wanted_layers = entry.roles or roles, entry.layers or layers
    for role in wanted_roles:
        if role not in roles:
            raise UserError(f"cuts: the model has no '{role}' matrices; it has {', '.join(roles)}")
    for layer in wanted_layers:
        if layer not in layers:
            raise UserError(f"cuts: the model has no layer {layer}; it has layers {ranges(layers)}")
    chosen = [key for key in model if key.role in wanted_roles and key.layer in wanted_layers]
    if not chosen:
        raise UserError(
            f"cuts: no matrix is both one of {', '.join(wanted_roles)} and in layers {ranges(wanted_layers)}; "
            "choose other roles or layers"
        )
    return sorted(chosen, key=lambda key: (ROLES.index(key.role), key.layer, key.expert))


def _of_attention(entry: Cut, chosen: list[MatrixKey]) -> list[MatrixKey]:
    """Keep the matrices that heads divide; refuse others that are asked for by name."""
    strangers = [role for role in entry.roles or () if role not in SIDES]
    found = [key for key in chosen if key.role in SIDES]
    if strangers or not found:
        named = ", ".join(strangers or dict.fromkeys(key.role for key in chosen))
        raise UserError(f"cuts: scope head: {named} have no attention heads; choose roles among {', '.join(SIDES)}")
    return found


def _heads(
    keys: list[MatrixKey], shapes: Mapping[MatrixKey, tuple[int, int]], head_counts: Mapping[str, int]
) -> Iterator[Group]:
    """Yield one group for each layer and query head: its parts of the layer's attention matrices."""
    all_roles = {key.role for key in shapes if key.role in SIDES}
    roles = list(dict.fromkeys(key.role for key in keys))
    restriction = f" ({', '.join(roles)})" if set(roles) != all_roles else ""
    for group in GROUPINGS["layer"](sorted(keys, key=lambda key: key.layer)):
        for head in range(head_counts["query"]):
            parts = {key: head_part(key.role, shapes[key], head, head_counts) for key in group}
            yield Group(f"layer {group[0].layer} head {head}{restriction}", parts)


def head_part(role: str, shape: tuple[int, int], head: int, head_counts: Mapping[str, int]) -> Part:
    """Return the rows and columns of an attention matrix that belong to one query head.

    Queries, keys and values write a block of rows for each head; the
    attention output reads a block of columns. Where query heads share keys and
    values, the head's are those that serve it.

    Parameters
    ----------
    role : str
    shape : (int, int)
        Rows and columns of the matrix.
    head : int
        Number of the query head, from 0.
    head_counts : mapping from role to int
    """
    n_out, n_in = shape
    size = (n_out if SIDES[role] == "left" else n_in) // head_counts[role]
    own = head * head_counts[role] // head_counts["query"]
    block = slice(own * size, (own + 1) * size)
    return (block, None) if SIDES[role] == "left" else (None, block)


def _describe(scope: str, group: list[MatrixKey], model: list[MatrixKey]) -> str:
    """Name a group of matrices, and its restrictions only where it has any."""
    roles, layers = list(dict.fromkeys(key.role for key in group)), sorted({key.layer for key in group})
    fewer_roles = set(roles) != {key.role for key in model if key.layer in layers}
    fewer_layers = set(layers) != {key.layer for key in model if key.role in roles}
    if scope == "matrix":
        (key,) = group
        experts = sum(other[:2] == key[:2] for other in model)
        return f"layer {key.layer} {key.role}" + (f" expert {key.expert}" if experts > 1 else "")
    if scope == "layer":
        return f"layer {layers[0]}" + (f" ({', '.join(roles)})" if fewer_roles else "")
    names = ", ".join(roles) if scope == "role" or fewer_roles else "all matrices"
    return names + (f" in layers {ranges(layers)}" if fewer_layers else "")


def ranges(numbers: Sequence[int]) -> str:
    """Spell ascending numbers with runs joined: ``"0-3, 7"``."""
    ordered = sorted(numbers)
    starts = [ordered[0], *(after for before, after in pairwise(ordered) if after != before + 1)]
    ends = [*(before for before, after in pairwise(ordered) if after != before + 1), ordered[-1]]
    return ", ".join(
        f"{first}" if first == last else f"{first}-{last}" for first, last in zip(starts, ends, strict=True)
    )
