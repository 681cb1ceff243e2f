"""Makes tables and figures as their jobs do, from data frames."""

from weightspectra.report import exhibits
from weightspectra.report.kit.exhibit import maker_of


def table_of(kind, data):
    """The table of this kind."""
    return maker_of(exhibits.TABLES[kind].maker)(data)


def drawing_of(entry, data):
    """The figure that an entry describes, and its title."""
    return maker_of(exhibits.FIGURES[entry["kind"]].maker)(entry, data)
