"""What the settings of every wing are made of: closed, frozen sections, and the types of their values.

A field is described by the string below it; configuration.py composes the sections, and docs/configuration.md is made
from them.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T", bound=Hashable)


class Section(BaseModel):
    """A mapping of known keys: an unknown key is refused, and nothing changes once it is read.

    Of the keys in ``exactly_one`` one must be given, and only one. A key that may be left out is None then, and cannot
    be given so: an empty entry in YAML is a slip.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    exactly_one: ClassVar[tuple[str, ...]] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("empty", "found nothing; give it a value, or leave the key out")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in self.exactly_one if getattr(self, name) is not None]
        if self.exactly_one and len(given) != 1:
            found = ", ".join(given) or ("none of them" if self.model_fields_set else "nothing")
            raise PydanticCustomError(
                "exactly_one",
                "found {found}, expected exactly one of {known}",
                {"found": found, "known": ", ".join(self.exactly_one)},
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        if cls.exactly_one:
            handler.resolve_ref_schema(schema)["oneOf"] = [{"required": [name]} for name in cls.exactly_one]
        return schema

    def plain(self) -> dict[str, Any]:
        """Return the section as plain data with all its defaults, without the keys that are left out."""
        return self.model_dump(mode="json", exclude_none=True)


class Choice(Section):
    """A mapping of exactly one of its keys, which says what the value is."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.exactly_one = tuple(cls.model_fields)

    @property
    def kind(self) -> str:
        """The key."""
        return next(name for name in self.exactly_one if getattr(self, name) is not None)

    @property
    def value(self) -> Any:
        """What stands under it."""
        return getattr(self, self.kind)


@dataclass(frozen=True)
class Reference:
    """Marks a field that names entries of another section: a model, corpus, data set, task or birth."""

    noun: str


class EachOnce:
    """Marks a list that names nothing twice."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "uniqueItems": True}

    @staticmethod
    def check(values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Refuse a list that names something twice."""
        for place, value in enumerate(values):
            if value in values[:place]:
                raise PydanticCustomError("twice", "found {value} twice; name it once", {"value": repr(value)})
        return values


Several = Annotated[tuple[T, ...], Strict(False)]
"""A list."""

Distinct = Annotated[Several[T], EachOnce()]
"""A list that names nothing twice."""

Filled = Annotated[Several[T], Field(min_length=1), EachOnce()]
"""The same of one value at least."""

Pair = Annotated[tuple[T, T], Strict(False)]
"""A list of two."""

Names = Distinct[str]
SomeNames = Filled[str]

Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
    ),
]
"""What an entry is called: it becomes part of file names."""

Place = Annotated[str, AfterValidator(lambda path: str(Path(path).expanduser()) if path.startswith("~") else path)]
"""A path on this machine; ``~`` is the home folder."""

Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
AtLeastTwo = Annotated[int, Field(ge=2)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveNumber = Annotated[float, Field(gt=0)]
PartOfOne = Annotated[float, Field(ge=0, lt=1)]
Decile = Annotated[int, Field(ge=1, le=10)]
