"""A tiny random model of every supported architecture, in memory and as ``save_pretrained`` leaves it."""

import pytest

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {**SIZES, "num_key_value_heads": 2}
WIDE_HEADS = {**GROUPED, "head_dim": 16}
FALCON = {**SIZES, "ffn_hidden_size": 48}
MIXTURE = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}

TINY = {
    "bert": SIZES,
    "roberta": SIZES,
    "xlm-roberta": SIZES,
    "camembert": SIZES,
    "distilbert": {**SIZES, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "albert": {**SIZES, "embedding_size": 16, "num_hidden_layers": 8, "num_hidden_groups": 2, "inner_group_num": 2},
    "modernbert": {**SIZES, "cls_token_id": 1, "sep_token_id": 2},
    "llama": GROUPED,
    "mistral": WIDE_HEADS,
    "qwen2": GROUPED,
    "qwen3": WIDE_HEADS,
    "gemma": WIDE_HEADS,
    "gemma2": WIDE_HEADS,
    "gemma3_text": WIDE_HEADS,
    "olmo": GROUPED,
    "olmo2": GROUPED,
    "mixtral": {**GROUPED, "num_local_experts": 3},
    "qwen3_moe": {**WIDE_HEADS, **MIXTURE, "num_experts": 3, "mlp_only_layers": [0]},
    "olmoe": {**GROUPED, "num_experts": 3, "num_experts_per_tok": 2},
    "phi3": GROUPED,
    "phi": GROUPED,
    "opt": {**SIZES, "ffn_dim": 48, "word_embed_proj_dim": 16},
    "gpt_neox": SIZES,
    "bloom": {**SIZES, "n_layer": 2, "n_head": 4},
    "falcon": FALCON,
    "falcon, one key head each": {**FALCON, "multi_query": False},
    "falcon, grouped": {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2},
    "gpt2": {**SIZES, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48, "n_positions": 32},
    "bigram_transformer": {
        "kind": "full",
        "vocab_size": 64,
        "dimension": 32,
        "n_heads": 4,
        "feed_forward": "mlp",
        "max_position_embeddings": 32,
    },
}
"""Sizes by model type (before the comma); dimensions differ wherever the architecture lets them."""


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """Return a function from a name in ``TINY`` to (model in float32, folder); each is made once."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModel, AutoModelForCausalLM

    from weightspectra.birth.model import bigram_transformer  # noqa: F401 (makes the Auto classes know it)
    from weightspectra.models.families.registry import FAMILIES

    made = {}

    def make(name):
        if name not in made:
            model_type = name.partition(",")[0]
            kind = AutoModelForCausalLM if FAMILIES[model_type].causal else AutoModel
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(len(made))
                model = kind.from_config(CONFIG_MAPPING[model_type](**TINY[name])).eval()
                for parameter in model.parameters():
                    parameter.data = 0.3 * torch.randn_like(parameter)
            model.config.use_cache = False
            folder = tmp_path_factory.mktemp("families") / model_type
            model.save_pretrained(folder)
            made[name] = (model, folder)
        return made[name]

    return make


def pytest_generate_tests(metafunc):
    """Run each test that takes ``architecture`` once for every architecture."""
    if "architecture" in metafunc.fixturenames:
        metafunc.parametrize("architecture", TINY)
