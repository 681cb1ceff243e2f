"""Runs a model over windows of text and collects the moments of its layers' inputs."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from weightspectra.activations.moments import Moments
from weightspectra.activations.windows import Window
from weightspectra.base.errors import UserError
from weightspectra.base.journal import check_complete
from weightspectra.base.progress import track
from weightspectra.contracts import ROLES, MatrixKey

Batch = Mapping[str, torch.Tensor]
"""``input_ids`` and ``attention_mask``, both of shape (n_sequences, n_positions)."""

N_DISCOVERY = 8
"""Tokens of the discovery pass, few because it holds every input of every layer at once."""

PreHook = Callable[[nn.Module, tuple[torch.Tensor, ...]], None]


@dataclass(frozen=True)
class SharedInput:
    """One input that several weight matrices of a layer read.

    Parameters
    ----------
    key : MatrixKey
        The first of the matrices that read it, in the order of ``contracts.ROLES``.
    roles : tuple of str
        All roles that read it, in that order.
    module : Module
        The module of ``key``, where the input is hooked.
    n_calls : int
        How often the module runs in one forward pass (more than once where
        blocks share their weights).
    """

    key: MatrixKey
    roles: tuple[str, ...]
    module: nn.Module
    n_calls: int


def batches_of(
    windows: Sequence[Window], batch_size: int, *, pad_id: int, device: torch.device | str = "cpu"
) -> list[Batch]:
    """Group windows into batches, long ones first so that little is padded; padding stands on the right.

    Parameters
    ----------
    windows : sequence of Window
    batch_size : int
        Windows per batch; the last batch may hold fewer.
    pad_id : int
        The token to pad with; any will do, for padding is masked.
    device : torch.device or str
    """
    by_length = sorted(windows, key=lambda window: -len(window.input_ids))
    batches: list[Batch] = []
    for start in range(0, len(by_length), batch_size):
        rows = [torch.tensor(window.input_ids) for window in by_length[start : start + batch_size]]
        masks = [torch.ones_like(row) for row in rows]
        batches.append(
            {
                "input_ids": nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_id).to(device),
                "attention_mask": nn.utils.rnn.pad_sequence(masks, batch_first=True).to(device),
            }
        )
    return batches


def find_shared_inputs(
    model: nn.Module, modules: Mapping[MatrixKey, nn.Module | None], batch: Batch
) -> list[SharedInput]:
    """Find out, in one forward pass, which matrices read the same input.

    Two inputs are the same when they are one tensor object, not changed in
    between. Nothing is compared by value.

    Parameters
    ----------
    model : Module
    modules : mapping from MatrixKey to Module or None
        The matrices of interest, with the module whose input each multiplies.
        Those without one (experts of a mixture) cannot be observed; a line on
        standard error says so.
    batch : Batch
        Any; only the first tokens of its first sequence are used.

    Returns
    -------
    list of SharedInput
        Ordered by layer and role.

    Raises
    ------
    UserError
        When a module does not take part in the forward pass.
    """
    _report_unhooked(modules)
    hooked = {key: module for key, module in modules.items() if module is not None}
    seen: dict[nn.Module, list[tuple[int, int]]] = {module: [] for module in hooked.values()}
    kept_alive = []  # an id is unique among living objects only

    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        kept_alive.append(inputs[0])
        seen[module].append((id(inputs[0]), inputs[0]._version))

    with torch.no_grad(), _hooked(seen, note):
        model(**{name: tokens[:1, :N_DISCOVERY] for name, tokens in batch.items()})
    groups: dict[tuple[Any, ...], list[MatrixKey]] = {}
    for key in sorted(hooked, key=lambda key: (key.layer, ROLES.index(key.role))):
        if not seen[hooked[key]]:
            raise UserError(f"{key} takes no part in the model's forward pass, so that its input cannot be observed")
        groups.setdefault((key.layer, *seen[hooked[key]]), []).append(key)
    return [
        SharedInput(keys[0], tuple(key.role for key in keys), hooked[keys[0]], len(seen[hooked[keys[0]]]))
        for keys in groups.values()
    ]


def collect_moments(
    model: nn.Module, shared_inputs: Sequence[SharedInput], batches: Sequence[Batch], *, label: str
) -> dict[SharedInput, Moments]:
    """Collect the moments of layer inputs over all tokens that are not padding.

    Each forward pass ends when the last wanted input has been seen, so that
    the first blocks of a model do not pay for the later ones.

    Parameters
    ----------
    model : Module
    shared_inputs : sequence of SharedInput
    batches : sequence of Batch
        On the model's device.
    label : str
        What the progress lines call this work.

    Returns
    -------
    dict from SharedInput to Moments
        In the order given.

    Raises
    ------
    UserError
        When an input holds a value that is not finite, or did not see all tokens; names the layer.
    """
    observer = _Observer(sum(shared.n_calls for shared in shared_inputs))
    with torch.no_grad(), _hooked([shared.module for shared in shared_inputs], observer):
        for batch in track(batches, len(batches), label, "batches"):
            observer.expect(batch["attention_mask"].bool())
            try:
                model(**batch)
            except _EverythingSeen:
                continue
    n_tokens = sum(int(batch["attention_mask"].sum()) for batch in batches)
    check_complete(
        f"{label}: layer inputs with their number of tokens",
        [(str(shared.key), observer.n_tokens(shared.module)) for shared in shared_inputs],
        [(str(shared.key), shared.n_calls * n_tokens) for shared in shared_inputs],
    )
    collected = {shared: observer.totals[shared.module] for shared in shared_inputs}
    for shared, moments in collected.items():
        if not torch.isfinite(moments.mean).all():
            raise UserError(
                f"{shared.key}: its inputs hold values that are not finite; the model overflows or its weights are bad"
            )
    return collected


def without_padding(inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the input vectors of the real tokens, one per row.

    Parameters
    ----------
    inputs : tensor of shape (n_sequences, n_positions, n_in), or with the first two dimensions flattened
    mask : bool tensor of shape (n_sequences, n_positions)
        True for a token, False for padding.

    Returns
    -------
    tensor of shape (n_tokens, n_in)
    """
    if inputs.shape[:-1] not in (mask.shape, (mask.numel(),)):
        raise ValueError(f"inputs of shape {tuple(inputs.shape)} do not fit a mask of shape {tuple(mask.shape)}")
    return inputs.reshape(mask.numel(), -1)[mask.reshape(-1)]


