"""The settings of births, typed. Only what shows births imports this, since other exhibits do without their library."""

from weightspectra.birth.settings import Birth
from weightspectra.report.kit.measurements import Measurements


def births_of(data: Measurements) -> dict[str, Birth]:
    """Return the settings of the births that are shown, by name."""
    return {name: Birth.model_validate(settings) for name, settings in data.births.items()}
