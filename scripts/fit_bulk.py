"""Fit the Marchenko-Pastur law to every spectrum of a model."""

from dataclasses import asdict
from math import inf

from weightspectra import contracts, job
from weightspectra.spectra import marchenko_pastur

KEPT = ("model", "layer", "role", "expert", "n_out", "n_in", "rounding_floor")


def main(smk):
    """Write one row per matrix."""
    rows = []
    for matrix in contracts.SPECTRA.read(smk.input).itertuples():
        kept = {name: getattr(matrix, name) for name in KEPT}
        fitted = marchenko_pastur.fit(matrix.singular_values, matrix.n_out, matrix.n_in)
        n_below_floor, _ = marchenko_pastur.count_outside(matrix.singular_values, matrix.rounding_floor, inf)
        rows.append({**kept, **asdict(fitted), "n_below_floor": n_below_floor})
    contracts.BULK.write(rows, smk.output[0], job.stamp(smk))


if __name__ == "__main__":
    job.run(main, snakemake)
