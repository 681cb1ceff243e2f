"""Runs WeightWatcher on matrices in a file; for a Python that has it, which need not be this project's.

    python weightwatcher_side.py matrices.npz [randomize=1 vectors=1 ...]

Prints one line of JSON: for each matrix, by name, the spikes that it reports (if asked for mp_fit=1), its version,
and the processor time of the analysis alone.
"""

import json
import sys
import time

import numpy as np
import torch
import weightwatcher


def main() -> None:
    """Analyse every matrix as the weight of a linear layer."""
    file, *words = sys.argv[1:]
    options = {name: value == "1" for name, value in (word.split("=") for word in words)}
    matrices = np.load(file)
    model = torch.nn.Sequential()
    for name in matrices.files:
        n_out, n_in = matrices[name].shape
        layer = torch.nn.Linear(n_in, n_out, bias=False)
        layer.weight.data = torch.from_numpy(matrices[name].astype(np.float32))
        model.append(layer)
    watcher = weightwatcher.WeightWatcher(model=model)
    start = time.process_time()
    details = watcher.analyze(**options)
    seconds = time.process_time() - start
    details = details.sort_values("layer_id")
    if len(details) != len(matrices.files):
        sys.exit(f"WeightWatcher analysed {len(details)} of {len(matrices.files)} layers")
    spikes = details["num_spikes"].tolist() if "num_spikes" in details else [None] * len(details)
    report = {"seconds": seconds, "version": weightwatcher.__version__}
    print(json.dumps({**report, "found": dict(zip(matrices.files, spikes, strict=True))}))


if __name__ == "__main__":
    main()
