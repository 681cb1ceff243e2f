"""From files and Snakemake's merged dictionary to a configuration that can be run."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from weightspectra.config import contradictions, messages, references
from weightspectra.config.configuration import Configuration
from weightspectra.config.messages import ConfigurationError

MERGE = "tag:yaml.org,2002:merge"


def resolve(given: Mapping[str, Any], files: Iterable[str | Path] = ()) -> Configuration:
    """Check a configuration and return it with its defaults.

    Parameters
    ----------
    given : mapping
        What the files say together.
    files : paths
        The YAML files it was read from, which are looked into for keys that are there twice.

    Raises
    ------
    ConfigurationError
        Names every key that stands twice, every unknown key (with the nearest known one), wrong type or value; if
        there is none, every reference to an entry that is not there; or else every contradiction.
    """
    twice = [line for file in files for line in repeated_keys(file)]
    try:
        configuration = Configuration.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError([*twice, *messages.told(error)]) from None
    faults = twice or list(references.loose(configuration)) or list(contradictions.found(configuration))
    if faults:
        raise ConfigurationError(faults)
    return configuration


def read(file: str | Path) -> Configuration:
    """Return the configuration of one file."""
    return resolve(yaml.load(Path(file).read_bytes(), yaml.CSafeLoader), [file])


def repeated_keys(file: str | Path) -> Iterator[str]:
    """Yield a line for each key that stands twice in one mapping of a file, of which YAML would take the last."""
    try:
        root = yaml.compose(Path(file).read_bytes(), yaml.CSafeLoader)
    except yaml.YAMLError:
        return  # Snakemake has read it otherwise, as JSON
    yield from (f"{file}, {line}" for line in _repeated(root))


def _repeated(node: Any) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[Hashable, int] = {}
        for key, value in node.value:
            name, line = key.value, key.start_mark.line + 1
            if key.tag != MERGE and isinstance(name, str) and name in lines:
                yield f"line {line}: the key '{name}' is there twice, first in line {lines[name]}; keep one of them"
            elif isinstance(name, str):
                lines[name] = line
            yield from _repeated(value)
