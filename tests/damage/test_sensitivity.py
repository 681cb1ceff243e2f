import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from causal_models import VOCABULARY, tiny_causal
from torch import nn

from weightspectra.activations.windows import Window
from weightspectra.base.errors import UserError
from weightspectra.contracts import MatrixKey
from weightspectra.damage import next_tokens, sensitivity
from weightspectra.models import live
from weightspectra.models.layouts import Slot
from weightspectra.spectra import svd
from weightspectra.spectra.deciles import decile_ranks

LENGTHS = (12, 9, 12, 5)


def windows(lengths=LENGTHS):
    generator = torch.Generator().manual_seed(0)
    return [
        Window("text", torch.randint(0, VOCABULARY, (length,), generator=generator).tolist(), length - 2)
        for length in lengths
    ]


def subject_of(model):
    matrices = live.matrices(model)
    found = {key: svd.decompose(matrix.read()) for key, matrix in matrices.items() if matrix.module is not None}
    vectors = {key: decomposition.short_vectors.numpy() for key, decomposition in found.items()}
    return sensitivity.ExaminedModel(model, matrices, vectors.__getitem__, next_tokens.predict)


def respond(subject, batches, n_probes=2, seed=1):
    return sensitivity.respond(subject, batches, n_probes, torch.Generator().manual_seed(seed), "respond")


def projections(subject, key, gradient):
    """s_k u_k' G v_k for each singular value, from the gradient G of the whole matrix."""
    weight = subject.matrices[key].read().double()
    vectors = torch.from_numpy(np.array(subject.vectors(key))).double()
    if weight.shape[0] <= weight.shape[1]:
        return ((vectors @ gradient) * (vectors @ weight)).sum(dim=1).numpy()
    return ((gradient @ vectors.T) * (weight @ vectors.T)).sum(dim=0).numpy()


def weight_gradients(subject, found, cotangent):
    """The gradient of each matrix, in double precision, of the logits of one batch times a cotangent."""
    subject.model.zero_grad()
    found.logits.backward(cotangent, retain_graph=True)
    return {
        key: torch.cat(matrix.slot.views(matrix.parameter.grad)).double()
        for key, matrix in subject.matrices.items()
        if matrix.module is not None
    }


@pytest.mark.parametrize("architecture", ["Llama", "GPTNeoX", "GPT2", "OPT", "Gemma2", "Phi3", "Mixtral"])
def test_first_and_second_order_are_those_of_the_gradients_of_the_weights(architecture):
    """Shared key heads, fused and transposed tensors, flattened inputs and padding, against one gradient each."""
    subject, batches = subject_of(tiny_causal(architecture)), next_tokens.language_batches(windows(), 2, 0)
    responses = respond(subject, batches)
    n_scored = sum(length - 2 for length in LENGTHS)
    first = dict.fromkeys(responses, 0.0)
    squares = dict.fromkeys(responses, 0.0)
    generator = torch.Generator().manual_seed(1)
    for batch in batches:
        found = next_tokens.predict(subject.model, batch)
        probabilities = found.logits.detach().softmax(dim=-1)
        loss = probabilities - F.one_hot(found.targets, VOCABULARY)
        gradients = weight_gradients(subject, found, loss)
        first = {key: first[key] - projections(subject, key, gradients[key]) / n_scored for key in first}
        owner = (batch["targets"] != next_tokens.UNSCORED).nonzero()[:, 0]
        for _ in range(2):
            noise = torch.randn(probabilities.shape, generator=generator) * probabilities.sqrt()
            probe = noise - probabilities * noise.sum(dim=-1, keepdim=True)
            for sequence in range(len(batch["targets"])):
                of_one = probe * (owner == sequence)[:, None]
                gradients = weight_gradients(subject, found, of_one)
                for key in squares:
                    squares[key] = squares[key] + projections(subject, key, gradients[key]) ** 2 / (4 * n_scored)
    assert len(responses) == sum(matrix.module is not None for matrix in subject.matrices.values())
    for key, response in responses.items():
        scale = np.abs(first[key]).max()
        np.testing.assert_allclose(response.first_order, first[key], rtol=1e-3, atol=1e-5 * scale)
        scale = squares[key].max()
        np.testing.assert_allclose(response.second_order, squares[key], rtol=1e-3, atol=1e-5 * scale)


def test_first_order_is_the_slope_of_the_loss():
    subject, batches = subject_of(tiny_causal("Llama")), next_tokens.language_batches(windows(), 4, 0)
    responses = respond(subject, batches, n_probes=1)
    (batch,) = batches

    def loss():
        with torch.no_grad():
            found = next_tokens.predict(subject.model, batch)
            return float(F.cross_entropy(found.logits.double(), found.targets))

    for role in ("query", "key", "down", "gate"):
        key = MatrixKey(1, role)
        matrix, slope = subject.matrices[key], responses[key].first_order
        weight, found = matrix.read(), svd.decompose(matrix.read())
        k, step = int(np.abs(slope).argmax()), 0.02
        part = _part(weight, found, k)
        losses = []
        for change in (-step, step):
            matrix.write(weight - change * part)
            losses.append(loss())
        matrix.write(weight)
        assert (losses[1] - losses[0]) / (2 * step) == pytest.approx(slope[k], rel=0.02)


def _part(weight, found, k):
    """What value k is of a matrix."""
    vector = found.short_vectors[k : k + 1].to(weight)
    return vector.T @ (vector @ weight) if found.short_side == "left" else (weight @ vector.T) @ vector


