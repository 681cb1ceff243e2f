"""Draw the conclusions of one file from what was measured."""

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.conclusions import subjects


def main(smk):
    """Write one row per conclusion."""
    rows = subjects.conclude(smk.wildcards.subject, dict(smk.input.items()), smk.params.told)
    contracts.FINDINGS.write(rows, smk.output[0], job.stamp(smk))


if __name__ == "__main__":
    job.run(main, snakemake)
