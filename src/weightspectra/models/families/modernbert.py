"""ModernBERT. The activation acts on the first half of ``Wi``, so that half does what Llama's gate_proj does."""

from weightspectra.models.families.family import GATE_UP, QKV, Family
from weightspectra.models.layouts import Fused, equal_parts

MODERNBERT = Family(
    "modernbert",
    {
        "attn.Wqkv.weight": Fused(QKV, equal_parts(3)),
        "attn.Wo.weight": "attention_output",
        "mlp.Wi.weight": GATE_UP,
        "mlp.Wo.weight": "down",
    },
    causal=False,
)
