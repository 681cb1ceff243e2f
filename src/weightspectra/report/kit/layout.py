"""The report from its parts: findings, the files of tables and figures, and where every number comes from."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from weightspectra import contracts
from weightspectra.base.atomic import replace_file
from weightspectra.base.checksums import whole
from weightspectra.report.findings import telling
from weightspectra.report.findings.finding import Conclusions
from weightspectra.report.kit import page
from weightspectra.report.kit.births import births_of
from weightspectra.report.kit.exhibit import Named
from weightspectra.report.kit.measurements import Measurements

READ = ("matrices", "bulk", "findings")
"""What the page itself reads; of everything else that was measured it says where it came from."""


def write(
    path: str,
    findings_path: str,
    *,
    template: str,
    title: str,
    measurements: Mapping[str, Sequence[str]],
    tables: Sequence[str],
    figures: Sequence[str],
    named: Named,
    configuration: Mapping[str, Any],
    missing: Mapping[str, str] | None = None,
) -> None:
    """Write the page, and the findings for terminals.

    Parameters
    ----------
    path, findings_path : str
        Where to write them.
    template, title, configuration, missing
        As in :func:`weightspectra.report.kit.page.render`; of the template, its file.
    measurements : mapping
        From each kind of measurement, and from ``findings``, to its files.
    tables, figures : sequence of str
        The JSON files of the tables and figures to show, figures of one kind in a row; beside that of a figure lies
        its SVG file.
    named : Named

    Raises
    ------
    UserError
        When the file of a table or figure is not as its job has left it.
    """
    data = Measurements.read({kind: measurements[kind] for kind in READ}, named)
    found = telling.tell(Conclusions(data.findings, data.titles, data.controls, births_of(data), data.structured))
    html = page.render(
        Path(template).read_text(),
        title=title,
        data=data,
        findings=found,
        sections=sections(figures),
        tables=[json.loads(whole(table).read_text()) for table in tables],
        sources=contracts.SOURCES.read(list(measurements["sources"])),
        provenances=[
            contracts.read_provenance(file)
            for files in measurements.values()
            for file in files
            if file.endswith(".parquet")
        ],
        configuration=configuration,
        missing=missing,
    )
    for place, text in ((path, html), (findings_path, telling.to_markdown(found))):
        with replace_file(place) as stream:
            stream.write(text.encode())


def sections(figures: Sequence[str]) -> list[dict[str, Any]]:
    """Gather the figures of each kind under one heading, with one text on how to read them.

    Parameters
    ----------
    figures : sequence of str
        JSON files, beside each its SVG file.

    Returns
    -------
    list of dict
        ``heading``, ``caption`` and ``figures``, each of which has ``name``, ``title`` and ``svg``.
    """
    told = [(Path(figure), json.loads(whole(figure).read_text())) for figure in figures]
    found = []
    for heading, of_kind in groupby(told, key=lambda pair: pair[1]["heading"]):
        shown = list(of_kind)
        drawings = [
            {"name": path.stem, "title": words["title"], "svg": whole(path.with_suffix(".svg")).read_bytes()}
            for path, words in shown
        ]
        found.append({"heading": heading, "caption": shown[0][1]["caption"], "figures": drawings})
    return found
