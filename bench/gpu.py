"""Every path that can run on a GPU: checked against the CPU in float64, and timed.

    python bench/gpu.py [--peers] [--record]
    python bench/gpu.py --device cpu --small      (tries this script where there is no GPU)

Needs torch and numpy; what needs transformers or pyarrow is left out, with a line
that says so, where they are missing. No downloads, no files. Exits with 1 if a
check fails.
"""

import argparse
import importlib.util
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from results import Row, cpu_name, in_turn, record, seconds, show

from weightspectra.activations.moments import Moments
from weightspectra.randomness.noise import shuffling
from weightspectra.spectra import svd

LLAMA_8B = ((4096, 4096), (1024, 4096), (1024, 4096), (4096, 4096), (14336, 4096), (14336, 4096), (4096, 14336))
"""Query, key, value, attention output, gate, up, down of one block."""


class Check(NamedTuple):
    """One comparison with the CPU."""

    what: str
    found: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the difference is small enough; not a number is not."""
        return self.found <= self.allowed


def main() -> None:
    """Check, time, print, and record if wanted."""
    options = arguments()
    if options.device != "cpu" and not torch.cuda.is_available():
        print(f"PyTorch {torch.__version__} sees no CUDA device here: trying the checks on the CPU, in small.")
        options.device, options.small, options.record = "cpu", True, False
    device = torch.device(options.device)
    checks = list(run_checks(device))
    cells = [(c.what, f"{c.found:.1e}", f"{c.allowed:.0e}", "ok" if c.passed else "FAILED") for c in checks]
    show(cells, headers=("check against the CPU in float64", "difference", "allowed", ""))
    print()
    rows = list(run_timings(device, options))
    show(rows)
    if options.record:
        record(rows, machine(device))
    sys.exit(0 if all(check.passed for check in checks) else 1)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny shapes, to try this script")
    parser.add_argument("--peers", action="store_true", help="also time torch.linalg.svd on the device; minutes")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="append the rows to bench/RESULTS.md")
    return parser.parse_args()


def machine(device: torch.device) -> str:
    """Name the device and the version that computes."""
    if device.type == "cpu":
        return f"{cpu_name(torch.get_num_threads())}, torch {torch.__version__}"
    return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, CUDA {torch.version.cuda}"


def run_checks(device: torch.device) -> Iterator[Check]:
    """Compare every path on the device with the CPU."""
    yield from check_decompositions(device)
    yield from check_moments(device)
    yield from check_truncation(device)
    yield from check_perplexity(device)


def check_decompositions(device: torch.device) -> Iterator[Check]:
    """Compare values, certificates and recomputed vectors, by every route."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"square": (256, 256), "wide": (192, 640), "tall": (640, 192)}
    matrices = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    matrices |= {f"condition {c:.0e}": conditioned(256, c, generator) for c in (1e4, 9e4, 1e8)}
    matrices["rank 20"] = torch.randn(128, 20, generator=generator) @ torch.randn(20, 256, generator=generator)
    matrices["zero"] = torch.zeros(32, 48)
    for name, matrix in matrices.items():
        here, there = svd.decompose(matrix.double()), svd.decompose(matrix.double(), device=device)
        largest = float(here.singular_values[0]) or 1.0
        error = (there.singular_values.cpu() - here.singular_values).abs()
        if here.route == "gram":
            yield Check(f"{name}: singular values, relative", float((error / here.singular_values).max()), 5e-12)
        else:
            yield Check(f"{name}: singular values over the largest", float(error.max()) / largest, 1e-13)
        yield Check(f"{name}: residual", there.residual, svd.RESIDUAL_LIMIT)
        worst = max(there.orthogonality_short, there.orthogonality_long)
        yield Check(f"{name}: orthogonality", worst, svd.ORTHOGONALITY_LIMIT)
        stored = here.short_vectors.float()
        both = [svd.long_side_vectors(matrix, stored, device=where) for where in ("cpu", device)]
        if here.condition < math.inf:
            yield Check(f"{name}: recomputed vectors", float((both[1].cpu() - both[0]).abs().max()), 1e-8)
    alone = svd.singular_values(matrices["wide"], device=device).cpu()
    expected = torch.linalg.svdvals(matrices["wide"].double())
    yield Check("wide: values alone, relative", float((alone / expected - 1).abs().max()), 1e-12)
    shuffles = [
        np.stack(shuffling.extremes(matrices["wide"].numpy(), 3, np.random.default_rng(1), device=where))
        for where in ("cpu", device)
    ]
    yield Check("wide: extremes of shuffles, relative", float(np.abs(shuffles[1] / shuffles[0] - 1).max()), 1e-10)


