"""How a model's predictions answer to each singular value: one forward pass and a few backward passes.

Let value k go from W = sum_k s_k u_k v_k'. The output of the matrix at
token t then changes by -s_k u_k (v_k . x_t), and a function f of all outputs
whose gradient there is d_t, to first order, by -c_k with
``c_k = sum_t s_k (v_k . x_t) (u_k . d_t)``: the inner product of two
projections, so that no gradient of a weight is ever formed.

With f the loss, -c_k is the *first order*. For the *second order* f is a
probe ``g . z``: logits z of all scored tokens, with g drawn afresh from a
Gaussian of covariance ``diag(p) - p p'`` at each token (p the predicted
probabilities; g = sqrt(p) e - p (sqrt(p) . e) with e standard normal). The
mean of ``c_k^2`` over g is the step's Fisher information, which is the
Gauss-Newton matrix of the loss (Martens, J. Mach. Learn. Res. 21(146),
section 9), and half of it is the Kullback-Leibler divergence of the
predictions before and after, to second order. Drawing classes from p and
taking gradients of their log-probabilities has the same mean; Gaussian
probes have no rare large draws. Probes of different sequences are independent, so
every sequence gives one square for each backward pass.

Memory beside the model: the stored vectors in float32; for one batch, the
graph of activations, one number per token and singular value, and four
tables of logits.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from weightspectra.base.journal import check_complete
from weightspectra.base.progress import track
from weightspectra.contracts import MatrixKey
from weightspectra.models.live import LiveMatrix
from weightspectra.spectra.deciles import decile_ranks

Batch = Mapping[str, Tensor]
"""``input_ids`` and ``attention_mask``, of shape (n_sequences, n_positions), and whatever the outcomes need."""


class Outcomes(NamedTuple):
    """What a model says of one batch: logits of shape (n_scored, n_classes), and the classes that are right."""

    logits: Tensor
    targets: Tensor


@dataclass(frozen=True)
class ExaminedModel:
    """A model whose matrices are looked at.

    Attributes
    ----------
    model : Module
        Its weights are only read.
    matrices : mapping from MatrixKey to LiveMatrix
        Its matrices.
    vectors : callable from MatrixKey to ndarray of shape (n_values, n_values)
        Singular vectors of the short side, one per row, largest value first.
    outcomes : callable
        Runs the model on a batch.
    """

    model: Any
    matrices: Mapping[MatrixKey, LiveMatrix]
    vectors: Callable[[MatrixKey], np.ndarray]
    outcomes: Callable[[Any, Batch], Outcomes]


class Response(NamedTuple):
    """What the singular values of one matrix do to a model's predictions; k counts values, largest first.

    Attributes
    ----------
    energy : ndarray of shape (n_values,)
        Mean over tokens of (s_k v_k . x_t)^2, what value k adds to the squared output.
    mean : ndarray of shape (n_values,)
        Mean over tokens of s_k v_k . x_t.
    first_order : ndarray of shape (n_values,)
        Change of the loss when value k goes, to first order, in nats per scored token (or item).
    second_order : ndarray of shape (n_values,)
        Half the Fisher information of the same step, in the same unit.
    answers : ndarray of shape (n_probes * n_sequences, 10)
        For each decile, what its removal does to each probe of each sequence. Half the
        squared length of a column is the second order of that decile; half
        that of a sum of columns, also over matrices, is the second order of them all together.
    n_tokens : int
        Tokens read, without padding.
    """

    energy: np.ndarray
    mean: np.ndarray
    first_order: np.ndarray
    second_order: np.ndarray
    answers: np.ndarray
    n_tokens: int


def respond(
    subject: ExaminedModel, batches: Sequence[Batch], n_probes: int, generator: torch.Generator, label: str
) -> dict[MatrixKey, Response]:
    """Measure how a model's predictions answer to each singular value of its matrices.

    Parameters
    ----------
    subject : ExaminedModel
        Experts of a mixture are left out, with a line on standard error.
    batches : sequence of Batch
        On the model's device.
    n_probes : int
        Random directions in the space of predictions, one backward pass each.
    generator : torch.Generator
        Of the probes; on the CPU, so that they do not depend on the device.
    label : str
        What the progress lines call this work.

    Returns
    -------
    dict from MatrixKey to Response

    Raises
    ------
    UserError
        When a matrix takes no part in a batch, so that its response would lack it.
    """
    matrices = subject.matrices
    recorders = [_Recorder(key, matrices[key], subject.vectors(key)) for key in _hooked_keys(matrices)]
    device, n_scored, n_tokens = batches[0]["input_ids"].device, 0, 0
    with _differentiable(subject.model), ExitStack() as hooks:
        for recorder in recorders:
            hooks.enter_context(recorder.watching())
        for batch in track(batches, len(batches), label, "batches"):
            mask = batch["attention_mask"].bool()
            for recorder in recorders:
                recorder.start(mask)
            found = subject.outcomes(subject.model, batch)
            n_scored, n_tokens = n_scored + len(found.targets), n_tokens + int(mask.sum())
            for number, cotangent in enumerate(_cotangents(found, n_probes, generator, device)):
                found.logits.backward(cotangent, retain_graph=number < n_probes)
                for recorder in recorders:
                    recorder.finish_pass(is_probe=number > 0)
    took_part = [str(recorder.key) for recorder in recorders if recorder.n_batches == len(batches)]
    check_complete(f"{label}: matrices that every batch ran through", took_part, [str(each.key) for each in recorders])
    return {recorder.key: recorder.response(n_scored, n_tokens, n_probes) for recorder in recorders}


def _cotangents(found: Outcomes, n_probes: int, generator: torch.Generator, device: torch.device) -> Iterator[Tensor]:
    """Yield the gradient of the summed loss with respect to the logits, and then the probes."""
    probabilities = found.logits.detach().float().softmax(dim=-1)
    gradient = probabilities.clone()
    gradient[torch.arange(len(gradient), device=device), found.targets] -= 1
    yield gradient.to(found.logits.dtype)
    del gradient
    for _ in range(n_probes):
        probe = torch.randn(probabilities.shape, generator=generator).to(device).mul_(probabilities.sqrt())
        probe -= probabilities * probe.sum(dim=-1, keepdim=True)
        yield probe.to(found.logits.dtype)


class _Recorder:
    """Gathers the response of one matrix while the model runs."""

    def __init__(self, key: MatrixKey, matrix: LiveMatrix, vectors: np.ndarray):
        self.key = key
        self.n_batches = 0
        self._matrix = matrix
        weight = matrix.read().float()
        self._vectors = torch.from_numpy(np.array(vectors)).to(weight)
        self._is_left = weight.shape[0] <= weight.shape[1]
        n_values = len(vectors)
        # On the right side, what the input's projection lacks to be an output is the singular value.
        ones = torch.ones(n_values, device=weight.device)
        self._scale = ones if self._is_left else torch.linalg.vector_norm(weight @ self._vectors.T, dim=0)
        self._deciles = torch.zeros(n_values, 10, device=weight.device)
        for decile in range(1, 11):
            self._deciles[decile_ranks(n_values, decile), decile - 1] = 1
        self._energy, self._mean, self._first, self._squares = torch.zeros(
            4, n_values, dtype=torch.float64, device=weight.device
        )
        self._answers: list[Tensor] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the module while a block runs."""
        module = self._matrix.module
        assert module is not None
        handle = module.register_forward_hook(self._after_forward)
        try:
            yield
        finally:
            handle.remove()

    def start(self, mask: Tensor) -> None:
        """Get ready for a batch with this mask of real tokens, of shape (n_sequences, n_positions)."""
        self._mask, self._is_new = mask, True
        self._current = torch.zeros(len(mask), len(self._vectors), device=self._vectors.device)

    def finish_pass(self, *, is_probe: bool) -> None:
        """Add what one backward pass has brought."""
        exact, self._current = self._current.double(), torch.zeros_like(self._current)
        if is_probe:
            self._squares += exact.square().sum(dim=0)
            self._answers.append(exact @ self._deciles.double())
        else:
            self._first += exact.sum(dim=0)

    def response(self, n_scored: int, n_tokens: int, n_probes: int) -> Response:
        """Return the totals, per token or scored token."""
        return Response(
            energy=(self._energy / n_tokens).cpu().numpy(),
            mean=(self._mean / n_tokens).cpu().numpy(),
            first_order=(-self._first / n_scored).cpu().numpy(),
            second_order=(self._squares / (2 * n_scored * n_probes)).cpu().numpy(),
            answers=(torch.cat(self._answers) / (n_scored * n_probes) ** 0.5).cpu().numpy(),
            n_tokens=n_tokens,
        )

    def _after_forward(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Project the input, and ask for the output's gradient. A module that runs twice in a pass adds up."""
        self.n_batches += self._is_new
        self._is_new = False
        read = inputs[0].detach().float().flatten(end_dim=-2) * self._mask.reshape(-1, 1)
        if self._is_left:
            read = read @ self._matrix.read().float().T
        projected = read @ self._vectors.T
        self._energy += (projected * self._scale).square().sum(dim=0, dtype=torch.float64)
        self._mean += (projected * self._scale).sum(dim=0, dtype=torch.float64)
        output.register_hook(lambda gradient: self._after_backward(projected, gradient))

    def _after_backward(self, projected: Tensor, gradient: Tensor) -> None:
        rows = gradient.detach().float().flatten(end_dim=-2)
        rows = torch.cat([rows[:, part] for part in self._matrix.slot.rows], dim=1)
        if not self._is_left:
            rows = rows @ self._matrix.read().float()
        products = projected * (rows @ self._vectors.T)
        self._current += products.unflatten(0, self._mask.shape).sum(dim=1)


def _hooked_keys(matrices: Mapping[MatrixKey, LiveMatrix]) -> list[MatrixKey]:
    skipped = [key for key, matrix in matrices.items() if matrix.module is None]
    if skipped:
        print(
            f"{len(skipped)} matrices ({skipped[0]}, ...) are experts of a mixture, which see only the tokens "
            "routed to them; their damage is not predicted",
            file=sys.stderr,
        )
    return [key for key, matrix in matrices.items() if matrix.module is not None]


@contextmanager
def _differentiable(model: Any) -> Iterator[None]:
    """Let gradients flow through the activations of a model while a block runs, and none to its weights."""
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    model.requires_grad_(False)
    handle = model.get_input_embeddings().register_forward_hook(
        lambda module, inputs, output: output.requires_grad_(True)
    )
    try:
        with torch.enable_grad():
            yield
    finally:
        handle.remove()
        for parameter, before in wanted.items():
            parameter.requires_grad_(before)
