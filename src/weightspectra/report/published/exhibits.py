"""The exhibit of published numbers, beside what is found here."""

from typing import TYPE_CHECKING

from weightspectra.report.kit.exhibit import Entry, Exhibit

if TYPE_CHECKING:
    from weightspectra.config.configuration import Configuration


def _published(configuration: "Configuration") -> dict[str, Entry]:
    return {"published": {"models": list(configuration.models)}} if configuration.report.published else {}


TABLES = (
    Exhibit(
        "published",
        "published.published_table:beside_published",
        ("bulk", "evaluations", "sources", "published"),
        _published,
    ),
)
