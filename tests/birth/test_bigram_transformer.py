"""The transformers of the bigram task: what they compute, how they begin, and that the library's classes know them."""

import copy
import math

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM

from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.model.bigram_transformer import BigramTransformer, initialised, sinusoids
from weightspectra.birth.model.parameters import trained_parameters
from weightspectra.models import live, loading, weights
from weightspectra.models.made.random import write_control

SIZES = {"dimension": 12, "vocab_size": 7, "max_position_embeddings": 20, "characters": "\n abcde"}
FULL = {"kind": "full", "n_heads": 3, "positions": "learned", "feed_forward": "mlp"}
KINDS = {
    "simplified": {},
    "simplified, linear": {"feed_forward": "linear"},
    "simplified, perceptron": {"feed_forward": "mlp", "scale_attention": False},
    "simplified, sinusoidal": {"positions": "sinusoidal"},
    "full": FULL,
    "full, post": {**FULL, "norm": "post", "n_layers": 3},
    "full, bare": {**FULL, "norm": "none", "feed_forward": "none"},
    "full, linear": {**FULL, "feed_forward": "linear", "first_feed_forward": False, "positions": "sinusoidal"},
    "full, tied": {**FULL, "tie_embeddings": True, "scale_attention": False},
}


def model_of(kind, **changed):
    return initialised(BigramConfig(**{**SIZES, **KINDS[kind], **changed}), len).double().eval()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def tokens():
    return torch.randint(7, (2, 9), generator=torch.Generator().manual_seed(1))


def plainly(model, tokens):
    """The definition, sequence by sequence and position by position."""
    own, config = {name: value.detach() for name, value in model.named_parameters()}, model.config

    def normalised(name, hidden):
        centred = hidden - hidden.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / deviation * own[f"{name}.weight"] + own[f"{name}.bias"]

    def attention(name, hidden):
        size, found = config.dimension // config.n_heads, torch.zeros_like(hidden)
        query = own.get(f"{name}.query.weight", torch.eye(config.dimension, dtype=hidden.dtype))
        key, value = own[f"{name}.key.weight"], own[f"{name}.value.weight"]
        scale = math.sqrt(size) if config.scale_attention else 1
        for t in range(len(hidden)):
            for head in range(config.n_heads):
                rows = slice(head * size, (head + 1) * size)
                scores = torch.stack(
                    [(query @ hidden[t])[rows] @ (key @ hidden[s])[rows] / scale for s in range(t + 1)]
                )
                found[t, rows] = sum(w * (value @ hidden[s])[rows] for s, w in enumerate(scores.softmax(0)))
        return found @ own[f"{name}.output.weight"].T

    def fed(name, hidden):
        if f"{name}.linear.weight" in own:
            return hidden @ own[f"{name}.linear.weight"].T
        return (hidden @ own[f"{name}.up.weight"].T).clamp(min=0) @ own[f"{name}.down.weight"].T

    logits = []
    for sequence in tokens:
        hidden = own["embedding.weight"][sequence] + own["positions.weight"][: len(sequence)]
        for layer in range(config.n_layers):
            parts = [(attention, "attention", "norm_1")]
            if any(name.startswith(f"layers.{layer}.feed_forward") for name in own):
                parts.append((fed, "feed_forward", "norm_2"))
            for part, name, norm in parts:
                before = normalised(f"layers.{layer}.{norm}", hidden) if config.norm == "pre" else hidden
                hidden = hidden + part(f"layers.{layer}.{name}", before)
                hidden = normalised(f"layers.{layer}.{norm}", hidden) if config.norm == "post" else hidden
        hidden = normalised("norm", hidden) if config.norm == "pre" else hidden
        logits.append(hidden @ own.get("unembedding.weight", own["embedding.weight"]).T)
    return torch.stack(logits)


def test_logits_are_those_of_the_definition(kind, tokens):
    model = model_of(kind)
    with torch.no_grad():
        for parameter in model.parameters():  # norms that do something, too
            parameter.add_(0.3 * torch.randn_like(parameter, dtype=torch.float32))
        expected = plainly(model, tokens)
        torch.testing.assert_close(model(tokens).logits, expected, rtol=1e-10, atol=1e-10)
        shown = model(input_ids=tokens, output_attentions=True, output_hidden_states=True)
    torch.testing.assert_close(shown.logits, expected, rtol=1e-10, atol=1e-10)
    assert len(shown.hidden_states) == len(shown.attentions) + 1 == model.config.n_layers + 1
    for attended in shown.attentions:
        assert attended.shape == (2, model.config.n_heads, 9, 9)
        assert not attended.triu(1).any()
        torch.testing.assert_close(attended.sum(-1), torch.ones_like(attended[..., 0]))


def test_padding_on_the_right_changes_nothing(kind, tokens):
    model = model_of(kind)
    padded = torch.cat([tokens, torch.zeros_like(tokens[:, :3])], dim=1)
    mask = torch.cat([torch.ones_like(tokens), torch.zeros_like(tokens[:, :3])], dim=1)
    found = model(input_ids=padded, attention_mask=mask, use_cache=False).logits[:, :9]
    torch.testing.assert_close(found, model(tokens).logits)


