"""GPT-NeoX (Pythia), BLOOM and Falcon, whose fused query_key_value holds the roles of one head after another."""

from weightspectra.models.families.family import QKV, Family, Tensors
from weightspectra.models.layouts import Fused, by_groups, count, falcon_groups

_EACH_HEAD = Fused(QKV, by_groups(lambda config: count(config, "num_attention_heads", "n_head")), per_head=True)
_MLP: Tensors = {"mlp.dense_h_to_4h.weight": "up", "mlp.dense_4h_to_h.weight": "down"}
_BLOOM: Tensors = {
    "self_attention.query_key_value.weight": _EACH_HEAD,
    "self_attention.dense.weight": "attention_output",
    **_MLP,
}

GPT_NEOX = Family(
    "gpt_neox",
    {
        "attention.query_key_value.weight": _EACH_HEAD,
        "attention.dense.weight": "attention_output",
        **_MLP,
    },
    causal=True,
)
BLOOM = Family("bloom", _BLOOM, causal=True, depth=lambda config: count(config, "n_layer", "num_hidden_layers"))
FALCON = Family(
    "falcon",
    {**_BLOOM, "self_attention.query_key_value.weight": Fused(QKV, by_groups(falcon_groups))},
    causal=True,
    depth=lambda config: count(config, "num_hidden_layers", "n_layer"),
    key_heads=falcon_groups,
)
