"""Draws one figure as SVG and PNG, and writes the words that the page puts around it."""

import json

from weightspectra.base import checksums, job
from weightspectra.base.atomic import replace_file
from weightspectra.report.kit import style
from weightspectra.report.kit.exhibit import Named, maker_of, unescaped
from weightspectra.report.kit.measurements import Measurements


def main(smk):
    """Read what the figure shows; draw it."""
    named = Named(**smk.params.named).drawn
    data = Measurements.read(dict(smk.input.items()), named, drawn=smk.params.entry)
    title, figure = maker_of(smk.params.maker)(smk.params.entry, data)
    words = {"heading": smk.params.heading, "caption": smk.params.caption, "title": unescaped(title)}
    forms = {form: style.to_bytes(figure, form) for form in ("svg", "png")}
    forms["json"] = json.dumps(words, ensure_ascii=False, indent=1).encode()
    for form, content in forms.items():
        with replace_file(getattr(smk.output, form)) as stream:
            stream.write(content)
    checksums.write_sums([getattr(smk.output, form) for form in forms], smk.output.sha256)


if __name__ == "__main__":
    job.run(main, snakemake)