class _EverythingSeen(Exception):
    """Ends a forward pass in which all wanted inputs have been seen."""


class _Observer:
    """A hook that adds what a module reads to the module's moments."""

    def __init__(self, n_calls: int):
        self.totals: dict[nn.Module, Moments] = {}
        self._n_calls = n_calls

    def expect(self, mask: torch.Tensor) -> None:
        """Get ready for one forward pass with this mask."""
        self._mask = mask
        self._calls_left = self._n_calls

    def n_tokens(self, module: nn.Module) -> int:
        """Return how many input vectors of a module were seen."""
        return self.totals[module].n_tokens if module in self.totals else 0

    def __call__(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        vectors = without_padding(inputs[0], self._mask)
        if module not in self.totals:
            self.totals[module] = Moments(vectors.shape[1], vectors.device)
        self.totals[module].update(vectors)
        self._calls_left -= 1
        if not self._calls_left:
            raise _EverythingSeen


@contextmanager
def _hooked(modules: Iterable[nn.Module], hook: PreHook) -> Iterator[None]:
    """Call a hook before each of these modules runs."""
    handles = [module.register_forward_pre_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _report_unhooked(modules: Mapping[MatrixKey, nn.Module | None]) -> None:
    skipped = [key for key, module in modules.items() if module is None]
    if skipped:
        print(
            f"{len(skipped)} matrices ({skipped[0]}, ...) are experts of a mixture, which see only the tokens "
            "routed to them; their inputs are not observed",
            file=sys.stderr,
        )
