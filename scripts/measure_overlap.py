"""Compare every right singular vector with the eigenvectors of its layer's input covariance."""

import numpy as np
import pandas as pd

from weightspectra import contracts
from weightspectra.activations import overlap
from weightspectra.base import job, progress
from weightspectra.spectra import svd
from weightspectra.spectra.rounding import numerical_rank


def main(smk):
    """Go through the observed inputs; each serves all the matrices that read it."""
    moments = contracts.MOMENTS.matrices(smk.input.moments)
    weights = contracts.WEIGHTS.matrices(smk.input.weights)
    vectors = contracts.VECTORS.matrices(smk.input.vectors)
    spectra = contracts.SPECTRA.read(smk.input.spectra).set_index(contracts.KEY_COLUMNS)
    names = {"model": smk.wildcards.model, "corpus": smk.wildcards.corpus}
    tables = []
    for observed in progress.track(moments, len(moments), f"overlap {smk.wildcards.model}", "inputs"):
        entry = moments[observed]
        for role in entry["roles"][0].split("+"):
            key = observed._replace(role=role)
            right = svd.vectors_of_side("right", weights[key]["values"], vectors[key]["values"]).numpy()
            values, floor = spectra.loc[tuple(key), ["singular_values", "rounding_floor"]]
            n = numerical_rank(values, floor)
            found = overlap.measure_overlaps(right[:n], entry["values"])
            low, median, high = overlap.null_band(right.shape[1])
            band = {"null_low": low, "null_median": median, "null_high": high}
            ranked = {"index": np.arange(n), "singular_value": values[:n]}
            tables.append(pd.DataFrame({**names, **key._asdict(), **ranked, **found._asdict(), **band}))
    contracts.OVERLAPS.write(pd.concat(tables, ignore_index=True), smk.output[0], job.stamp(smk))


if __name__ == "__main__":
    job.run(main, snakemake)
