"""Changes configurations, and completes them as the workflow does."""

import copy
from pathlib import Path

from weightspectra.config.reading import resolve

ROOT = Path(__file__).parents[1]


def complete(config, files=()):
    """Return a configuration with its defaults, as plain data."""
    return resolve(config, files).plain()


def with_value(config, path, value):
    """Return a copy of a configuration with one value replaced or added; steps of the path are joined by slashes."""
    config = copy.deepcopy(config)
    *folders, name = path.split("/")
    place = config
    for folder in folders:
        place = place[int(folder)] if isinstance(place, list) else place.setdefault(folder, {})
    place[int(name) if isinstance(place, list) else name] = value
    return config
