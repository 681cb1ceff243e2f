"""Where each architecture keeps its weight matrices: one row per architecture.

A row says which tensor of a transformer block plays which role, how a fused
tensor is cut, and which block tensors are no weight matrices of ours. Files and
loaded models are both described by it; a new architecture is a new row
(docs/add-an-architecture.md). Nothing here imports a deep-learning library, so
that a job can check a model without loading it.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from weightspectra.base.errors import UserError
from weightspectra.contracts import ROLES
from weightspectra.models.layouts import (
    HEADS,
    Config,
    Fused,
    by_groups,
    by_head_counts,
    count,
    equal_parts,
    falcon_groups,
)

GUIDE = "docs/add-an-architecture.md"

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

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that a block has, in the order of ``contracts.ROLES``."""
        entries = self.tensors.values()
        found = {role for entry in entries for role in ((entry,) if isinstance(entry, str) else entry.roles)}
        return tuple(role for role in ROLES if role in found)

    def places(self, config: Config) -> set[tuple[int, str]]:
        """Return the (layer, role) pairs of the matrices that a model of this configuration has."""
        layers = range(self.depth(config))
        return {(layer, role) for layer in layers for role in self.roles if role not in self.lacks(config, layer)}


def of(config: Config) -> Family:
    """Return the family of a model.

    Raises
    ------
    UserError
        When no row describes its ``model_type``.
    """
    found = config.get("model_type")
    if found not in FAMILIES:
        raise UserError(
            f"model type '{found}' has no row in the table of architectures; "
            f"supported: {', '.join(sorted(FAMILIES))}; {GUIDE} shows how to add one"
        )
    return FAMILIES[found]


_QKV = ("query", "key", "value")
_EACH_HEAD = Fused(_QKV, by_groups(lambda config: count(config, "num_attention_heads", "n_head")), per_head=True)
_GATE_UP = Fused(("gate", "up"), equal_parts(2))

_BERT: Tensors = {
    "attention.self.query.weight": "query",
    "attention.self.key.weight": "key",
    "attention.self.value.weight": "value",
    "attention.output.dense.weight": "attention_output",
    "intermediate.dense.weight": "up",
    "output.dense.weight": "down",
}
_DISTILBERT: Tensors = {
    "attention.q_lin.weight": "query",
    "attention.k_lin.weight": "key",
    "attention.v_lin.weight": "value",
    "attention.out_lin.weight": "attention_output",
    "ffn.lin1.weight": "up",
    "ffn.lin2.weight": "down",
}
_ALBERT: Tensors = {
    "attention.query.weight": "query",
    "attention.key.weight": "key",
    "attention.value.weight": "value",
    "attention.dense.weight": "attention_output",
    "ffn.weight": "up",
    "ffn_output.weight": "down",
}
_MODERNBERT: Tensors = {
    "attn.Wqkv.weight": Fused(_QKV, equal_parts(3)),
    "attn.Wo.weight": "attention_output",
    # The activation acts on the first half, so that half does what Llama's gate_proj does.
    "mlp.Wi.weight": _GATE_UP,
    "mlp.Wo.weight": "down",
}
_SEPARATE_QKV: Tensors = {
    "self_attn.q_proj.weight": "query",
    "self_attn.k_proj.weight": "key",
    "self_attn.v_proj.weight": "value",
}
_LLAMA_ATTENTION: Tensors = {**_SEPARATE_QKV, "self_attn.o_proj.weight": "attention_output"}
_LLAMA: Tensors = {
    **_LLAMA_ATTENTION,
    "mlp.gate_proj.weight": "gate",
    "mlp.up_proj.weight": "up",
    "mlp.down_proj.weight": "down",
}
_STACKED_EXPERTS: Tensors = {"mlp.experts.gate_up_proj": _GATE_UP, "mlp.experts.down_proj": "down"}
_MIXTRAL: Tensors = {
    **_LLAMA_ATTENTION,
    **_STACKED_EXPERTS,
    "block_sparse_moe.experts.*.w1.weight": "gate",
    "block_sparse_moe.experts.*.w3.weight": "up",
    "block_sparse_moe.experts.*.w2.weight": "down",
}
_QWEN_MOE: Tensors = {
    **_LLAMA,
    **_STACKED_EXPERTS,
    "mlp.experts.*.gate_proj.weight": "gate",
    "mlp.experts.*.up_proj.weight": "up",
    "mlp.experts.*.down_proj.weight": "down",
}
_PHI3: Tensors = {
    "self_attn.qkv_proj.weight": Fused(_QKV, by_head_counts),
    "self_attn.o_proj.weight": "attention_output",
    "mlp.gate_up_proj.weight": _GATE_UP,
    "mlp.down_proj.weight": "down",
}
_PHI: Tensors = {
    **_SEPARATE_QKV,
    "self_attn.dense.weight": "attention_output",
    "mlp.fc1.weight": "up",
    "mlp.fc2.weight": "down",
}
_OPT: Tensors = {
    **_SEPARATE_QKV,
    "self_attn.out_proj.weight": "attention_output",
    "fc1.weight": "up",
    "fc2.weight": "down",
}
_MLP_4H: Tensors = {"mlp.dense_h_to_4h.weight": "up", "mlp.dense_4h_to_h.weight": "down"}
_GPT_NEOX: Tensors = {
    "attention.query_key_value.weight": _EACH_HEAD,
    "attention.dense.weight": "attention_output",
    **_MLP_4H,
}
_BLOOM: Tensors = {
    "self_attention.query_key_value.weight": _EACH_HEAD,
    "self_attention.dense.weight": "attention_output",
    **_MLP_4H,
}
_FALCON: Tensors = {**_BLOOM, "self_attention.query_key_value.weight": Fused(_QKV, by_groups(falcon_groups))}
_GPT2: Tensors = {
    "attn.c_attn.weight": Fused(_QKV, equal_parts(3)),
    "attn.c_proj.weight": "attention_output",
    "mlp.c_fc.weight": "up",
    "mlp.c_proj.weight": "down",
}
_BIGRAM_TRANSFORMER: Tensors = {
    "attention.query.weight": "query",
    "attention.key.weight": "key",
    "attention.value.weight": "value",
    "attention.output.weight": "attention_output",
    "feed_forward.up.weight": "up",
    "feed_forward.down.weight": "down",
    "feed_forward.linear.weight": "down",  # it writes what it finds, like the second matrix of a perceptron
}


