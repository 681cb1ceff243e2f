"""OPT."""

from weightspectra.models.families.family import SEPARATE_QKV, Family

OPT = Family(
    "opt",
    {
        **SEPARATE_QKV,
        "self_attn.out_proj.weight": "attention_output",
        "fc1.weight": "up",
        "fc2.weight": "down",
    },
    causal=True,
)