def conditioned(n: int, condition: float, generator: torch.Generator) -> torch.Tensor:
    """Draw a square float64 matrix whose singular values fall evenly on a logarithmic scale."""
    left, right = (torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0] for _ in range(2))
    return (left * torch.logspace(0, -math.log10(condition), n, dtype=torch.float64)) @ right


def check_moments(device: torch.device) -> Iterator[Check]:
    """Compare the one-pass covariance with two passes in float64."""
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randn(4096, 96, generator=generator) * torch.logspace(1, -2, 96) + 3
    moments = Moments(96, device=device)
    for batch in tokens.split(1000):
        moments.update(batch.to(device))
    expected = torch.cov(tokens.double().T, correction=0)
    error = torch.linalg.matrix_norm(moments.covariance.cpu() - expected) / torch.linalg.matrix_norm(expected)
    yield Check("covariance: Frobenius norm, relative", float(error), 1e-6)
    eigenvalues, _ = moments.eigenpairs()
    largest = torch.linalg.eigvalsh(expected).flip(0)
    yield Check(
        "covariance: eigenvalues over the largest", float((eigenvalues.cpu() - largest).abs().max() / largest[0]), 1e-6
    )


def check_truncation(device: torch.device) -> Iterator[Check]:
    """Compare a truncated matrix with the one the CPU makes."""
    if importlib.util.find_spec("pyarrow") is None:
        print("truncation: left out, pyarrow is not installed")
        return
    from weightspectra.ablation.edit.truncation import truncated

    weight = torch.randn(160, 96, generator=torch.Generator().manual_seed(3))
    chosen = svd.decompose(weight).short_vectors[:10].float()
    here, there = truncated(weight, chosen), truncated(weight.to(device), chosen.to(device)).cpu()
    yield Check("truncated matrix", float((here - there).abs().max()), 1e-6)
    nothing = truncated(weight.to(device), chosen[:0].to(device)).cpu()
    yield Check("truncated by nothing: bits that differ", float((nothing != weight).sum()), 0.0)


def check_perplexity(device: torch.device) -> Iterator[Check]:
    """Compare the log-likelihoods that a small random Llama gives on the device and in float64 on the CPU."""
    if importlib.util.find_spec("transformers") is None:
        print("perplexity: left out, transformers is not installed")
        return
    from weightspectra.ablation.measure.perplexity import window_nll

    windows = random_windows(n_windows=4, length=64)
    here = window_nll(random_llama(torch.float64), windows, batch_size=2)
    there = window_nll(random_llama(torch.float32).to(device), windows, batch_size=2)
    yield Check("log-likelihood in float32, relative", float(abs(there / here - 1).max()), 1e-5)


