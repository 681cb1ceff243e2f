"""Gather the conclusions of all subjects into one table, and write them for other programs."""

from weightspectra import contracts
from weightspectra.base import checksums, job
from weightspectra.base.atomic import replace_file
from weightspectra.conclusions import numbers, subjects


def main(smk):
    """Write all rows as Parquet and as JSON."""
    rows = subjects.in_order(contracts.FINDINGS.read(smk.input))
    contracts.FINDINGS.write(rows, smk.output.table, job.stamp(smk))
    with replace_file(smk.output.numbers) as stream:
        stream.write(numbers.to_json(rows).encode())
    checksums.write_sums([smk.output.numbers], smk.output.sha256)


if __name__ == "__main__":
    job.run(main, snakemake)
