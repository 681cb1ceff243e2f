"""DistilBERT."""

from weightspectra.models.families.family import Family
from weightspectra.models.layouts import count

DISTILBERT = Family(
    "distilbert",
    {
        "attention.q_lin.weight": "query",
        "attention.k_lin.weight": "key",
        "attention.v_lin.weight": "value",
        "attention.out_lin.weight": "attention_output",
        "ffn.lin1.weight": "up",
        "ffn.lin2.weight": "down",
    },
    causal=False,
    depth=lambda config: count(config, "n_layers"),
)
