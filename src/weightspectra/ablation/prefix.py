"""What enters the first block that a cut touches, kept from one cut to the next.

The blocks before the first touched one compute the same for every cut of it.
Their last output is kept for each batch, and given again instead of running
them: the blocks that do run get the same bits, so the results have the same
bits. Cuts that come sorted by their first layer move the place forward, and the
blocks between the old place and the new one run once more.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from weightspectra.models import families

LIMIT = 2**30
"""Bytes that kept hidden states may take: batches beyond it run in full."""


class Prefix:
    """The hidden states that enter one block, for each batch.

    They take 4 bytes (in float32) times the tokens of all batches times the
    hidden dimension, on the model's device, and never more than ``LIMIT``.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, Any]] = {}
        self._n_bytes = 0
        self._state = "unchecked"

    def run(self, model: Any, number: int, first_layer: int, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Run a model's decoder on one batch.

        The first result that comes out of kept states is compared with that of
        the whole model. If a single bit differs (the model is no chain of
        blocks), nothing is kept any more, and a line says so.

        Parameters
        ----------
        model : transformers model
        number : int
            Of the batch: equal numbers stand for equal inputs.
        first_layer : int
            No block before it has changed since the first call.
        run : callable
            Runs the decoder on the batch and returns its hidden states.

        Returns
        -------
        Tensor
            What ``run`` returns, to the last bit.
        """
        blocks = blocks_of(model) if first_layer and self._state != "useless" else []
        if not blocks:
            return run()
        layer, output = self._kept.get(number, (0, None))
        layer = layer if layer <= first_layer else 0
        with ExitStack() as stack:
            for block in blocks[:layer]:
                stack.enter_context(forward_replaced(block, lambda *_, **__: _copy(output)))
            if layer < first_layer:
                stack.enter_context(self._recorded(blocks[first_layer - 1], number, first_layer))
            found = run()
        if layer and self._state == "unchecked":
            found = self._checked(found, run())
        return found

    @contextmanager
    def _recorded(self, block: nn.Module, number: int, layer: int) -> Iterator[None]:
        own = block.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            output = own(*args, **kwargs)
            self._keep(number, layer, output)
            return output

        with forward_replaced(block, forward):
            yield

    def _keep(self, number: int, layer: int, output: Any) -> None:
        replaced = _n_bytes(self._kept[number][1]) if number in self._kept else 0
        if self._n_bytes - replaced + _n_bytes(output) <= LIMIT:
            self._n_bytes += _n_bytes(output) - replaced
            self._kept[number] = layer, _copy(output)

    def _checked(self, found: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        same = bool(torch.isclose(found, whole, rtol=0, atol=0, equal_nan=True).all())
        self._state = "checked" if same else "useless"
        if not same:
            self._kept.clear()
            print(
                "the layers of this model are no simple chain: each cut runs through the whole model, "
                "which takes longer and gives the same numbers",
                file=sys.stderr,
            )
        return whole


def blocks_of(model: Any) -> list[nn.Module]:
    """Return the blocks of a model in their order; none if their numbers are not 0, 1, 2, ..."""
    pattern = families.of(model.config.to_dict()).block
    found: dict[int, nn.Module] = {}
    for name, module in model.named_modules():
        match = pattern.search(f"{name}.")
        if match and match.end() == len(name) + 1 and match.groupdict().keys() == {"layer"}:
            found[int(match["layer"])] = module
    return [found[number] for number in sorted(found)] if sorted(found) == list(range(len(found))) else []


@contextmanager
def forward_replaced(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Give one module another ``forward`` while a block runs."""
    own = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def _copy(output: Any) -> Any:
    """Copy a block's output, in which a later block may write; of a tuple its first entry, the hidden states."""
    return (output[0].clone(), *output[1:]) if isinstance(output, tuple) else output.clone()


def _n_bytes(output: Any) -> int:
    return (output[0] if isinstance(output, tuple) else output).nbytes
