"""Collecting the moments of all layer inputs, against plain forward passes on the same batches.

    python bench/observe.py results/sources/minilm [--record]

Every route runs the model over the same random tokens. "Hooks only" touches
each input and computes nothing; "unshared" observes every matrix by itself
instead of each shared input once; "two passes" computes what the definition
says, in float64, and runs the model twice. Times are medians of alternating
runs in one process. The accuracy is the relative Frobenius error of the
covariances against those two passes.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from results import Row, add_timing_arguments, clock_of, finish, in_turn, seconds

from weightspectra.activations import collection
from weightspectra.activations.windows import Window
from weightspectra.models import devices, live, loading

EXPECTED = 2.3


def main() -> None:
    """Time the routes, print a table, and record it if wanted."""
    options = arguments()
    torch.set_num_threads(options.threads)
    device = devices.device(options.device)
    clock = clock_of(options)
    rows = compare(Path(options.model), device, options, clock)
    gpu = devices.name(device) if device.type == "cuda" else None
    finish(rows, options, f"torch {torch.__version__}", gpu)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="results/sources/minilm", help="folder of a model")
    parser.add_argument("--batches", type=int, default=4, help="forward passes (default 4)")
    parser.add_argument("--batch-size", type=int, default=16, help="sequences in a batch (default 16)")
    parser.add_argument("--window", type=int, default=256, help="tokens in a sequence (default 256)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or auto")
    add_timing_arguments(parser)
    return parser.parse_args()


def compare(folder: Path, device: torch.device, options: argparse.Namespace, clock) -> list[Row]:
    """Time every route; in every batch, some sequences are shorter and padded."""
    model = loading.load(folder, device=device)
    rng = np.random.default_rng(1)
    lengths = [options.window - 8 * (i // options.batches) for i in range(options.batches * options.batch_size)]
    sample = [Window("random", rng.integers(1000, model.config.vocab_size, n).tolist(), 0) for n in lengths]
    batches = [
        batch
        for first in range(options.batches)
        for batch in collection.batches_of(
            sample[first :: options.batches], options.batch_size, pad_id=0, device=device
        )
    ]
    modules = {key: matrix.module for key, matrix in live.matrices(model).items()}
    shared = collection.find_shared_inputs(model, modules, batches[0])
    alone = [
        collection.SharedInput(key, (key.role,), module, 1) for key, module in modules.items() if module is not None
    ]
    routes = {
        "plain forward pass": lambda: forward(model, batches),
        "hooks only": lambda: averages(model, shared, batches, lambda entry, inputs, mask: 0),
        "ours": lambda: collection.collect_moments(model, shared, batches, label="observe"),
        "unshared": lambda: collection.collect_moments(model, alone, batches, label="observe"),
        "two passes in float64": lambda: covariances_in_float64(model, shared, batches),
    }
    in_turn(routes, 1)  # warm up
    settle = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    times = in_turn(routes, options.repeats, clock, settle)
    error = largest_error(routes["ours"](), covariances_in_float64(model, shared, batches))
    ratio = times["ours"] / times["plain forward pass"]
    what = f"moments of {len(shared)} inputs of {folder.name}, {sum(lengths)} tokens"
    accuracy = f"covariances off by {error:.0e}; {ratio:.2f} times a plain pass, expected <= {EXPECTED}"
    return [
        Row(what, seconds(times["ours"]), f"{seconds(found)} ({route})", f"{found / times['ours']:.2f}", accuracy)
        for route, found in times.items()
        if route != "ours"
    ]


@torch.no_grad()
def forward(model: torch.nn.Module, batches: list[collection.Batch]) -> None:
    """Run the model and look at nothing."""
    for batch in batches:
        model(**batch)


@torch.no_grad()
def covariances_in_float64(
    model: torch.nn.Module, shared: list[collection.SharedInput], batches: list[collection.Batch]
) -> dict[collection.SharedInput, torch.Tensor]:
    """Compute every covariance in float64: one pass for the mean, a second for the products."""
    means = averages(model, shared, batches, lambda entry, inputs, mask: real(inputs, mask).sum(dim=0))

    def products(entry: collection.SharedInput, inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        centred = real(inputs, mask) - means[entry]
        return centred.T @ centred

    return averages(model, shared, batches, products)


def real(inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the inputs of the tokens that are not padding, in float64."""
    return collection.without_padding(inputs, mask).double()


@torch.no_grad()
def averages(
    model: torch.nn.Module, shared: list[collection.SharedInput], batches: list[collection.Batch], total
) -> dict[collection.SharedInput, torch.Tensor]:
    """Average a function of the inputs, given as its total over a batch, over all tokens."""
    found: dict[collection.SharedInput, torch.Tensor] = {}
    for batch in batches:
        mask = batch["attention_mask"].bool()

        def hook_for(entry: collection.SharedInput, mask: torch.Tensor = mask):
            def hook(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
                found[entry] = found.get(entry, 0) + total(entry, inputs[0], mask)

            return hook

        handles = [entry.module.register_forward_pre_hook(hook_for(entry)) for entry in shared]
        model(**batch)
        for handle in handles:
            handle.remove()
    n_tokens = sum(int(batch["attention_mask"].sum()) for batch in batches)
    return {entry: summed / n_tokens for entry, summed in found.items()}


def largest_error(collected: Mapping, exact: Mapping[collection.SharedInput, torch.Tensor]) -> float:
    """Return the largest relative Frobenius error."""
    return max(float((collected[entry].covariance - true).norm() / true.norm()) for entry, true in exact.items())


if __name__ == "__main__":
    main()
