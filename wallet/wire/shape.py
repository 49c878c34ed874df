"""What every JSON shape has in common: strict, frozen, no unknown keys, camelCase on the wire."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_SHOWN = 60
_NUMBER = re.compile(r"[0-9]{1,15}")


class Shape(BaseModel):
    """A body as it travels. Fields are snake_case here and camelCase on the wire, nowhere both."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )


class View(Shape):
    """An answer: built by field name, written in camelCase."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False)


class Query(Shape):
    """A query string. Values arrive as text, so numbers say how they are read."""


def _whole(text: Any) -> int:
    if not isinstance(text, str) or _NUMBER.fullmatch(text) is None:
        raise ValueError("must be a whole number")
    return int(text)


# In a query string. It stands behind the bounds, so that those are the number's own and the OpenAPI shows them.
READ_WHOLE = BeforeValidator(_whole)
WHOLE_MAX = 10**15 - 1
WholeNumber = Annotated[int, Field(ge=0, le=WHOLE_MAX), READ_WHOLE]


class Describes:
    """Marks an object that is parsed later: the OpenAPI shows what may stand in it."""

    def __init__(self, *bodies: type[BaseModel]) -> None:
        self._bodies = bodies

    def __get_pydantic_json_schema__(
        self,
        schema: CoreSchema,
        handler: GetJsonSchemaHandler,
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(body.__pydantic_core_schema__) for body in self._bodies]}


def issues_of(error: ValidationError) -> list[dict[str, str]]:
    """Every mistake as ``{path, message}``; never the value itself, which may be a secret."""
    return [
        {"path": _path(found["loc"]), "message": _sentence(found)}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _path(location: Sequence[int | str]) -> str:
    return ".".join(str(part)[:_SHOWN] for part in location) or "body"


def _sentence(found: Any) -> str:
    if found["type"] == "extra_forbidden":
        return "unknown key"
    if found["type"] == "missing":
        return "is missing"
    message: str = found["msg"]
    return message.removeprefix("Value error, ")
