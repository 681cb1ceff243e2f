"""Gradients in closed form against automatic differentiation; single steps against theory and a naive twin."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from weightspectra.birth.probes.recalls import recall
from weightspectra.birth.simulated import associative_memory as memory
from weightspectra.birth.simulated import gradient_steps
from weightspectra.birth.task.bigram_task import BigramTask
from weightspectra.birth.task.characters import Bigrams


def example(seed, n=200, n_classes=6, d_out=9, d_in=7):
    rng = np.random.default_rng(seed)
    targets = rng.integers(n_classes, size=n)
    return rng.normal(size=(d_out, d_in)), rng.normal(size=(n_classes, d_out)), rng.normal(size=(n, d_in)), targets


def autograd(matrix, outputs, inputs, targets):
    weight = torch.tensor(matrix, requires_grad=True)
    logits = torch.tensor(inputs) @ weight.T @ torch.tensor(outputs).T
    torch.nn.functional.cross_entropy(logits, torch.tensor(targets)).backward()
    return weight.grad.numpy()


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_gradient_is_that_of_automatic_differentiation(scale):
    matrix, *rest = example(0)
    assert (
        np.abs(gradient_steps.cross_entropy_gradient(scale * matrix, *rest) - autograd(scale * matrix, *rest)).max()
        < 1e-10
    )


def test_gradient_is_a_sum_of_outer_products_of_outputs_and_differences_of_means():
    matrix, outputs, inputs, targets = example(1)
    predicted = softmax(inputs @ matrix.T @ outputs.T, axis=-1)
    expected = 0
    for k in range(len(outputs)):
        share = (targets == k).mean()
        mean, predicted_mean = inputs[targets == k].mean(axis=0), (predicted[:, [k]] * inputs).mean(axis=0) / share
        expected = expected + share * np.outer(outputs[k], predicted_mean - mean)
    assert np.allclose(gradient_steps.cross_entropy_gradient(matrix, outputs, inputs, targets), expected)


def test_one_step_without_noise_stores_what_theory_says():
    """N times the mean over classes of w_U(k) (u_k - mean)^T."""
    outputs, inputs = (memory.embeddings(11, 8, np.random.default_rng(seed)) for seed in (0, 1))
    step = gradient_steps.step_from_zero(outputs, inputs, 3, 0.0, np.random.default_rng(2))
    assert np.allclose(step, memory.store(outputs, inputs - inputs.mean(axis=0)))


def test_noise_of_one_step_averages_out_over_the_examples_of_each_class():
    outputs, inputs = (memory.embeddings(5, 12, np.random.default_rng(seed), orthonormal=True) for seed in (0, 1))
    steps = [
        gradient_steps.step_from_zero(outputs, inputs, 7, 0.3, np.random.default_rng(seed)) for seed in range(1500)
    ]
    found = np.array([memory.scores(step, outputs, inputs) for step in steps])
    assert np.allclose(found.mean(axis=0), np.eye(5) - 1 / 5, atol=5 * 0.3 / np.sqrt(7 * 1500))
    assert np.std(found - found.mean(axis=0)) == pytest.approx(0.3 * np.sqrt((1 - 1 / 5) / 7), rel=0.05)


def test_one_step_recalls_through_noise_that_hides_single_examples():
    rng = np.random.default_rng(0)
    outputs, inputs = (memory.embeddings(20, 64, rng, orthonormal=True) for _ in range(2))
    noise_std = 1.0
    single = inputs + noise_std * rng.normal(size=inputs.shape)
    assert recall(single @ inputs.T) < 0.6
    assert (
        recall(memory.scores(gradient_steps.step_from_zero(outputs, inputs, 500, noise_std, rng), outputs, inputs)) == 1
    )


def bigrams(n, seed):
    rng = np.random.default_rng(seed)
    followers = rng.integers(1, 9, size=(n, n))
    counts = followers.sum(axis=1)
    return Bigrams(tuple(map(chr, range(97, 97 + n))), counts, followers)


@pytest.mark.parametrize("n_batches", [1, 3])
def test_output_coefficients_are_the_gradient_of_the_transformer_with_uniform_attention(n_batches):
    """W_O^2 of a two-layer transformer in torch: its keys are zero, and the residual stays out of its logits."""
    n, length, d = 7, 12, 40
    task, rng = BigramTask(bigrams(n, 0), n_triggers=2, length=length), np.random.default_rng(1)
    batches = [task.sample(20, np.random.default_rng(seed)) for seed in range(n_batches)]
    outputs, inputs = memory.embeddings(n, d, rng), memory.embeddings(n + length, d, rng)
    first, value = memory.embeddings(d, d, rng), memory.embeddings(d, d, rng)
    attention = torch.softmax(torch.tensor(np.where(np.tri(length) > 0, 0.0, -np.inf)), dim=1)
    tokens = np.concatenate([batch.inputs for batch in batches])
    targets = torch.tensor(np.concatenate([batch.targets for batch in batches]))
    predictable = torch.tensor(np.concatenate([batch.predictable for batch in batches]))
    embedded = torch.tensor(inputs[tokens] + inputs[n:])
    hidden = embedded + attention @ embedded @ torch.tensor(first).T
    weight = torch.zeros((d, d), dtype=torch.float64, requires_grad=True)
    logits = attention @ hidden @ torch.tensor(value).T @ weight.T @ torch.tensor(outputs).T
    torch.nn.functional.cross_entropy(logits[predictable], targets[predictable]).backward()
    directions = np.concatenate([inputs, inputs @ first.T]) @ value.T
    coefficients = gradient_steps.output_coefficients(iter(batches), n)
    assert coefficients.shape == (2 * (n + length), n)
    assert np.abs(directions.T @ coefficients @ outputs + weight.grad.numpy().T).max() < 1e-6
