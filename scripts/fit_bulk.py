"""Hold every spectrum of a model against noise: the Marchenko-Pastur law, and what leaves it at both ends."""

from weightspectra import contracts
from weightspectra.base import job, progress
from weightspectra.randomness import bulk
from weightspectra.randomness.noise import nulls

KEY = contracts.KEY_COLUMNS
NAMES = ("model", *KEY, "n_out", "n_in")
ENTRIES = ("row_mean_squares", "column_mean_squares", "excess_kurtosis")


def main(smk):
    """Write one row per matrix."""
    spectra = contracts.SPECTRA.read(smk.input.spectra)
    entries = contracts.MATRICES.read(smk.input.matrices, columns=[*KEY, *ENTRIES]).set_index(KEY)
    tables = nulls.tables(contracts.NULLS.read(smk.input.nulls))
    shuffled = contracts.PERMUTATIONS.read(smk.input.permutations).set_index(KEY) if smk.input.permutations else None
    rows = []
    for matrix in progress.track(spectra.itertuples(), len(spectra), f"fit {smk.wildcards.model}"):
        key = matrix.layer, matrix.role, matrix.expert
        measured = bulk.measure(
            matrix.singular_values,
            matrix.n_out,
            matrix.n_in,
            level=smk.params.level,
            rounding_floor=matrix.rounding_floor,
            null_draws=tables[max(matrix.n_out, matrix.n_in), min(matrix.n_out, matrix.n_in)],
            shuffled=None if shuffled is None else shuffled.loc[key, ["largest", "smallest"]].to_dict(),
            **entries.loc[key].to_dict(),
        )
        rows.append({name: getattr(matrix, name) for name in NAMES} | measured)
    contracts.BULK.write(rows, smk.output[0], job.stamp(smk))


if __name__ == "__main__":
    job.run(main, snakemake)