class Lookup(nn.Module):
    """Embeddings, then one matrix that makes the logits of the same position."""

    def __init__(self, n_words, dimension, n_classes):
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(n_words, dimension)
        self.head = nn.Linear(dimension, n_classes, bias=False)

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, batch):
        logits = self.head(self.embedding(batch["input_ids"]))
        return sensitivity.Outcomes(logits.flatten(0, 1), batch["targets"].flatten())


@pytest.mark.parametrize("shape", [(12, 20), (20, 12)], ids=["wide", "tall"])
def test_second_order_is_the_divergence_of_predictions(shape):
    """Of a linear softmax model both the Fisher information and the divergence are known without any gradient."""
    n_out, n_in = shape
    model = Lookup(30, n_in, n_out)
    matrix = live.LiveMatrix(model.head, model.head.weight, Slot("head.weight", (slice(None),), False, None))
    key, found = MatrixKey(0, "down"), svd.decompose(matrix.read())
    subject = sensitivity.ExaminedModel(
        model, {key: matrix}, lambda _: found.short_vectors.numpy(), lambda model, batch: model(batch)
    )
    ids = torch.randint(0, 30, (40, 1), generator=torch.Generator().manual_seed(4))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "targets": torch.zeros_like(ids)}
    response = respond(subject, [batch], n_probes=400)[key]

    weight, inputs = matrix.read().double(), model.embedding(ids[:, 0]).detach().double()
    logits = inputs @ weight.T
    probabilities = logits.softmax(dim=1)
    right = found.long_vectors if found.short_side == "left" else found.short_vectors
    left = found.short_vectors if found.short_side == "left" else found.long_vectors
    strength = found.singular_values * (inputs @ right.T)
    for k in range(12):
        change = strength[:, k : k + 1] * left[k]
        exact = (probabilities * change**2).sum(dim=1) - (probabilities * change).sum(dim=1) ** 2
        assert response.second_order[k] == pytest.approx(float(exact.mean() / 2), rel=0.06)
    np.testing.assert_allclose(response.energy, strength.square().mean(dim=0).numpy(), rtol=1e-4)
    np.testing.assert_allclose(response.mean, strength.mean(dim=0).numpy(), rtol=1e-3, atol=1e-6)

    for decile in (1, 10):
        ranks = decile_ranks(12, decile)
        step = 0.05 * strength[:, ranks] @ left[ranks]
        divergence = F.kl_div(
            (logits - step).log_softmax(1), logits.log_softmax(1), log_target=True, reduction="batchmean"
        )
        second_order = np.square(response.answers[:, decile - 1]).sum() / 2
        assert second_order == pytest.approx(float(divergence) / 0.05**2, rel=0.1)


def test_padding_changes_nothing():
    subject, several = subject_of(tiny_causal("Llama")), windows((12, 5, 9))
    together = respond(subject, next_tokens.language_batches(several, 3, 0))
    apart = respond(subject, next_tokens.language_batches(several, 1, 0))
    padded_otherwise = respond(subject, next_tokens.language_batches(several, 3, 7))
    for key, response in together.items():
        assert response.n_tokens == 12 + 5 + 9 - 3
        np.testing.assert_allclose(apart[key].energy, response.energy, rtol=1e-4)
        np.testing.assert_allclose(apart[key].first_order, response.first_order, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(padded_otherwise[key].second_order, response.second_order)


def test_answers_of_deciles_add_up():
    """With ten values a decile is one value; and all deciles together are the whole matrix."""
    model = Lookup(30, 10, 25)
    matrix = live.LiveMatrix(model.head, model.head.weight, Slot("head.weight", (slice(None),), False, None))
    key, found = MatrixKey(0, "down"), svd.decompose(matrix.read())
    subject = sensitivity.ExaminedModel(
        model, {key: matrix}, lambda _: found.short_vectors.numpy(), lambda model, batch: model(batch)
    )
    ids = torch.randint(0, 30, (4, 6), generator=torch.Generator().manual_seed(4))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "targets": torch.zeros_like(ids)}
    response = respond(subject, [batch], n_probes=3)[key]
    assert response.answers.shape == (12, 10)
    np.testing.assert_allclose(np.square(response.answers).sum(axis=0) / 2, response.second_order[::-1], rtol=1e-5)


def test_the_model_is_left_as_it_was():
    model = tiny_causal("Llama")
    model.lm_head.weight.requires_grad_(False)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    respond(subject_of(model), next_tokens.language_batches(windows(), 4, 0))
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad == (name != "lm_head.weight")
        assert parameter.grad is None
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_experts_are_left_out_with_a_line(capsys):
    subject = subject_of(tiny_causal("Mixtral"))
    responses = respond(subject, next_tokens.language_batches(windows(), 4, 0))
    assert {key.role for key in responses} == {"query", "key", "value", "attention_output"}
    assert "24 matrices (layer 0 'up', ...) are experts of a mixture" in capsys.readouterr().err


def test_a_matrix_that_the_model_does_not_run_is_refused():
    """Zeros would say that its removal costs nothing."""
    subject = subject_of(tiny_causal("Llama"))
    key = MatrixKey(1, "up")
    idle = replace(subject.matrices[key], module=copy.deepcopy(subject.matrices[key].module))
    subject = replace(subject, matrices={**subject.matrices, key: idle})
    with pytest.raises(UserError, match=r"respond: matrices that every batch ran through: .*missing: layer 1 'up'\)"):
        respond(subject, next_tokens.language_batches(windows(), 4, 0))
