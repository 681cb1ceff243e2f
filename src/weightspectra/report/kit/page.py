"""The report as one page of HTML that needs no other file, no script and no network."""

import base64
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import jinja2
import pandas as pd
import yaml

from weightspectra.report.findings.finding import Finding
from weightspectra.report.kit import wording
from weightspectra.report.kit.births import births_of
from weightspectra.report.kit.measurements import Measurements
from weightspectra.report.kit.rows import where

_TEXTS = ("corpus:", "characters:")
"""How the names of texts begin in a file's provenance."""


def render(
    template: str,
    *,
    title: str,
    data: Measurements,
    findings: Sequence[Finding],
    sections: Sequence[Mapping[str, Any]],
    tables: Sequence[Mapping[str, Any]],
    sources: pd.DataFrame,
    provenances: Sequence[Mapping[str, Any]],
    configuration: Mapping[str, Any],
    missing: Mapping[str, str] | None = None,
) -> str:
    """Fill the template.

    Parameters
    ----------
    template : str
        Jinja template of the page; everything is escaped on its way in.
    title : str
    data : Measurements
    findings : sequence of Finding
    sections : sequence of mapping
        As :func:`weightspectra.report.kit.layout.sections` gathers the figures.
    tables : sequence of mapping
        As :func:`weightspectra.report.kit.writers.to_json` tells of them.
    sources : DataFrame
        Rows of ``contracts.SOURCES`` of all models.
    provenances : sequence of mapping
        What every file that was read says of its making.
    configuration : mapping
        The whole configuration, shown as YAML.
    missing : mapping, optional
        From each table and figure that could not be made to the reason.

    Returns
    -------
    str
        The page. The same input gives the same text.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["data_uri"] = data_uri
    return environment.from_string(template).render(
        title=title,
        lead=_lead(data),
        notices=data.notices,
        findings=findings,
        sections=sections,
        tables=tables,
        missing=missing or {},
        models=_models(data, sources, provenances),
        corpora=_corpora(provenances),
        steps=_steps(provenances),
        versions=_versions(provenances),
        configuration=yaml.safe_dump(dict(configuration), sort_keys=False, allow_unicode=True, width=100),
    )


def data_uri(svg: bytes) -> str:
    """Return an SVG file as an address that holds the file itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _lead(data: Measurements) -> str:
    """Say what was looked at, in one sentence."""
    names = wording.listing([data.titles[model] for model in data.trained])
    n_values = int(data.bulk.loc[data.bulk["model"].isin(data.trained), "n_values"].sum())
    n_matrices = int(data.bulk["model"].isin(data.trained).sum())
    text = (
        f"{n_values:,} singular values of {n_matrices:,} weight matrices of {names}, held against random matrices, "
        "against the data, and against what removing them costs."
    )
    n_runs = sum(len(birth.seeds) for birth in births_of(data).values())
    if not n_runs:
        return text
    settings = f" with {wording.count(len(data.births), 'setting')}" if len(data.births) > 1 else ""
    return (
        f"{text} Beside them {wording.count(n_runs, 'small transformer')}{settings}, trained here on a task whose "
        "memories are known."
    )


def _models(
    data: Measurements, sources: pd.DataFrame, provenances: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    identities = _identities(provenances)["model"]
    found = []
    for model, title in data.titles.items():
        rows = data.bulk[data.bulk["model"] == model]
        if rows.empty:
            continue
        facts = {
            "name": model,
            **identities.get(model, {}),
            "storage": _storage(data, model),
            "matrices": f"{len(rows):,} in {rows['layer'].nunique()} layers: "
            + wording.roles(rows["role"])
            + f"; {int(rows['n_values'].sum()):,} singular values",
        }
        files = sources[sources["model"] == model].to_dict("records")
        found.append({"title": title, "facts": _facts(facts), "files": files})
    return found


def _storage(data: Measurements, model: str) -> str:
    """Name the formats of a model's weights and, if it is no random control, the rounding noise that they cause."""
    formats = ", ".join(sorted(set(data.matrices.loc[data.matrices["model"] == model, "dtype"])))
    for row in where(data.findings, {"claim": "rounding_coarse", "model": model}).to_dict("records"):
        noise = "unknown" if isnan(row["number"]) else f"{wording.percent(row['number'])} % of the norm"
        return f"{formats}; rounding noise {noise}"
    return formats


def _corpora(provenances: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """List texts: those that models read, and those whose characters others are trained on, equal ones once."""
    found = _identities(provenances)
    counted: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, identity in found["characters"].items():
        counted.setdefault(tuple(_facts(identity)), []).append(name)
    corpora = [(name, _facts(identity)) for name, identity in found["corpus"].items()]
    return [*corpora, *((f"characters of {wording.listing(names)}", list(facts)) for facts, names in counted.items())]


def _identities(provenances: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Collect what the files say about the models and texts that they come from, by kind.

    A corpus is named ``corpus:name`` there, and the text of a birth
    ``characters:name``, so that they may share a model's name.
    """
    found: dict[str, dict[str, Mapping[str, Any]]] = {"model": {}, "corpus": {}, "characters": {}}
    for provenance in provenances:
        for name, identity in provenance.get("sources", {}).items():
            kind, bare = name.split(":", 1) if name.startswith(_TEXTS) else ("model", name)
            found[kind].setdefault(bare, identity)
    return found


def _facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Spell names and values for people; leave out what is empty."""
    return [
        (
            name.replace("_", " "),
            value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True).strip(),
        )
        for name, value in values.items()
        if value not in (None, "", [], {})
    ]


def _steps(provenances: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """List each rule once for every code, configuration and subject, in the order in which they were read."""
    found = {}
    for provenance in provenances:
        sources = provenance.get("sources", {})
        subject = ", ".join(name.split(":", 1)[1] if name.startswith(_TEXTS) else name for name in sources)
        step = {
            "rule": str(provenance.get("rule", wording.NOTHING)),
            "subject": subject,
            "code": str(provenance.get("code", wording.NOTHING)),
            "config": str(provenance.get("config", wording.NOTHING)),
            "device": str(provenance.get("device", wording.NOTHING)),
        }
        found[tuple(step.values())] = step
    return list(found.values())


def _versions(provenances: Sequence[Mapping[str, Any]]) -> list[str]:
    """Spell the versions; several lines if not every file was made with the same ones."""
    lines = (
        ", ".join(f"{name} {number}" for name, number in provenance.get("versions", {}).items())
        for provenance in provenances
    )
    return [line for line in dict.fromkeys(lines) if line]
