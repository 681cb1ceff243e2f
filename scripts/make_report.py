"""Writes the report's page and, for terminals, its findings."""

import sys
from pathlib import Path

from weightspectra.base import checksums, job
from weightspectra.report.kit import layout
from weightspectra.report.kit.exhibit import Named


def main(smk):
    """Delete tables and figures that are asked for no more; lay out the others, beside what was found."""
    results = Path(smk.output.page).parent
    for kind in ("tables", "figures"):
        shown = {Path(path).stem for path in getattr(smk.input, kind)}
        for name in checksums.remove_others(results / kind, shown):
            print(f"{kind}/{name}: deleted: the configuration asks for it no more", file=sys.stderr)
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
