"""Runs scikit-rmt's denoiser on matrices in a file; for a Python that has it, which cannot be this project's.

    python scikit_rmt_side.py matrices.npz median|mp_fit

Its Marchenko-Pastur principal component analysis takes a stack of images. A matrix is a stack of as many
as its short side, each with as many pixels as its long side; the values above the edge that it reports
count as found. Prints one line of JSON as ``weightwatcher_side.py`` does.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
from skrmt.denoise import MarchenkoPasturPCADenoiser


def main() -> None:
    """Fit every matrix and count."""
    file, estimator = sys.argv[1:]
    matrices = np.load(file)
    found, start = {}, time.process_time()
    for name in matrices.files:
        matrix = matrices[name].astype(np.float64)
        wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        denoiser = MarchenkoPasturPCADenoiser(sigma_estimator=estimator).fit(wide[:, None, :])
        squares = np.linalg.svd(wide / wide.shape[1] ** 0.5, compute_uv=False) ** 2
        found[name] = int((squares > denoiser.lambda_plus_).sum())
    print(json.dumps({"found": found, "seconds": time.process_time() - start, "version": version("scikit-rmt")}))


if __name__ == "__main__":
    main()
