"""What enters the first block that a cut touches, kept from one cut to the next.

The blocks before the first touched one compute the same for every cut of it.
Their last output is kept for each batch, and given again instead of running
them: the blocks that do run get the same bits, so the results have the same
bits. Cuts that come sorted by their first layer use each state as long as it
is of use; states of earlier layers are then let go.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from weightspectra.models.families.registry import family_of

LIMIT = 2**30
"""Bytes that kept hidden states may take: what does not fit is computed again."""


class Prefix:
    """The hidden states that enter some blocks, for each batch.

    Those of one block take 4 bytes (in float32) times the tokens of all batches
    times the hidden dimension, on the model's device; all together never more
    than ``LIMIT``.

    Parameters
    ----------
    layers : sequence of int
        Blocks at which runs will begin: their states are kept as soon as a run
        passes by. Without, they are kept when a run first asks for its layer.
    """

    def __init__(self, layers: Sequence[int] = ()) -> None:
        self._layers = set(layers)
        self._kept: dict[int, dict[int, Any]] = {}
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
            No block before it has changed since the first call; for an
            untouched model the number of its blocks.
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
        kept = self._kept.setdefault(number, {})
        start = max((layer for layer in kept if layer <= first_layer), default=0)
        for layer in [layer for layer in kept if layer < start]:
            del kept[layer]
        wanted = {layer for layer in {first_layer, *self._layers} if start < layer <= min(first_layer, len(blocks) - 1)}
        with ExitStack() as stack:
            for block in blocks[:start]:
                stack.enter_context(forward_replaced(block, lambda *_, **__: _copy(kept[start])))
            for layer in wanted:
                stack.enter_context(self._recorded(blocks[layer - 1], kept, layer))
            found = run()
        if start and self._state == "unchecked":
            found = self._checked(found, run())
        return found

    @contextmanager
    def _recorded(self, block: nn.Module, kept: dict[int, Any], layer: int) -> Iterator[None]:
        own = block.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            output = own(*args, **kwargs)
            held = sum(_n_bytes(state) for states in self._kept.values() for state in states.values())
            if held + _n_bytes(output) <= LIMIT:
                kept[layer] = _copy(output)
            return output

        with forward_replaced(block, forward):
            yield

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
    pattern = family_of(model.config.to_dict()).block
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
