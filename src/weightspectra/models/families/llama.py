"""Llama, and the decoders that keep its names."""

from weightspectra.models.families.family import SEPARATE_QKV, Family, Tensors

ATTENTION: Tensors = {**SEPARATE_QKV, "self_attn.o_proj.weight": "attention_output"}
TENSORS: Tensors = {
    **ATTENTION,
    "mlp.gate_proj.weight": "gate",
    "mlp.up_proj.weight": "up",
    "mlp.down_proj.weight": "down",
}

LLAMA = Family("llama", TENSORS, causal=True)
MISTRAL = Family("mistral", TENSORS, causal=True)
QWEN2 = Family("qwen2", TENSORS, causal=True)
QWEN3 = Family("qwen3", TENSORS, causal=True)
GEMMA = Family("gemma", TENSORS, causal=True)
GEMMA2 = Family("gemma2", TENSORS, causal=True)
GEMMA3 = Family("gemma3_text", TENSORS, causal=True)
OLMO = Family("olmo", TENSORS, causal=True)
OLMO2 = Family("olmo2", TENSORS, causal=True)
