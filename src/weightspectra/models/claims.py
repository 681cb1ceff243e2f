"""Which tensor, and which part of it, holds each weight matrix of a model."""

import re
from collections.abc import Iterable, Iterator, Mapping

from weightspectra.base.errors import UserError
from weightspectra.contracts import ROLES, MatrixKey
from weightspectra.models.families.family import Family
from weightspectra.models.families.registry import GUIDE, family_of
from weightspectra.models.layouts import Config, Fused, Slot, equal_parts
from weightspectra.sources.formats.damaged import DamagedCheckpointError

_EXPERT = re.compile(r"(?<=\.experts\.)\d+(?=\.)")


def claim(
    config: Config, shapes: Mapping[str, tuple[int, ...]], fused_split: str = "interleaved"
) -> dict[MatrixKey, Slot]:
    """Find every weight matrix among the tensors of a checkpoint or loaded model.

    Parameters
    ----------
    config : mapping
        The model's ``config.json``.
    shapes : mapping from str to tuple of int
        Name and shape of every tensor.
    fused_split : {'interleaved', 'thirds'}
        How tensors with alternating heads are cut: head by head, which is
        right, or into three contiguous thirds, which mixes the roles.

    Returns
    -------
    dict from MatrixKey to Slot
        Ordered by layer, role and expert.

    Raises
    ------
    UserError
        When a block has a matrix that no row claims, or lacks one; when
        ``thirds`` is asked of an architecture without such tensors.
    """
    family = family_of(config)
    _check_split(family, fused_split)
    found: dict[MatrixKey, Slot] = {}
    unclaimed = []
    for tensor, shape in shapes.items():
        match = family.block.search(tensor)
        if match is None or len(shape) not in (2, 3):
            continue
        name, numbers = tensor[match.end() :], [int(number) for number in match.groups()]
        entry = family.tensors.get(_EXPERT.sub("*", name))
        if entry is None:
            unclaimed += [tensor] if name not in family.ignored else []
            continue
        layer = family.position(config, *numbers)
        for role, expert, slot in _slots(family, config, tensor, shape, entry, fused_split):
            key = MatrixKey(layer, role, expert)
            if key in found:
                raise UserError(
                    f"{key}: both '{found[key].tensor}' and '{tensor}' claim to hold it: the checkpoint holds more "
                    "than the model of its config.json, or names with and without a wrapper's prefix; load the whole "
                    "with transformers, save the one model alone with save_pretrained, and take that folder"
                )
            found[key] = slot
    _check_complete(family, config, found, unclaimed)
    return dict(sorted(found.items(), key=lambda item: (item[0].layer, ROLES.index(item[0].role), item[0].expert)))


def _slots(
    family: Family, config: Config, tensor: str, shape: tuple[int, ...], entry: str | Fused, fused_split: str
) -> Iterator[tuple[str, int, Slot]]:
    """Yield role, expert and place of each matrix in one tensor."""
    layout = Fused((entry,), equal_parts(1)) if isinstance(entry, str) else entry
    cut = equal_parts(3) if layout.per_head and fused_split == "thirds" else layout.cut
    try:
        pieces = cut(config, shape[-1] if family.transposed else shape[-2])
    except ValueError as error:
        raise UserError(f"tensor '{tensor}' of shape {shape} cannot be cut into its roles: {error}") from error
    if len(shape) == 3:
        numbered: list[tuple[int, int | None]] = [(expert, expert) for expert in range(shape[0])]
    else:
        expert = _EXPERT.search(tensor)
        numbered = [(int(expert[0]) if expert else 0, None)]
    for expert_number, stacked in numbered:
        for role, rows in zip(layout.roles, pieces, strict=True):
            yield role, expert_number, Slot(tensor, rows, family.transposed, stacked)


def _check_split(family: Family, fused_split: str) -> None:
    per_head = any(isinstance(entry, Fused) and entry.per_head for entry in family.tensors.values())
    if fused_split == "thirds" and not per_head:
        raise UserError(
            f"fused_split: thirds, but a {family.model_type} model has no query_key_value matrix whose "
            "heads alternate; leave the key out"
        )


def _check_complete(family: Family, config: Config, found: Iterable[MatrixKey], unclaimed: list[str]) -> None:
    if unclaimed:
        listed = "\n  ".join(unclaimed[:20]) + (f"\n  and {len(unclaimed) - 20} more" if len(unclaimed) > 20 else "")
        raise UserError(
            f"{len(unclaimed)} block matrices belong to no role of a {family.model_type} model:\n  {listed}\n"
            f"the architecture differs from its row in the table; {GUIDE} shows how to describe it"
        )
    expected = family.places(config)
    present = {(key.layer, key.role) for key in found}
    if present != expected:
        lacking = [str(MatrixKey(*pair)) for pair in sorted(expected - present)]
        extra = [str(MatrixKey(*pair)) for pair in sorted(present - expected)]
        raise DamagedCheckpointError(
            f"the checkpoint does not fit its config.json ({family.depth(config)} layers of a "
            f"{family.model_type} model): {len(lacking)} matrices are missing ({', '.join(lacking[:3]) or 'none'}), "
            f"{len(extra)} are too many ({', '.join(extra[:3]) or 'none'})"
        )
