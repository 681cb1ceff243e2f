"""Mixtures of experts with Llama's attention. In memory transformers stacks the experts, in files they may be apart."""

from weightspectra.models.families import llama
from weightspectra.models.families.family import GATE_UP, Family, Tensors

_STACKED: Tensors = {"mlp.experts.gate_up_proj": GATE_UP, "mlp.experts.down_proj": "down"}
_QWEN: Tensors = {
    **llama.TENSORS,
    **_STACKED,
    "mlp.experts.*.gate_proj.weight": "gate",
    "mlp.experts.*.up_proj.weight": "up",
    "mlp.experts.*.down_proj.weight": "down",
}
_ROUTERS = ("mlp.gate.weight", "block_sparse_moe.gate.weight")

MIXTRAL = Family(
    "mixtral",
    {
        **llama.ATTENTION,
        **_STACKED,
        "block_sparse_moe.experts.*.w1.weight": "gate",
        "block_sparse_moe.experts.*.w3.weight": "up",
        "block_sparse_moe.experts.*.w2.weight": "down",
    },
    causal=True,
    ignored=_ROUTERS,
)
QWEN3_MOE = Family("qwen3_moe", _QWEN, causal=True, ignored=_ROUTERS)
OLMOE = Family("olmoe", _QWEN, causal=True, ignored=_ROUTERS)
