"""The evaluate_cuts script on a tiny Llama, in this process or in one that can be killed."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from filled import filled

from weightspectra import contracts

EXPERIMENT = {
    "models": ["tiny"],
    "corpus": "prose",
    "metrics": ["perplexity"],
    "tasks": [],
    "probes": [],
    "window": 32,
    "stride": 32,
    "n_windows": 6,
    "batch_size": 4,
    "bos": True,
    "dtype": "float32",
    "cuts": [
        {"remove": {"region": ["below"]}, "scope": "all"},
        {"remove": {"deciles": [1, 10]}, "scope": "matrix"},
    ],
}
TEXT = "The state of the union is strong, and it grows stronger with every year that passes. "


class Inputs(list):
    """Named inputs that can also be iterated, as Snakemake's can."""

    def __init__(self, **named):
        super().__init__(path for paths in named.values() for path in ([paths] if isinstance(paths, str) else paths))
        self.__dict__.update(named)


class Params(SimpleNamespace):
    """Named parameters with ``items``, as Snakemake's have."""

    def items(self):
        return vars(self).items()


def job(folder, experiment=EXPERIMENT, **inputs):
    """Return what Snakemake would hand to the script; the inputs lie in ``folder``."""
    names = {"corpus": ["corpus"], "spectra": ["spectra"], "vectors": ["vectors"], "bulk": ["bulk"]}
    names |= {"information": [], "moments": [], "tasks": [], "data_sets": [], **inputs}
    files = {name: [str(folder / f"{file}.parquet") for file in found] for name, found in names.items()}
    return SimpleNamespace(
        input=Inputs(source=str(folder / "tiny.parquet"), **files),
        output=[str(folder / "evaluations" / "tiny" / "test.parquet")],
        wildcards=Params(model="tiny", experiment="test"),
        params=Params(
            code="c", seed=1, device="cpu", remote_code=False, fused_split="interleaved", experiment=experiment
        ),
        rule="evaluate_cuts",
        threads=1,
        log=[str(folder / "log")],
    )


def write_inputs(folder, model):
    """Write everything that the script reads, apart from the model's own files."""
    from weightspectra.models import live

    sources = {"sources": {"tiny": {"revision": "r"}}}
    contracts.SOURCES.write([], folder / "tiny.parquet", {})
    texts = [("observe", "old", "never scored"), *(("evaluate", f"speech {i}", TEXT * (i + 1)) for i in range(4))]
    rows = [{"corpus": "prose", "part": part, "document": name, "text": text} for part, name, text in texts]
    contracts.CORPUS.write(rows, folder / "corpus.parquet", sources)
    spectra, bulk = [], []
    with contracts.VECTORS.matrix_writer(folder / "vectors.parquet", sources) as vectors:
        for key, matrix in live.matrices(model).items():
            weight = matrix.read().double().numpy()
            left, values, right = np.linalg.svd(weight, full_matrices=False)
            short_side = "left" if weight.shape[0] <= weight.shape[1] else "right"
            vectors.write(key, (left.T if short_side == "left" else right).astype(np.float32))
            known = {"model": "tiny", **key._asdict(), "n_out": len(weight), "n_in": weight.shape[1]}
            spectra.append(filled(contracts.SPECTRA, **known, short_side=short_side, singular_values=values))
            bulk.append(filled(contracts.BULK, **known, n_above=2, n_below=1, n_values=len(values)))
    contracts.SPECTRA.write(spectra, folder / "spectra.parquet", sources)
    contracts.BULK.write(bulk, folder / "bulk.parquet", sources)


def note_starts(path):
    """Add a line to a file whenever a measurement starts."""
    from weightspectra.ablation.measure import evaluation

    measure = evaluation._measure

    def noted(*args):
        with open(path, "a") as stream:
            stream.write("started\n")
        return measure(*args)

    evaluation._measure = noted


if __name__ == "__main__":
    import evaluate_cuts

    torch.set_num_threads(1)
    note_starts(Path(sys.argv[1]) / "started")
    evaluate_cuts.main(job(Path(sys.argv[1])))
