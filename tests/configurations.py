"""Changes configurations, and completes them as the workflow does."""

import copy
from pathlib import Path

import yaml

from weightspectra.config.reading import resolve

ROOT = Path(__file__).parents[1]
TASKS = yaml.safe_load("""
models:
  one: {source: {path: /models/one}}
data_sets:
  films: {source: {path: films.tsv}}
tasks:
  films: {data_set: films, prompt: "{text}\\nIt is"}
  long: {name: ruler, tokenizer: one, metadata: {max_seq_lengths: [4096]}}
""")
"""Tasks of both kinds: of a data set of the configuration, and with a tokenizer of it."""
BIRTHS = yaml.safe_load("""
models:
  last: {title: Trained, source: {birth: {birth: base, seed: 0, iteration: 400}}, parts: 2}
  middle: {source: {birth: {birth: base, seed: 0, iteration: 100}}}
  first: {source: {birth: {birth: base, seed: 0, iteration: 0}}}
  other: {source: {birth: {birth: base, seed: 1, iteration: 0}}}
births:
  base: {title: Base, seeds: [0, 1, 3], training: {frozen_until: {layers.0.attention.key.weight: 90}}}
  wide: {like: base, model: {dimension: 256}}
  full: {like: base, model: {kind: full}, training: {frozen_until: {}}}
""")
"""Births that inherit, and checkpoints of one and of its initialisation as models."""


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
