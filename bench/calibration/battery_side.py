"""Runs the whole battery on one model, in a process of its own, and says what each rule cost.

    python battery_side.py real FOLDER SOURCE     every matrix of a fetched model, SOURCE being its table of files
    python battery_side.py noise FOLDER N_OUT N_IN [N_DRAWS]   one matrix of noise

These are the pipeline's own scripts, files included, one after the other with one thread. FOLDER takes
what they write. Tables of noise are made first, in the first of two calls for the same folder.
Prints one line of JSON: the processor time of each rule in seconds, the number of matrices, and the
largest memory that the process held, in GB. With "nulls" as the last word it stops after the tables.
"""

import hashlib
import importlib
import json
import resource
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import numpy as np
import torch

from weightspectra import contracts
from weightspectra.models import number_formats
from weightspectra.randomness.settings import Randomness

MODEL, PART, SEED = "model", "00-of-01", 1
PREPARATION = ("extract_weights", "simulate_nulls")
RULES = ("decompose", "fit_bulk", "fit_levels", "score_vectors", "measure_tails", "map_information")
HEAD_SIZE = 128


class Files(list):
    """Files by position and by name, as a script gets them."""

    def __init__(self, **named: str):
        super().__init__(named.values())
        self.__dict__.update(named)


class Params(dict):
    """Parameters by name and as items, as a script gets them."""

    __getattr__ = dict.__getitem__


def main() -> None:
    """Prepare, run every rule, report."""
    torch.set_num_threads(1)
    kind, folder, *words = sys.argv[1:]
    only_nulls = words[-1] == "nulls"
    folder, words = Path(folder), words[: len(words) - only_nulls]
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(words[0]) if kind == "real" else folder / "source.parquet"
    settings = Randomness().plain()
    if kind == "noise":
        n_out, n_in, *n_draws = map(int, words)
        write_noise(folder, n_out, n_in, source)
        if n_draws:
            settings |= {"n_spectra": n_draws[0], "n_vectors": 1000}
    preparation = [rule for rule in PREPARATION if kind == "real" or rule != "extract_weights"]
    rules = preparation if only_nulls else [*preparation, *RULES]
    taken = {rule: seconds_of(job(rule, folder, source, settings)) for rule in rules}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    n_matrices = len(contracts.MATRICES.read(folder / "matrices.parquet", columns=["layer"]))
    print(json.dumps({"seconds": taken, "n_matrices": n_matrices, "peak_gb": peak}))


def seconds_of(smk: SimpleNamespace) -> float:
    """Run a rule's script and return the processor time that it took; importing it does not count."""
    script = importlib.import_module(smk.rule)
    print(f"{smk.rule} ...", file=sys.stderr, flush=True)
    start = time.process_time()
    script.main(smk)
    return time.process_time() - start


def job(rule: str, folder: Path, source: Path, settings: dict[str, float]) -> SimpleNamespace:
    """Return what Snakemake would hand to a rule's script."""

    def files(*names: str, **renamed: str) -> Files:
        paths = {name: str(folder / f"{name}.parquet") for name in names}
        return Files(**paths, **{name: str(folder / f"{made}.parquet") for name, made in renamed.items()})

    fetched = Files(source=str(source))
    inputs, outputs = {
        "extract_weights": (fetched, files("weights", "matrices")),
        "simulate_nulls": (with_source(files("matrices"), source), files("nulls")),
        "decompose": (files("weights", "matrices"), files("spectra", "vectors")),
        "fit_bulk": (without_shuffles(files("spectra", "matrices", "nulls")), files("bulk")),
        "fit_levels": (files("spectra", "bulk", "nulls"), files("levels")),
        "score_vectors": (
            with_source(files("weights", "spectra", "vectors", "nulls"), source),
            files(vectors="vector_tests", heads="head_tests"),
        ),
        "measure_tails": (files("spectra", "matrices", "bulk"), files("tails")),
        "map_information": (files("spectra", "bulk", vectors="vector_tests"), files("information", "cleaning")),
    }[rule]
    wildcards = Params(model=MODEL, part=PART)
    params = Params(**settings, code="calibration", seed=SEED, device="cpu", fused_split="interleaved")
    return SimpleNamespace(rule=rule, input=inputs, output=outputs, wildcards=wildcards, params=params, threads=1)


def with_source(inputs: Files, source: Path) -> Files:
    """Add the table of the model's files to a rule's inputs."""
    return Files(**vars(inputs), source=str(source))


def without_shuffles(inputs: Files) -> Files:
    """Say that shuffled spectra were not asked for."""
    inputs.permutations = []
    return inputs


def write_noise(folder: Path, n_out: int, n_in: int, source: Path) -> None:
    """Write a model that is one matrix of noise, as its extraction would; its role has every test."""
    key = contracts.MatrixKey(0, "attention_output")
    rng = np.random.default_rng(SEED)
    values = 0.02 * rng.standard_normal((n_out, n_in), dtype=np.float32)
    with contracts.WEIGHTS.matrix_writer(folder / "weights.parquet", {}) as writer:
        writer.write(key, values)
    row = {"model": MODEL, **key._asdict(), "n_out": n_out, "n_in": n_in, "tensor": "noise", "dtype": "float32"}
    row |= {"rounding_std": 1e-10, **number_formats.moments(values), "sha256": hashlib.sha256(values).hexdigest()}
    contracts.MATRICES.write([row], folder / "matrices.parquet", {})
    contracts.SOURCES.write([], source, {})
    config = source.with_suffix("")
    shutil.rmtree(config, ignore_errors=True)
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"model_type": "bert", "num_attention_heads": n_in // HEAD_SIZE}))


if __name__ == "__main__":
    main()
