"""Every row of the table is right: each block weight claimed once, splits as the model itself makes them."""

import copy
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import TINY
from transformers import AttentionInterface
from transformers.activations import ACT2FN

from weightspectra.base.errors import UserError
from weightspectra.birth.model import bigram_transformer
from weightspectra.contracts import ROLES, MatrixKey
from weightspectra.models import claims, live
from weightspectra.models.families.registry import FAMILIES, GUIDE, family_of
from weightspectra.sources import checkpoints

OUTSIDE_ROLES = re.compile(
    r"embed|^positions\.|wte|wpe|lm_head|pooler|project_(in|out)|embedding_hidden_mapping_in|mlp\.gate\.weight|moe\.gate\.weight"
)
ACTIVATION_KEYS = ("hidden_act", "hidden_activation", "activation_function", "activation")
TOKENS = torch.tensor([[7]])


def test_every_row_is_tested():
    assert {name.partition(",")[0] for name in TINY} == set(FAMILIES)


def test_every_block_weight_is_claimed_exactly_once(architecture, tiny_models):
    model, folder = tiny_models(architecture)
    in_memory = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    on_disk = {name: tensor.shape for name, tensor in checkpoints.tensors(folder).items()}
    for shapes in (in_memory, on_disk):
        times_claimed = {name: np.zeros(shape, int) for name, shape in shapes.items() if len(shape) > 1}
        for slot in claims.claim(checkpoints.config(folder), shapes).values():
            for view in slot.views(times_claimed[slot.tensor]):
                view += 1
        for name, times in times_claimed.items():
            assert (times == (0 if OUTSIDE_ROLES.search(name) else 1)).all(), name


def test_matrices_are_named_in_order(architecture, tiny_models):
    model, _ = tiny_models(architecture)
    keys = list(live.matrices(model))
    family = family_of(model.config.to_dict())
    assert keys == sorted(keys, key=lambda key: (key.layer, ROLES.index(key.role), key.expert))
    assert {key.layer for key in keys} == set(range(family.depth(model.config.to_dict())))
    assert {key.role for key in keys} == set(family.roles)


class Recorder:
    """Everything that passes between the matrices of a model on one token, where rotary embeddings do nothing."""

    def __init__(self, model):
        self.model = copy.deepcopy(model).double()
        for module in self.model.modules():
            for norm in {"q_norm", "k_norm"} & set(dict(module.named_children())):
                setattr(module, norm, torch.nn.Identity())
        self.model.config._experts_implementation = "eager"
        self.matrices = live.matrices(self.model)
        self.inputs, self.states = {}, {}
        for matrix in self.matrices.values():
            if matrix.module is not None:
                matrix.module.register_forward_pre_hook(self._keep_input)
        self._record_attention()
        with torch.no_grad():
            self.model(TOKENS)

    def _keep_input(self, module, args):
        self.inputs[module] = args[0].reshape(-1)

    def _record_attention(self):
        def attend(module, query, key, value, *args, **kwargs):
            self.states[module] = [states.transpose(1, 2).reshape(-1) for states in (query, key, value)]
            each = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
            return each.transpose(1, 2).contiguous(), None

        AttentionInterface.register("recorder", attend)
        if not any(hasattr(module, "_split_heads") for module in self.model.modules()):  # Falcon calls it directly
            self.model.config._attn_implementation = "recorder"

    def output(self, key):
        """Compute W x + b from our matrix, the input that its module got, and our cut of the bias."""
        matrix = self.matrices[key]
        bias = getattr(matrix.module, "bias", None)
        product = matrix.read() @ self.inputs[matrix.module]
        if bias is None:
            return product
        column = bias.detach()[None, :] if matrix.slot.transposed else bias.detach()[:, None]
        return product + torch.cat(matrix.slot.views(column))[:, 0]


def cut_by_the_model(recorder, layer):
    """Return query, key and value of one layer, each flat, as the model's own code cuts them."""
    projection = recorder.matrices[MatrixKey(layer, "query")].module
    owner = next(module for module in recorder.model.modules() if projection in module.children())
    if owner in recorder.states:
        return recorder.states[owner]
    if isinstance(owner, bigram_transformer.Attention):
        return [part(recorder.inputs[projection]) for part in (owner.query, owner.key, owner.value)]
    fused = projection(recorder.inputs[projection])[None, None]
    if hasattr(owner, "_reshape"):  # BLOOM
        return [states.transpose(1, 2).reshape(-1) for states in owner._reshape(fused)]
    query, key, value = owner._split_heads(fused)  # Falcon
    groups = query.shape[-2] // owner.num_kv_heads if owner.new_decoder_architecture else 1
    return [query.reshape(-1), *(states[..., ::groups, :].reshape(-1) for states in (key, value))]


def test_split_attention_reproduces_the_models_own(architecture, tiny_models):
    recorder = Recorder(tiny_models(architecture)[0])
    scale = getattr(next(iter(recorder.states), None), "scaling", 1) if architecture == "opt" else 1
    for layer in sorted({key.layer for key in recorder.matrices}):
        states = cut_by_the_model(recorder, layer)
        for role, own in zip(("query", "key", "value"), states, strict=True):
            factor = scale if role == "query" else 1
            ours = factor * recorder.output(MatrixKey(layer, role))
            torch.testing.assert_close(ours, own, rtol=1e-6, atol=1e-6)


