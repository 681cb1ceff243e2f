"""Measure norms, ranks and power-law tails of every spectrum of a model."""

import sys
from dataclasses import asdict

from weightspectra import contracts
from weightspectra.base import job, progress
from weightspectra.randomness import tails

KEY = contracts.KEY_COLUMNS
NOISE = ["noise_std", "bound_lower", "bound_upper"]


def main(smk):
    """Write one row per matrix, and name those that no power law fits."""
    spectra = contracts.SPECTRA.read(smk.input.spectra)
    bulk = contracts.BULK.read(smk.input.bulk, columns=[*KEY, *NOISE, "n_below_floor"])
    matrices = spectra.merge(bulk, on=KEY, validate="1:1")
    rows = []
    for matrix in progress.track(matrices.itertuples(), len(matrices), f"measure tails of {smk.wildcards.model}"):
        key = contracts.MatrixKey(matrix.layer, matrix.role, matrix.expert)
        values, shape = matrix.singular_values, {"n_out": matrix.n_out, "n_in": matrix.n_in}
        n_lost, kept = matrix.n_below_floor, values[: len(values) - matrix.n_below_floor]
        law = tails.power_law(kept**2)
        if not law.num_pl_spikes:
            print(f"{matrix.model}, {key}: too few singular values for a power law", file=sys.stderr)
        exponents, errors = tails.hill(values**2, n_lost)
        rows.append(
            {"model": matrix.model, **key._asdict(), **shape}
            | asdict(law)
            | tails.alpha_norms(kept**2, law.alpha)
            | {"hill": exponents[0], "hill_error": errors[0], "hill_local": exponents}
            | asdict(tails.norms(values, **shape, rounding_floor=matrix.rounding_floor))
            | asdict(tails.signal(values, **shape, **{name: getattr(matrix, name) for name in NOISE}, n_lost=n_lost))
        )
    contracts.TAILS.write(rows, smk.output[0], job.stamp(smk))


if __name__ == "__main__":
    job.run(main, snakemake)
