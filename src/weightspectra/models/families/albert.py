"""ALBERT.

All repetitions of a group share its weights, so a layer here is one distinct block: the number of the group times the
blocks in a group, plus the block's number inside its group.
"""

import re

from weightspectra.models.families.family import Family
from weightspectra.models.layouts import count

ALBERT = Family(
    "albert",
    {
        "attention.query.weight": "query",
        "attention.key.weight": "key",
        "attention.value.weight": "value",
        "attention.dense.weight": "attention_output",
        "ffn.weight": "up",
        "ffn_output.weight": "down",
    },
    causal=False,
    depth=lambda config: count(config, "num_hidden_groups") * count(config, "inner_group_num"),
    block=re.compile(r"(?:^|\.)albert_layer_groups\.(?P<group>\d+)\.albert_layers\.(?P<inner>\d+)\."),
    position=lambda config, group, inner: group * count(config, "inner_group_num") + inner,
)
