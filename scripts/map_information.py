"""Map what noise does not explain in every matrix of a model, and clean its spectra of noise."""

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.randomness import cleaning, information

KEY = contracts.KEY_COLUMNS
BULK = ["noise_std", "bound_lower", "bound_upper"]
TESTS = ["side", "index", "p_value"]


def main(smk):
    """Write one row per matrix and region, and one row per matrix with the cleaned values."""
    bulk = contracts.BULK.read(smk.input.bulk, columns=[*KEY, *BULK])
    tests = contracts.VECTOR_TESTS.read(smk.input.vectors, columns=[*KEY, *TESTS])
    sides = tests.pivot(index=[*KEY, "index"], columns="side", values="p_value")
    sides = sides.reindex(columns=["left", "right"])
    tested = set(sides.index.droplevel("index"))
    information_rows, cleaning_rows = [], []
    for matrix in contracts.SPECTRA.read(smk.input.spectra).merge(bulk, on=KEY, validate="1:1").itertuples():
        key = contracts.MatrixKey(matrix.layer, matrix.role, matrix.expert)
        named, values = {"model": matrix.model, **key._asdict()}, matrix.singular_values
        pairs = sides.loc[tuple(key)] if tuple(key) in tested else sides.iloc[:0]
        p_values = cleaning.combine_sides(pairs["left"], pairs["right"])
        outliers = (values < matrix.bound_lower) | (values > matrix.bound_upper)
        for region in information.REGIONS:
            ranks = information.region_ranks(len(values), region, len(pairs))
            share = information.share(p_values[ranks], outliers[ranks])
            information_rows.append({**named, "region": region, **share._asdict()})
        found = cleaning.clean(values, p_values, matrix.noise_std, matrix.n_out, matrix.n_in)
        cleaning_rows.append({**named, **found._asdict()})
    stamp = job.stamp(smk)
    contracts.INFORMATION.write(information_rows, smk.output.information, stamp)
    contracts.CLEANING.write(cleaning_rows, smk.output.cleaning, stamp)


if __name__ == "__main__":
    job.run(main, snakemake)
