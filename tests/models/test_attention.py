"""Numbers and sizes of heads, as the models themselves divide their states."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AttentionInterface

from weightspectra.base.errors import UserError
from weightspectra.birth.model import bigram_transformer
from weightspectra.models import attention, live
from weightspectra.sources import checkpoints

TOKENS = torch.tensor([[7]])
ATTENTION = ("query", "key", "value", "attention_output")


def states_of(model):
    """Return (number of heads, components of one) of query, key and value, from the model's own attention."""
    found = []

    def attend(module, query, key, value, *args, **kwargs):
        found.extend((states.shape[1], states.shape[3]) for states in (query, key, value))
        each = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
        return each.transpose(1, 2).contiguous(), None

    AttentionInterface.register("observer", attend)
    model = copy.deepcopy(model)
    owners = [
        module for module in model.modules() if hasattr(module, "query_key_value") and hasattr(module, "num_heads")
    ]
    if owners:  # BLOOM and Falcon have an attention of their own
        owner = owners[0]
        n_groups = getattr(owner, "num_kv_heads", owner.num_heads)
        return [(n_heads, owner.head_dim) for n_heads in (owner.num_heads, n_groups, n_groups)]
    ours = [module for module in model.modules() if isinstance(module, bigram_transformer.Attention)]
    if ours:
        states = model.embedding(TOKENS)
        parts = (
            part(states).unflatten(-1, (ours[0].n_heads, -1)) for part in (ours[0].query, ours[0].key, ours[0].value)
        )
        return [(part.shape[2], part.shape[3]) for part in parts]
    model.config._attn_implementation = "observer"
    with torch.no_grad():
        model(TOKENS)
    return found[:3]


def test_heads_are_those_of_the_models_own_attention(architecture, tiny_models):
    model, folder = tiny_models(architecture)
    config = checkpoints.config(folder)
    query, key, value = states_of(model)
    counts = attention.head_counts(config)
    assert counts == {"query": query[0], "key": key[0], "value": value[0], "attention_output": query[0]}
    matrices = {found.role: matrix.read() for found, matrix in live.matrices(model).items() if found.layer == 0}
    for role, (n_heads, size) in zip(ATTENTION, (query, key, value, query), strict=True):
        n_out, n_in = matrices[role].shape
        assert {"left": n_out, "right": n_in}[attention.SIDES[role]] == n_heads * size
    sizes = attention.head_sizes(config, [(role, *matrix.shape) for role, matrix in matrices.items()])
    assert sizes == {size for _, size in (query, key, value)}


def test_matrices_that_do_not_divide_into_heads_are_refused():
    config = {"model_type": "llama", "num_attention_heads": 4, "num_key_value_heads": 3}
    assert attention.head_sizes(config, [("query", 32, 20), ("attention_output", 20, 32), ("up", 7, 7)]) == {8}
    refusal = re.escape("3 heads, but a matrix 'key' of shape (32, 20) has 32 components")
    with pytest.raises(UserError, match=refusal):
        attention.head_sizes(config, [("key", 32, 20)])


def test_a_configuration_without_heads_is_refused():
    with pytest.raises(UserError, match=r"config\.json lacks 'num_attention_heads'"):
        attention.head_counts({"model_type": "llama"})


def test_nothing_here_imports_torch():
    code = "import sys; import weightspectra.models.attention; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": str(Path(attention.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0