def test_named_parameters_are_those_that_are_known(kind):
    model = model_of(kind)
    frozen = {"simplified": {"embedding", "positions", "unembedding", "value", "output"}, "full": {"positions"}}
    trained = set(trained_parameters(model.config))
    others = {name for name, _ in model.named_parameters()} - trained
    assert trained <= {name for name, _ in model.named_parameters()}
    assert {name.split(".")[-2] for name in others} <= frozen[model.config.kind]
    assert trained | others == set(dict(model.named_parameters()))


def test_saved_and_loaded_it_is_the_same(kind, tokens, tmp_path):
    model = model_of(kind).float()
    model.save_pretrained(tmp_path)
    for head in (None, "causal"):
        loaded = loading.load(tmp_path, head=head)
        assert isinstance(loaded, BigramTransformer)
        assert loaded.config.characters == SIZES["characters"]
        assert torch.equal(loaded(tokens).logits, model(tokens).logits)
        hidden = loaded.base_model(tokens).last_hidden_state
        torch.testing.assert_close(loaded.get_output_embeddings()(hidden), model(tokens).logits)


def test_its_matrices_are_found_in_memory_and_on_disk(kind, tmp_path):
    model = model_of(kind).float()
    model.save_pretrained(tmp_path)
    in_memory, on_disk = live.matrices(model), weights.matrices(tmp_path)
    assert list(in_memory) == list(on_disk)
    n_block_matrices = sum(value.ndim == 2 and name.startswith("layers.") for name, value in model.named_parameters())
    assert len(in_memory) == n_block_matrices
    assert any(key.role == "query" for key in in_memory) == (model.config.kind == "full")


def test_a_copy_is_independent(tokens):
    model = model_of("full")
    before = model(tokens).logits
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert not other(tokens).logits.any()
    assert torch.equal(model(tokens).logits, before)


def test_it_begins_as_it_should():
    config = BigramConfig(**{**SIZES, **FULL, "dimension": 120, "vocab_size": 500, "max_position_embeddings": 300})
    model = initialised(config, len)
    for name in ("embedding.weight", "positions.weight"):
        values = model.get_parameter(name).detach()
        assert abs(values.mean()) < 0.02
        assert abs(values.std() - 1) < 0.02
        assert values.abs().max() > 3
    for name, n_in in (("layers.0.attention.key.weight", 120), ("layers.1.feed_forward.down.weight", 480)):
        values = model.get_parameter(name).detach() * math.sqrt(n_in)
        assert 0.99 < values.abs().max() <= 1
        assert abs(values.var() - 1 / 3) < 0.01
    assert torch.equal(model.norm.weight, torch.ones(120))
    assert not model.layers[1].norm_2.bias.any()


def test_each_module_has_a_seed_of_its_own():
    asked = []
    one = initialised(BigramConfig(**SIZES), lambda name: asked.append(name) or len(asked))
    other = initialised(
        BigramConfig(**SIZES, feed_forward="linear"), lambda name: asked.index(name) + 1 if name in asked else 0
    )
    assert len(set(asked)) == len(asked)
    for name, parameter in one.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name))


def test_initialising_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    initialised(BigramConfig(**SIZES), len)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_sinusoids_turn_with_the_distance():
    table = sinusoids(50, 16).double()
    products = table @ table.T
    for distance in (0, 1, 7):  # p_t . p_s depends on t - s alone
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=1e-5, atol=1e-5)
    assert torch.equal(table[0], torch.tensor([0.0, 1.0] * 8, dtype=torch.float64))
    assert sinusoids(4, 5).shape == (4, 5)


def test_a_random_control_can_be_made_like_it(tmp_path, tokens):
    model_of("full").float().save_pretrained(tmp_path / "one")
    write_control(tmp_path / "one", tmp_path / "control", 5)
    write_control(tmp_path / "one", tmp_path / "again", 5)
    first, second = (loading.load(tmp_path / name, head="causal") for name in ("control", "again"))
    assert torch.equal(first(tokens).logits, second(tokens).logits)
    values = first.get_parameter("embedding.weight").detach()
    assert 0.7 < values.std() < 1.3


def test_more_tokens_than_positions_are_refused():
    with pytest.raises(ValueError, match="21 tokens in a sequence, but the model has 20 positions"):
        model_of("simplified")(torch.zeros(1, 21, dtype=torch.long))


def test_the_simplified_model_has_one_shape():
    config = BigramConfig(**SIZES, n_layers=5, n_heads=4, norm="post", tie_embeddings=True)
    assert (config.n_layers, config.n_heads, config.norm, config.tie_embeddings) == (2, 1, "none", False)


def test_the_auto_classes_know_it():
    for kind in (AutoModel, AutoModelForCausalLM):
        assert isinstance(kind.from_config(BigramConfig(**SIZES)), BigramTransformer)


@pytest.mark.parametrize("tied", [True, False])
def test_the_embedding_begins_with_unit_variance_also_where_it_unembeds(tied):
    made = initialised(BigramConfig(**{**FULL, "n_heads": 4, "dimension": 64, "tie_embeddings": tied}), len)
    assert made.embedding.weight.std().item() == pytest.approx(1, abs=0.1)
    assert (made.unembedding.weight is made.embedding.weight) == tied
