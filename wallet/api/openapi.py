"""OpenAPI 3.1 from a route table and the very shapes that validate."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic.json_schema import models_json_schema

from wallet.api.routes import Answer, Call, Needs, Row
from wallet.wire.errors import ErrorView
from wallet.wire.shape import Shape

_PARAMETER = re.compile(r"{(\w+)}")
_SECURITY: Mapping[Needs, list[dict[str, list[str]]]] = {
    Needs.NOTHING: [],
    Needs.SESSION: [{"session": []}],
    Needs.SOCKET: [],
    Needs.OPERATION_PROVES: [],
    Needs.PASSWORD: [{"masterPassword": []}, {"ticket": []}],
    Needs.CURRENT_FACTOR: [
        {"masterPassword": [], "totpCode": []},
        {"ticket": [], "totpCode": []},
    ],
    Needs.PASSWORD_TO_LOOSEN: [
        {},
        {"masterPassword": [], "totpCode": []},
        {"ticket": [], "totpCode": []},
    ],
    Needs.TYPED_PASSWORD: [{"masterPassword": []}],
}
_SCHEMES = {
    "session": {"type": "http", "scheme": "bearer", "bearerFormat": "wai_sess_ and a JWT"},
    "masterPassword": {"type": "apiKey", "in": "header", "name": "X-Master-Password"},
    "ticket": {"type": "apiKey", "in": "header", "name": "X-Ticket"},
    "totpCode": {"type": "apiKey", "in": "header", "name": "X-TOTP-Code"},
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Unique per wallet, kept for ever. Without it nothing is de-duplicated.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "wait=N (at most 30): answer when the payment is terminal or waits.",
    "schema": {"type": "string"},
}


def openapi(title: str, version: str, rows: Sequence[Row]) -> dict[str, Any]:
    """The document. Bodies are shown as they are read, answers as they are written."""
    shapes = _shapes(rows)
    references, definitions = models_json_schema(
        shapes, ref_template="#/components/schemas/{model}"
    )
    named: dict[Any, Any] = {shape: schema for (shape, _), schema in references.items()}
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": _closed(definitions.get("$defs", {})),
            "securitySchemes": _SCHEMES,
            "responses": {"Error": _content("An error", named[ErrorView])},
        },
    }


class OpenApi:
    """Serves the document, made on the first request."""

    def __init__(self, title: str, version: str) -> None:
        self._title = title
        self._version = version
        self._rows: Sequence[Row] = ()
        self._text: bytes | None = None

    def describe(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Remember the table, which holds this route as well, and hand it on."""
        self._rows = rows
        return rows

    async def __call__(self, call: Call) -> Answer:  # noqa: ARG002
        if self._text is None:
            self._text = json.dumps(openapi(self._title, self._version, self._rows)).encode()
        return Answer(self._text)


def _shapes(
    rows: Iterable[Row],
) -> list[tuple[type[Shape], Literal["validation", "serialization"]]]:
    read = {row.body for row in rows if row.body} | {row.query for row in rows if row.query}
    written = {shape for row in rows for shape in row.answers} | {ErrorView}
    return [
        *((shape, "validation") for shape in _sorted(read)),
        *((shape, "serialization") for shape in _sorted(written)),
    ]


def _closed(node: Any) -> Any:
    """Keys that fit no pattern are refused, which pydantic's schema leaves out."""
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {name: _closed(one) for name, one in node.items()}
    return found | {"additionalProperties": False} if "patternProperties" in found else found


def _sorted(shapes: Iterable[type[Shape]]) -> list[type[Shape]]:
    return sorted(shapes, key=lambda shape: shape.__name__)


def _operation(row: Row, named: Mapping[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(row),
        "summary": row.summary,
        "security": _SECURITY[row.needs],
        "responses": {
            str(row.status): _content(row.summary, _one_of([named[a] for a in row.answers])),
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
    parameters = _parameters(row)
    if parameters:
        described["parameters"] = parameters
    if row.body is not None:
        described["requestBody"] = {
            "required": bool(row.body.model_json_schema().get("required")),
            "content": {"application/json": {"schema": named[row.body]}},
        }
    return described


def _one_of(schemas: Sequence[Any]) -> Any:
    if not schemas:
        return {}
    return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}


def _parameters(row: Row) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(row.path)
    ]
    if row.query is not None:
        properties = row.query.model_json_schema(by_alias=True)["properties"]
        found += [{"name": name, "in": "query", "schema": s} for name, s in properties.items()]
    return [*found, _IDEMPOTENCY, _PREFER] if row.idempotent else found


def _operation_id(row: Row) -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9]+", row.path) if word not in ("", "v1")]
    return row.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def _content(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
