"""Draws every figure as SVG and PNG."""

from weightspectra.base import job, progress
from weightspectra.base.atomic import replace_file
from weightspectra.report.kit import gallery, style
from weightspectra.report.kit.measurements import Measurements


def main(smk):
    """Read what is drawn; draw one figure after the other."""
    data = Measurements.read(
        dict(smk.input.items()),
        controls=smk.params.controls,
        titles=smk.params.titles,
        births=smk.params.births,
        figures=smk.params.figures.values(),
    )
    wanted = list(enumerate(smk.params.figures.values()))
    for number, figure in progress.track(wanted, len(wanted), "make_figures", unit="figures"):
        drawn = gallery.draw(figure, data)
        for form in ("svg", "png"):
            with replace_file(getattr(smk.output, form)[number]) as stream:
                stream.write(style.to_bytes(drawn, form))


if __name__ == "__main__":
    job.run(main, snakemake)
