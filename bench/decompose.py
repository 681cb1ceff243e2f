"""Values and all vectors of weight matrices: our route against full decompositions by LAPACK.

    python bench/decompose.py results/sources/minilm [--large] [--record]

Every route gets the same float32 matrix and returns all singular values and the
vectors of both sides; ours also measures its certificate. Times are medians of
alternating runs in one process. The error is the largest relative error of the
smallest singular value against LAPACK's gesdd in float64.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

import numpy as np
import scipy.linalg
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from results import Row, add_timing_arguments, clock_of, finish, in_turn, seconds

from weightspectra.spectra import svd

SMALL = ((1024, 1024), (1024, 4096), (2048, 2048))
LARGE = ((4096, 4096), (4096, 14336))
CONDITIONS = (1e4, 1e5)
BLOCK_WEIGHT = ".layer."


def main() -> None:
    """Run the cases asked for, print a table, and record it if wanted."""
    options = arguments()
    torch.set_num_threads(options.threads)
    clock = clock_of(options)
    rows = [row for name, matrices in cases(options) for row in compare(name, matrices, options.repeats, clock)]
    if options.large:
        rows += [row for shape in LARGE for row in compare_values(*shape, clock)]
    finish(rows, options, f"torch {torch.__version__}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="results/sources/minilm", help="folder with model.safetensors")
    parser.add_argument("--large", action="store_true", help="also 4096 x 4096 and 4096 x 14336, once each")
    parser.add_argument("--tiny", action="store_true", help="only a 96 x 128 matrix, to try this script")
    add_timing_arguments(parser)
    return parser.parse_args()


def cases(options: argparse.Namespace):
    """Yield the name and the matrices of each case."""
    rng = np.random.default_rng(1)
    if options.tiny:
        yield "Gaussian 96 x 128", [gaussian(96, 128, rng)]
        return
    weights = model_weights(Path(options.model) / "model.safetensors")
    yield f"{len(weights)} matrices of {Path(options.model).name}", weights
    for shape in SMALL:
        yield "Gaussian {} x {}".format(*shape), [gaussian(*shape, rng)]
    for condition in CONDITIONS:
        yield f"1024 x 1024, condition {condition:.0e}", [conditioned(1024, condition, rng)]


def model_weights(path: Path) -> list[np.ndarray]:
    """Read every 2-D weight of the blocks."""
    from safetensors.numpy import load_file

    return [tensor for name, tensor in load_file(path).items() if BLOCK_WEIGHT in name and tensor.ndim == 2]


def gaussian(n_out: int, n_in: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a matrix of independent entries."""
    return rng.standard_normal((n_out, n_in), dtype=np.float32)


def conditioned(n: int, condition: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a square matrix whose singular values fall evenly on a logarithmic scale."""
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return ((left * np.geomspace(1, 1 / condition, n)) @ right).astype(np.float32)


def compare(name: str, matrices: list[np.ndarray], repeats: int, clock) -> list[Row]:
    """Time every route over all matrices of a case."""
    tensors = [torch.from_numpy(matrix) for matrix in matrices]
    values: dict[str, list[float]] = {}

    def run(route: str, smallest):
        return lambda: values.__setitem__(route, [float(smallest(tensor)) for tensor in tensors])

    full = {"full_matrices": False}
    routes = {
        "ours": run("ours", lambda w: svd.decompose(w).singular_values[-1]),
        "torch float32": run("torch float32", lambda w: torch.linalg.svd(w, **full)[1][-1]),
        "torch float64": run("torch float64", lambda w: torch.linalg.svd(w.double(), **full)[1][-1]),
        "numpy float64": run("numpy float64", lambda w: np.linalg.svd(w.double().numpy(), **full)[1][-1]),
    }
    in_turn(routes, 1)  # warm up
    times = in_turn(routes, repeats, clock)
    expected = [scipy.linalg.svd(w.double().numpy(), compute_uv=False)[-1] for w in tensors]
    error = {
        route: max(abs(found / true - 1) for found, true in zip(values[route], expected, strict=True))
        for route in routes
    }
    return [
        Row(
            f"{name}: values and all vectors",
            seconds(times["ours"]),
            f"{seconds(times[route])} ({route} svd)",
            f"{times[route] / times['ours']:.2f}",
            f"smallest value off by {error['ours']:.0e}, theirs {error[route]:.0e}",
        )
        for route in routes
        if route != "ours"
    ]


def compare_values(n_out: int, n_in: int, clock) -> list[Row]:
    """Compare large matrices once: ours with and without vectors, torch's float32 with, WeightWatcher without."""
    weight = torch.from_numpy(gaussian(n_out, n_in, np.random.default_rng(2)))
    found: dict[str, float] = {}

    def ours_full() -> None:
        found["values and all vectors"] = float(svd.decompose(weight).singular_values[-1])

    def ours_values() -> None:
        found["values only"] = float(svd.singular_values(weight)[-1])

    def torch_full() -> None:
        found["torch"] = float(torch.linalg.svd(weight, full_matrices=False)[1][-1])

    their_name, their_values = weightwatcher_route(weight, found)
    routes = {"full": ours_full, "values": ours_values, "torch": torch_full, "theirs": their_values}
    times = in_turn(routes, 1, clock)
    expected = found.pop("reference")
    error = {name: abs(value / expected - 1) for name, value in found.items()}
    shape = f"Gaussian {n_out} x {n_in}"

    def row(ours: str, what: str, theirs: str, their_time: float, their_note: str) -> Row:
        accuracy = f"smallest value off by {error[what]:.0e}{their_note}"
        ratio = f"{their_time / times[ours]:.2f}"
        return Row(f"{shape}: {what}", seconds(times[ours]), f"{seconds(their_time)} ({theirs})", ratio, accuracy)

    note = f", theirs {error['torch']:.0e}"
    return [
        row("full", "values and all vectors", "torch float32 svd", times["torch"], note),
        row("full", "values and all vectors", f"{their_name}, values only", times["theirs"], ""),
        row("values", "values only", f"{their_name}, values only", times["theirs"], ""),
    ]


def weightwatcher_route(weight: torch.Tensor, found: dict[str, float]):
    """Return WeightWatcher's analysis if it is installed, otherwise the decomposition that it makes."""

    def scipy_values() -> None:
        found["reference"] = float(scipy.linalg.svd(weight.double().numpy(), compute_uv=False)[-1])

    if importlib.util.find_spec("weightwatcher") is None:
        return "scipy.linalg.svd float64, as WeightWatcher 0.7.7 calls it", scipy_values
    import weightwatcher

    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    watcher = weightwatcher.WeightWatcher(model=torch.nn.Sequential(layer))
    scipy_values()
    return f"WeightWatcher {weightwatcher.__version__} analyze()", watcher.analyze


if __name__ == "__main__":
    main()
