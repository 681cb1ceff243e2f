"""Writes the report's page and, for terminals, its findings."""

from weightspectra.base import checksums, job
from weightspectra.report.kit import layout
from weightspectra.report.kit.exhibit import Named


def main(smk):
    """Lay out the tables and figures, beside what was found."""
    parts = {"tables", "figures", "drawings", "template"}
    layout.write(
        smk.output.page,
        smk.output.findings,
        template=smk.input.template,
        title=smk.params.title,
        measurements={kind: files for kind, files in smk.input.items() if kind not in parts},
        tables=smk.input.tables,
        figures=smk.input.figures,
        named=Named(**smk.params.named),
        configuration=smk.params.config,
    )
    checksums.write_sums([smk.output.page, smk.output.findings], smk.output.sha256)


if __name__ == "__main__":
    job.run(main, snakemake)