def _lacks_of_bigram_transformer(config: Config, layer: int) -> set[str]:
    """Find what a block does without: queries in the simplified model, and a perceptron or half of one."""
    full, kind = config["kind"] == "full", config["feed_forward"]
    fed = config["first_feed_forward"] or layer > 0 if full else layer == config["n_layers"] - 1
    without = {"none": {"up", "down"}, "linear": {"up"}, "mlp": set()}[kind] if fed else {"up", "down"}
    return without | (set() if full else {"query"})


_RELATIVE_POSITIONS = ("attention.self.distance_embedding.weight",)
_ROUTERS = ("mlp.gate.weight", "block_sparse_moe.gate.weight")

_ROWS = (
    Family("bert", _BERT, causal=False, ignored=_RELATIVE_POSITIONS),
    Family("roberta", _BERT, causal=False, ignored=_RELATIVE_POSITIONS),
    Family("xlm-roberta", _BERT, causal=False, ignored=_RELATIVE_POSITIONS),
    Family("camembert", _BERT, causal=False, ignored=_RELATIVE_POSITIONS),
    Family("distilbert", _DISTILBERT, causal=False, depth=lambda config: count(config, "n_layers")),
    # All repetitions of an ALBERT group share its weights, so a layer here is one distinct block:
    # the number of the group times the blocks in a group, plus the block's number inside its group.
    Family(
        "albert",
        _ALBERT,
        causal=False,
        depth=lambda config: count(config, "num_hidden_groups") * count(config, "inner_group_num"),
        block=re.compile(r"(?:^|\.)albert_layer_groups\.(?P<group>\d+)\.albert_layers\.(?P<inner>\d+)\."),
        position=lambda config, group, inner: group * count(config, "inner_group_num") + inner,
    ),
    Family("modernbert", _MODERNBERT, causal=False),
    Family("llama", _LLAMA, causal=True),
    Family("mistral", _LLAMA, causal=True),
    Family("qwen2", _LLAMA, causal=True),
    Family("qwen3", _LLAMA, causal=True),
    Family("gemma", _LLAMA, causal=True),
    Family("gemma2", _LLAMA, causal=True),
    Family("gemma3_text", _LLAMA, causal=True),
    Family("olmo", _LLAMA, causal=True),
    Family("olmo2", _LLAMA, causal=True),
    Family("mixtral", _MIXTRAL, causal=True, ignored=_ROUTERS),
    Family("qwen3_moe", _QWEN_MOE, causal=True, ignored=_ROUTERS),
    Family("olmoe", _QWEN_MOE, causal=True, ignored=_ROUTERS),
    Family("phi3", _PHI3, causal=True),
    Family("phi", _PHI, causal=True),
    Family("opt", _OPT, causal=True),
    Family("gpt_neox", _GPT_NEOX, causal=True),
    Family("bloom", _BLOOM, causal=True, depth=lambda config: count(config, "n_layer", "num_hidden_layers")),
    Family(
        "falcon",
        _FALCON,
        causal=True,
        depth=lambda config: count(config, "num_hidden_layers", "n_layer"),
        key_heads=falcon_groups,
    ),
    Family("gpt2", _GPT2, causal=True, transposed=True, depth=lambda config: count(config, "n_layer")),
    Family(
        "bigram_transformer",
        _BIGRAM_TRANSFORMER,
        causal=True,
        depth=lambda config: count(config, "n_layers"),
        lacks=_lacks_of_bigram_transformer,
    ),
)
FAMILIES: dict[str, Family] = {row.model_type: row for row in _ROWS}
