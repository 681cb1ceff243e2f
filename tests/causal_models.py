"""Tiny causal models of random weights, one for each way of storing matrices and of making logits."""

VOCABULARY = 97

LLAMA = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 128,
}
"""The sizes of a tiny Llama that goes through files; its width, and what depends on a tokenizer, is for the test."""


def tiny_causal(architecture: str, n_layers: int = 2, vocabulary: int = VOCABULARY):
    """A model of 32 dimensions; caps and scales on its logits are large enough to matter."""
    import torch
    import transformers

    size = {"vocab_size": vocabulary, "hidden_size": 32, "num_hidden_layers": n_layers, "num_attention_heads": 4}
    llama = {**size, "intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": 0}
    gpt2 = {"vocab_size": vocabulary, "n_embd": 32, "n_layer": n_layers, "n_head": 4, "bos_token_id": 0}
    heads_of_8 = {**llama, "head_dim": 8}
    bloom = {"vocab_size": vocabulary, "hidden_size": 32, "n_layer": n_layers, "n_head": 4}
    settings = {
        "Llama": llama,
        "GPTNeoX": {**size, "intermediate_size": 64},
        "GPT2": {**gpt2, "eos_token_id": 0},
        "OPT": {**size, "ffn_dim": 64, "word_embed_proj_dim": 16, "pad_token_id": 1},
        "Gemma2": {**heads_of_8, "final_logit_softcapping": 1.5, "sliding_window": 8},
        "Gemma3Text": {**heads_of_8, "sliding_window": 8},
        "Qwen3": heads_of_8,
        "Phi": {**size, "intermediate_size": 48},
        "Bloom": bloom,
        "Falcon": {**size, "multi_query": True},
        "Phi3": llama,
        "Mixtral": {**llama, "num_local_experts": 4},
        "Cohere": {**llama, "logit_scale": 0.25},
        "Granite": {**llama, "logits_scaling": 3.0},
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        config = getattr(transformers, f"{architecture}Config")(**settings[architecture])
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        parameter.data *= 3
    return model
