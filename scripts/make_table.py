"""Writes one table as CSV, Markdown and LaTeX, and what the page shows of it."""

from weightspectra.base import checksums, job
from weightspectra.base.atomic import replace_file
from weightspectra.report.kit import writers
from weightspectra.report.kit.exhibit import Named, maker_of
from weightspectra.report.kit.measurements import Measurements

FORMS = {"csv": writers.to_csv, "md": writers.to_markdown, "tex": writers.to_latex, "json": writers.to_json}


def main(smk):
    """Read what the table shows; write it in every form."""
    data = Measurements.read(dict(smk.input.items()), Named(**smk.params.named))
    table = maker_of(smk.params.maker)(data)
    for form, write in FORMS.items():
        with replace_file(getattr(smk.output, form)) as stream:
            stream.write(write(table).encode())
    checksums.write_sums([getattr(smk.output, form) for form in FORMS], smk.output.sha256)


if __name__ == "__main__":
    job.run(main, snakemake)