def test_mlp_reproduces_the_models_own(architecture, tiny_models):
    recorder = Recorder(tiny_models(architecture)[0])
    config = recorder.model.config
    name = next((getattr(config, key) for key in ACTIVATION_KEYS if hasattr(config, key)), "gelu")
    activation = ACT2FN[{"bloom": "gelu_new", "bigram_transformer": "relu"}.get(architecture, name)]
    for key in recorder.matrices:
        if key.role != "down":
            continue
        if recorder.matrices[key].module is None:
            check_expert(recorder, key, activation)
            continue
        up = recorder.output(key._replace(role="up"))
        has_gate = key._replace(role="gate") in recorder.matrices
        inside = activation(recorder.output(key._replace(role="gate"))) * up if has_gate else activation(up)
        torch.testing.assert_close(inside, recorder.inputs[recorder.matrices[key].module], rtol=1e-7, atol=1e-7)


def check_expert(recorder, key, activation):
    experts = recorder.model.get_submodule(recorder.matrices[key].slot.tensor.rpartition(".")[0])
    inputs = torch.randn(5, recorder.matrices[key._replace(role="up")].read().shape[1], dtype=torch.float64)
    chosen, weight = torch.full((5, 1), key.expert), torch.ones(5, 1, dtype=torch.float64)
    gate, up, down = (recorder.matrices[key._replace(role=role)].read() for role in ("gate", "up", "down"))
    ours = (activation(inputs @ gate.T) * (inputs @ up.T)) @ down.T
    with torch.no_grad():
        torch.testing.assert_close(ours, experts(inputs, chosen, weight), rtol=1e-12, atol=1e-12)


def test_thirds_are_contiguous_and_differ_from_the_right_split(tiny_models):
    model, _ = tiny_models("gpt_neox")
    fused = model.gpt_neox.layers[1].attention.query_key_value.weight.detach()
    thirds = live.matrices(model, "thirds")
    for number, role in enumerate(("query", "key", "value")):
        assert torch.equal(thirds[MatrixKey(1, role)].read(), fused[32 * number : 32 * (number + 1)])
    right = live.matrices(model)[MatrixKey(1, "query")].read()
    assert not torch.equal(right, thirds[MatrixKey(1, "query")].read())


def test_thirds_are_refused_where_nothing_alternates(tiny_models):
    model, _ = tiny_models("llama")
    with pytest.raises(UserError, match="fused_split: thirds, but a llama model has no query_key_value"):
        live.matrices(model, "thirds")


SHAPES = {f"model.layers.{layer}.{name}": (32, 32) for layer in range(2) for name in FAMILIES["llama"].tensors}
LLAMA = {"model_type": "llama", "num_hidden_layers": 2, "architectures": ["LlamaForCausalLM"]}


def test_unknown_block_matrices_are_refused_by_name():
    shapes = {**SHAPES, "model.layers.1.mlp.adapter.weight": (8, 32), "model.layers.1.norm.weight": (32,)}
    with pytest.raises(UserError) as refusal:
        claims.claim(LLAMA, shapes)
    assert "1 block matrices belong to no role of a llama model" in str(refusal.value)
    assert "model.layers.1.mlp.adapter.weight" in str(refusal.value)
    assert "norm" not in str(refusal.value)
    assert GUIDE in str(refusal.value)


def test_missing_matrices_are_refused_by_name():
    shapes = {name: shape for name, shape in SHAPES.items() if name != "model.layers.1.self_attn.k_proj.weight"}
    with pytest.raises(UserError, match="1 matrices are missing \\(layer 1 'key'\\)"):
        claims.claim(LLAMA, shapes)


def test_more_layers_than_the_configuration_says_are_refused():
    with pytest.raises(UserError, match="7 are too many \\(layer 1"):
        claims.claim({**LLAMA, "num_hidden_layers": 1}, SHAPES)


def test_two_tensors_for_one_matrix_are_refused():
    shapes = {**SHAPES, "draft.layers.0.self_attn.q_proj.weight": (32, 32)}
    with pytest.raises(UserError, match=r"layer 0 'query': both 'model\.layers\.0.*' and 'draft\.layers\.0"):
        claims.claim(LLAMA, shapes)


def test_rows_that_do_not_divide_are_refused():
    config = {"model_type": "gpt_neox", "num_hidden_layers": 1, "num_attention_heads": 5}
    with pytest.raises(UserError, match="96 rows do not divide into 15 equal parts"):
        claims.claim(config, {"layers.0.attention.query_key_value.weight": (96, 32)})


def test_unknown_architecture_is_refused():
    with pytest.raises(UserError, match=r"model type 'mamba' has no row.*albert, bert.*docs/add-an-architecture\.md"):
        family_of({"model_type": "mamba"})


def test_families_need_no_deep_learning_library():
    code = (
        "import sys, json; from weightspectra.models import claims, requests, weights; "
        "print(json.dumps([name for name in ('torch', 'transformers') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert json.loads(done.stdout) == []


ENVIRONMENT = {"PYTHONPATH": str(next(path for path in sys.path if path.endswith("src")))}
