"""Writes every table as CSV, Markdown and LaTeX."""

from weightspectra.base import job
from weightspectra.base.atomic import replace_file
from weightspectra.report.kit import tables, writers
from weightspectra.report.kit.measurements import Measurements

FORMS = {"csv": writers.to_csv, "md": writers.to_markdown, "tex": writers.to_latex}


def main(smk):
    """Read every measurement; write one table after the other."""
    data = Measurements.read(
        dict(smk.input.items()), controls=smk.params.controls, titles=smk.params.titles, births=smk.params.births
    )
    for number, name in enumerate(smk.params.tables):
        table = tables.make(name, data)
        for form, write in FORMS.items():
            with replace_file(getattr(smk.output, form)[number]) as stream:
                stream.write(write(table).encode())


if __name__ == "__main__":
    job.run(main, snakemake)
