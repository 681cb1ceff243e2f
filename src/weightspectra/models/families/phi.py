"""Microsoft's Phi."""

from weightspectra.models.families.family import GATE_UP, QKV, SEPARATE_QKV, Family
from weightspectra.models.layouts import Fused, by_head_counts

PHI = Family(
    "phi",
    {
        **SEPARATE_QKV,
        "self_attn.dense.weight": "attention_output",
        "mlp.fc1.weight": "up",
        "mlp.fc2.weight": "down",
    },
    causal=True,
)
PHI3 = Family(
    "phi3",
    {
        "self_attn.qkv_proj.weight": Fused(QKV, by_head_counts),
        "self_attn.o_proj.weight": "attention_output",
        "mlp.gate_up_proj.weight": GATE_UP,
        "mlp.down_proj.weight": "down",
    },
    causal=True,
)
