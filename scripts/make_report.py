"""Writes the report's page and, for terminals, its findings."""

from pathlib import Path

from weightspectra import contracts
from weightspectra.base import job
from weightspectra.base.atomic import replace_file
from weightspectra.report.findings import telling
from weightspectra.report.findings.finding import Conclusions
from weightspectra.report.kit import gallery, page, tables
from weightspectra.report.kit.measurements import Measurements


def main(smk):
    """Find what matters, and lay it out."""
    data = Measurements.read(
        dict(smk.input.items()), controls=smk.params.controls, titles=smk.params.titles, births=smk.params.births
    )
    conclusions = contracts.FINDINGS.read(smk.input.findings)
    found = telling.tell(Conclusions(conclusions, data.titles, data.controls, data.births))
    captions = {Path(path).stem: Path(path).read_text().strip() for path in smk.input.captions}
    drawn = [Path(path).read_bytes() for path in smk.input.figures]
    html = page.render(
        Path(smk.input.template).read_text(),
        title=smk.params.title,
        data=data,
        findings=found,
        sections=gallery.sections(smk.params.figures, drawn, captions, data),
        tables=[tables.make(name, data) for name in smk.params.tables],
        sources=contracts.SOURCES.read(smk.input.sources),
        provenances=[contracts.read_provenance(path) for path in smk.input if path.endswith(".parquet")],
        configuration=smk.params.config,
    )
    for path, text in ((smk.output.page, html), (smk.output.findings, telling.to_markdown(found))):
        with replace_file(path) as stream:
            stream.write(text.encode())


if __name__ == "__main__":
    job.run(main, snakemake)
