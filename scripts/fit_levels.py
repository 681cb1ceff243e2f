"""Hold the spacings of a model's singular values against those of noise."""

import sys
from dataclasses import asdict

from weightspectra import contracts
from weightspectra.base import job, seeds
from weightspectra.randomness.noise import nulls
from weightspectra.randomness.spacings import level_tests
from weightspectra.randomness.spacings.unfolding import UNFOLDINGS, CannotUnfold

KEY = contracts.KEY_COLUMNS


def main(smk):
    """Write one row per matrix and unfolding; say which matrices have too few levels for one."""
    spectra = contracts.SPECTRA.read(smk.input.spectra, columns=["model", *KEY, "singular_values"])
    matrices = spectra.merge(contracts.BULK.read(smk.input.bulk).drop(columns="model"), on=KEY, validate="1:1")
    tables = nulls.tables(contracts.NULLS.read(smk.input.nulls))
    rows = []
    for matrix in matrices.itertuples():
        key = contracts.MatrixKey(matrix.layer, matrix.role, matrix.expert)
        sides = max(matrix.n_out, matrix.n_in), min(matrix.n_out, matrix.n_in)
        n_below = matrix.n_below_bound + matrix.n_below_floor
        noise = level_tests.Noise(*sides, n_below, matrix.n_above_bound, matrix.noise_std, matrix.rounding_floor)
        for unfolding in UNFOLDINGS:
            rng = seeds.generator(smk.params.seed, matrix.model, "levels", str(key), unfolding)
            try:
                found = level_tests.compare(matrix.singular_values, noise, unfolding, tables[sides], rng)
            except CannotUnfold as error:
                print(f"{matrix.model}, {key}: no levels by '{unfolding}': {error}", file=sys.stderr)
                continue
            rows.append({"model": matrix.model, **key._asdict(), **asdict(found)})
    contracts.LEVELS.write(rows, smk.output[0], job.stamp(smk))


if __name__ == "__main__":
    job.run(main, snakemake)
