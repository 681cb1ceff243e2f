"""Loss and gradients of a step: by the fast way the same as by automatic differentiation through the whole model."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from weightspectra.birth.model import token_attention
from weightspectra.birth.model.bigram_config import BigramConfig
from weightspectra.birth.model.bigram_transformer import initialised
from weightspectra.birth.model.parameters import trained_parameters
from weightspectra.birth.training import gradients, simplified_gradients
from weightspectra.birth.training.gradients import differentiate, sums_by_autograd
from weightspectra.birth.training.simplified_gradients import Batch

FULL = {"kind": "full", "n_heads": 2, "positions": "learned", "feed_forward": "mlp"}
SIMPLIFIED = {
    "plain": {},
    "linear map": {"feed_forward": "linear"},
    "unscaled": {"scale_attention": False},
    "sinusoidal": {"positions": "sinusoidal", "feed_forward": "linear"},
}
OTHERS = {
    "perceptron": {"feed_forward": "mlp"},
    "embeddings too": {"train_embeddings": True},
    "full": FULL,
    "tied": {**FULL, "tie_embeddings": True, "norm": "post"},
}


def model_of(changed, dtype=torch.float64):
    sizes = {"dimension": 12, "vocab_size": 7, "max_position_embeddings": 40}
    config = BigramConfig(**{**sizes, **changed})
    model = initialised(config, len).to(dtype)
    with torch.no_grad():  # attention that is not nearly uniform
        for name, parameter in model.named_parameters():
            if "key" in name:
                parameter.mul_(4)
    return model


def batch_of(share=0.3, n=11, length=37, seed=0):
    rng = np.random.default_rng(seed)
    tokens, scored = rng.integers(7, size=(n, length + 1)), rng.random((n, length)) < share
    scored[2], scored[5] = False, True  # none, and all
    parts = tokens[:, :-1], tokens[:, 1:], scored
    return Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


def plainly(model, batch):
    """The mean cross-entropy of all sequences at once, and its gradients."""
    wanted = trained_parameters(model.config)
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in wanted)
    logits = model(batch.inputs, output_attentions=True).logits[batch.scored]  # by explicit softmax
    loss = F.cross_entropy(logits, batch.targets[batch.scored])
    found = torch.autograd.grad(loss, [parameters[name] for name in wanted])
    right = (logits.argmax(1) == batch.targets[batch.scored]).double().mean()
    return loss.item(), right.item(), dict(zip(wanted, found, strict=True))


def assert_same(found, expected, tolerance):
    loss, accuracy, by_parameter = expected
    assert found.loss == pytest.approx(loss, rel=tolerance)
    assert found.accuracy == pytest.approx(accuracy, rel=1e-12)
    assert found.gradients.keys() == by_parameter.keys()
    for name, gradient in by_parameter.items():
        assert gradient.norm() > 0
        assert (found.gradients[name] - gradient).norm() <= tolerance * gradient.norm(), name


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("kind", {**SIMPLIFIED, **OTHERS})
def test_gradients_are_those_of_the_whole_model(kind, dtype, tolerance):
    model, batch = model_of({**SIMPLIFIED, **OTHERS}[kind], dtype), batch_of()
    wanted = trained_parameters(model.config)
    assert simplified_gradients.can_differentiate(model, wanted) == (kind in SIMPLIFIED)
    assert_same(differentiate(model, batch, wanted), plainly(model, batch), tolerance)


@pytest.mark.parametrize("kind", SIMPLIFIED)
def test_all_tokens_can_be_scored(kind, monkeypatch):
    monkeypatch.setattr(token_attention, "BLOCK", 10)
    monkeypatch.setattr(simplified_gradients, "BLOCK", 8)
    model, batch = model_of(SIMPLIFIED[kind]), batch_of()
    batch = batch._replace(scored=torch.ones_like(batch.scored))
    wanted = trained_parameters(model.config)
    assert_same(differentiate(model, batch, wanted), plainly(model, batch), 1e-10)


def test_what_a_block_holds_changes_nothing(monkeypatch):
    model, batch = model_of({"feed_forward": "linear"}), batch_of(share=0.5)
    wanted = trained_parameters(model.config)
    expected = differentiate(model, batch, wanted)
    monkeypatch.setattr(token_attention, "BLOCK", 5)
    monkeypatch.setattr(simplified_gradients, "BLOCK", 3)
    monkeypatch.setattr(simplified_gradients, "N_SEQUENCES", 3)
    monkeypatch.setattr(gradients, "N_SEQUENCES", 3)
    assert_same(differentiate(model, batch, wanted), (expected.loss, expected.accuracy, expected.gradients), 1e-12)
    loss, _, found = sums_by_autograd(model, batch, wanted)
    assert loss / expected.n_scored == pytest.approx(expected.loss, rel=1e-12)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient / expected.n_scored, expected.gradients[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("left_out", trained_parameters(BigramConfig(feed_forward="linear")))
def test_a_frozen_parameter_changes_no_other_gradient(left_out):
    model, batch = model_of({"feed_forward": "linear"}), batch_of()
    _, _, expected = plainly(model, batch)
    wanted = [name for name in expected if name != left_out]
    found = differentiate(model, batch, wanted)
    assert_same(found, (found.loss, found.accuracy, {name: expected[name] for name in wanted}), 1e-10)


@pytest.mark.parametrize("changed", [{}, FULL], ids=["simplified", "full"])
def test_a_batch_without_scored_positions_has_no_gradient(changed):
    model, batch = model_of(changed), batch_of()
    wanted = trained_parameters(model.config)
    found = differentiate(model, batch._replace(scored=torch.zeros_like(batch.scored)), wanted)
    assert (found.loss, found.accuracy, found.n_scored) == (0, 0, 0)
    assert found.gradients.keys() == set(wanted)
    assert not any(gradient.any() for gradient in found.gradients.values())


def test_a_single_scored_position_is_enough():
    model, batch = model_of({}), batch_of(share=0)
    scored = torch.zeros_like(batch.scored)
    scored[3, 0] = True
    batch = batch._replace(scored=scored)
    wanted = ["layers.1.attention.output.weight"]
    _, _, expected = plainly(model, batch)
    found = differentiate(model, batch, wanted)
    torch.testing.assert_close(found.gradients[wanted[0]], expected[wanted[0]], rtol=1e-10, atol=1e-14)
