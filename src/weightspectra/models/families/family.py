"""What a row of the table of architectures says, and the parts that several rows share."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from weightspectra.contracts import ROLES
from weightspectra.models.layouts import HEADS, Config, Fused, count, equal_parts
from weightspectra.sources.formats.damaged import DamagedCheckpointError

MAX_LAYERS = 10_000
"""More blocks than any model has: they are counted before the weights are there."""

_BLOCK = re.compile(r"(?:^|\.)(?:layers?|h)\.(?P<layer>\d+)\.")

Tensors = Mapping[str, str | Fused]
"""From the name that follows the number of a block to the role, or roles, of a tensor."""


@dataclass(frozen=True)
class Family:
    """One architecture.

    Parameters
    ----------
    model_type : str
        As in ``config.json``.
    tensors : mapping from str to str or Fused
        From the name that follows the block's number to the role. ``*`` stands
        for the number of an expert. A three-dimensional tensor is a stack of
        experts.
    causal : bool
        Whether it predicts the next token.
    ignored : tuple of str
        Names of block tensors with two or more dimensions that are not
        analysed: routers, position tables. (Norms and biases have one.)
    transposed : bool
        Whether tensors are stored as (n_in, n_out), as in GPT-2.
    depth : callable
        From the configuration to the number of distinct blocks.
    block : pattern
        What precedes the names in ``tensors``; its groups are the numbers
        from which ``position`` counts the block.
    position : callable
        From the configuration and those numbers to the block's number.
    key_heads : callable
        From the configuration to the number of heads of keys and values, which
        several heads of queries may share.
    lacks : callable
        From the configuration and the number of a block to the roles that this block does without.
    taught_by : str, optional
        Module that makes the ``Auto`` classes know an architecture which transformers does not come with.
    """

    model_type: str
    tensors: Tensors
    causal: bool
    ignored: tuple[str, ...] = ()
    transposed: bool = False
    depth: Callable[[Config], int] = field(default=lambda config: count(config, "num_hidden_layers"))
    block: re.Pattern[str] = _BLOCK
    position: Callable[..., int] = field(default=lambda config, layer: layer)
    key_heads: Callable[[Config], int] = field(default=lambda config: count(config, "num_key_value_heads", *HEADS))
    lacks: Callable[[Config, int], Collection[str]] = field(default=lambda config, layer: ())
    taught_by: str | None = None

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that a block has, in the order of ``contracts.ROLES``."""
        entries = self.tensors.values()
        found = {role for entry in entries for role in ((entry,) if isinstance(entry, str) else entry.roles)}
        return tuple(role for role in ROLES if role in found)

    def places(self, config: Config) -> set[tuple[int, str]]:
        """Return the (layer, role) pairs of the matrices that a model of this configuration has."""
        layers = range(self.depth(config))
        if len(layers) > MAX_LAYERS:
            raise DamagedCheckpointError(f"config.json speaks of {len(layers):,} layers; no model has {MAX_LAYERS:,}")
        return {(layer, role) for layer in layers for role in self.roles if role not in self.lacks(config, layer)}


QKV = ("query", "key", "value")
GATE_UP = Fused(("gate", "up"), equal_parts(2))
SEPARATE_QKV: Tensors = {
    "self_attn.q_proj.weight": "query",
    "self_attn.k_proj.weight": "key",
    "self_attn.v_proj.weight": "value",
}