def random_llama(dtype: torch.dtype, width: int = 64, n_layers: int = 2):
    """Make a Llama with random weights, the same every time."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": n_layers}
    heads = {"num_attention_heads": max(width // 64, 2), "num_key_value_heads": max(width // 256, 1)}
    torch.manual_seed(4)
    return LlamaForCausalLM(LlamaConfig(vocab_size=512, **sizes, **heads)).to(dtype).eval()


def random_windows(n_windows: int, length: int):
    """Make windows of random tokens, all of them scored but the first."""
    from weightspectra.activations.windows import Window

    tokens = torch.randint(512, (n_windows, length), generator=torch.Generator().manual_seed(5))
    return [Window(str(index), row.tolist(), length - 1) for index, row in enumerate(tokens)]


def run_timings(device: torch.device, options: argparse.Namespace) -> Iterator[Row]:
    """Time the heavy work of the pipeline on the device."""
    shrink = 64 if options.small else 1
    settle = partial(torch.cuda.synchronize, device) if device.type == "cuda" else (lambda: None)
    once = partial(in_turn, settle=settle)

    def time(routes: dict[str, Callable[[], object]], repeats: int = options.repeats) -> dict[str, float]:
        once(routes, 1)  # warm up: libraries load and workspaces are made at the first call
        return once(routes, repeats)

    for n_out, n_in in ((4096, 4096), (4096, 14336)):
        weight = torch.randn(n_out // shrink, n_in // shrink, device=device)
        yield from time_decomposition(weight, time, options.peers)
    weights = [torch.randn(n_out // shrink, n_in // shrink) for n_out, n_in in LLAMA_8B]
    took = time({"ours": partial(decompose_layer, weights, device)}, 1)["ours"]
    yield Row("a block of Llama-8B: 7 matrices from and to the CPU", seconds(took), "", "", "")
    for dimension in (4096, 14336):
        tokens = torch.randn(4096 // shrink, dimension // shrink, device=device)
        moments = Moments(tokens.shape[1], device=device)
        took = time({"ours": partial(moments.update, tokens)})["ours"]
        what = f"covariance of {tokens.shape[1]} dimensions, {len(tokens)} tokens"
        yield Row(what, seconds(took), "", "", f"{len(tokens) / took:.3g} tokens a second")
    if importlib.util.find_spec("transformers"):
        yield time_perplexity(device, options.small, time)


def time_decomposition(weight: torch.Tensor, time: Callable[..., dict[str, float]], peers: bool) -> Iterator[Row]:
    """Time values and all vectors, values alone and, if wanted, torch's own decompositions."""
    took = time({"full": lambda: svd.decompose(weight), "alone": lambda: svd.singular_values(weight)})
    found = svd.decompose(weight)
    certificate = f"{found.route}: residual {found.residual:.0e}, orthogonality {found.orthogonality_long:.0e}"
    shape = "Gaussian {} x {}".format(*weight.shape)
    yield Row(f"{shape}: values and all vectors", seconds(took["full"]), "", "", certificate)
    yield Row(f"{shape}: values only", seconds(took["alone"]), "", "", "")
    if not peers:
        return
    driver = "gesvd" if weight.is_cuda else None
    for dtype in (torch.float32, torch.float64):
        theirs = {"theirs": partial(torch.linalg.svd, weight.to(dtype), full_matrices=False, driver=driver)}
        slow = time(theirs, 1)["theirs"]
        name = f"{seconds(slow)} (torch svd {str(dtype).removeprefix('torch.')}, {driver or 'gesdd'})"
        yield Row(
            f"{shape}: values and all vectors", seconds(took["full"]), name, f"{slow / took['full']:.2f}", certificate
        )


def decompose_layer(weights: list[torch.Tensor], device: torch.device) -> None:
    """Do what a decompose job does between reading and writing."""
    for weight in weights:
        found = svd.decompose(weight, device=device)
        found.short_vectors.float().cpu(), found.singular_values.cpu()


def time_perplexity(device: torch.device, small: bool, time: Callable[..., dict[str, float]]) -> Row:
    """Time the scoring of windows by a random Llama of 12 layers, in float32."""
    from weightspectra.ablation.measure.perplexity import window_nll

    width, n_layers, n_windows, length = (64, 2, 2, 32) if small else (2048, 12, 32, 1024)
    model, windows = random_llama(torch.float32, width, n_layers).to(device), random_windows(n_windows, length)
    took = time({"ours": partial(window_nll, model, windows, batch_size=8)}, 1)["ours"]
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    what = f"perplexity, random Llama of {size:.3g} million weights, {n_windows} windows of {length}, float32"
    return Row(what, seconds(took), "", "", f"{n_windows * length / took:.3g} tokens a second")


if __name__ == "__main__":
    main()
