"""The JSON schema of a configuration: what editors complete from, and what messages speak of."""

import ast
import functools
import inspect
import itertools
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from weightspectra.base.settings import Section
from weightspectra.config.configuration import Configuration

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Node = Mapping[str, Any]


class _ForEditors(GenerateJsonSchema):
    """Leaves out what only Python knows: None for a key that isn't there, and sections in full as defaults."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Describe a key that may be left out as if it had to be there: None cannot be given."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out defaults that are no plain value."""
        if schema.get("default") is None or isinstance(schema["default"], Section):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Describe names by ``propertyNames``, which editors understand better than ``patternProperties``."""
        found = super().dict_schema(schema)
        if "patternProperties" in found:
            [found["additionalProperties"]] = found.pop("patternProperties").values()
            found["propertyNames"] = self.generate_inner(schema["keys_schema"])
        return found

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Say no: a title would only repeat the key."""
        return False


@functools.cache
def json_schema() -> dict[str, Any]:
    """Return the schema of a configuration."""
    found = Configuration.model_json_schema(schema_generator=_ForEditors)
    kinds = _sections()
    for name, section in {Configuration.__name__: found, **found["$defs"]}.items():
        section.pop("title", None)
        for field, text in _descriptions(kinds[name]).items():
            section["properties"].get(field, {})["description"] = text
        for node in (section, *section["properties"].values()):
            if "description" in node:
                node["description"] = " ".join(node["description"].split())
    return {"$schema": DIALECT, "title": "weightspectra configuration", **found}


def _descriptions(section: type[Section]) -> dict[str, str]:
    """Return what the strings below the fields of a section say.

    Pydantic would read them from the source each time that settings are imported, and nobody asks for them then.
    """
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__[: section.__mro__.index(Section)]):
        [body] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(body, ast.ClassDef)
        for field, text in itertools.pairwise(body.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[name] = said
    return found


def _sections(kind: type[Section] = Section) -> dict[str, type[Section]]:
    """Return every kind of section by name."""
    below = {kind.__name__: kind for kind in kind.__subclasses__()}
    return below | {name: deeper for each in below.values() for name, deeper in _sections(each).items()}


def node_at(path: Iterable[str | int]) -> Node:
    """Return the schema of one place of a configuration, with its own description before that of its kind."""
    node = _resolved(json_schema())
    for step in path:
        if isinstance(step, int):
            node = _resolved(node["prefixItems"][step] if "prefixItems" in node else node.get("items", {}))
        else:
            node = _resolved(node.get("properties", {}).get(step) or node.get("additionalProperties") or {})
    return node


def _resolved(node: Any) -> Node:
    if not isinstance(node, Mapping) or "$ref" not in node:
        return node if isinstance(node, Mapping) else {}
    return {**json_schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]], **node}
