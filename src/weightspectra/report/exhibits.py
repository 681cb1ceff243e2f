"""Every table and figure: the registry of what the chapters declare, in the order of the page."""

from typing import TYPE_CHECKING

from weightspectra.report.births import exhibits as births
from weightspectra.report.cuts import exhibits as cuts
from weightspectra.report.damage import exhibits as damage
from weightspectra.report.finetuning import exhibits as finetuning
from weightspectra.report.kit.exhibit import Entry, Exhibit
from weightspectra.report.published import exhibits as published
from weightspectra.report.spectra import exhibits as spectra

if TYPE_CHECKING:
    from weightspectra.config.configuration import Configuration

TABLES = {
    exhibit.kind: exhibit
    for chapter in (spectra, cuts, damage, finetuning, births, published)
    for exhibit in chapter.TABLES
}
"""From each kind of table to its declaration."""

FIGURES = {
    exhibit.kind: exhibit for chapter in (spectra, cuts, damage, finetuning, births) for exhibit in chapter.FIGURES
}
"""From each kind of figure to its declaration."""


def tables(configuration: "Configuration") -> dict[str, Entry]:
    """Return the tables that a configuration asks for: from the name of each to what it shows."""
    return _asked(TABLES, configuration)


def figures(configuration: "Configuration") -> dict[str, Entry]:
    """Return the figures that a configuration asks for: from the name of each to what it shows."""
    return _asked(FIGURES, configuration)


def _asked(kinds: dict[str, Exhibit], configuration: "Configuration") -> dict[str, Entry]:
    return {
        name: {"kind": kind, **entry}
        for kind, exhibit in kinds.items()
        for name, entry in exhibit.entries(configuration).items()
    }
