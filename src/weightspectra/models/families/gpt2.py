"""GPT-2, whose Conv1D stores weights as (n_in, n_out)."""

from weightspectra.models.families.family import QKV, Family
from weightspectra.models.layouts import Fused, count, equal_parts

GPT2 = Family(
    "gpt2",
    {
        "attn.c_attn.weight": Fused(QKV, equal_parts(3)),
        "attn.c_proj.weight": "attention_output",
        "mlp.c_fc.weight": "up",
        "mlp.c_proj.weight": "down",
    },
    causal=True,
    transposed=True,
    depth=lambda config: count(config, "n_layer"),
)
