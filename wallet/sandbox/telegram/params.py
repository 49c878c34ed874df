"""Parameters of a Bot API call, however they came: query, JSON, form or multipart."""

import json
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from wallet.sandbox.telegram.values import RefusedError, bad_request

MAX_BODY_BYTES: Final = 20 * 1024 * 1024


@dataclass(frozen=True)
class Upload:
    filename: str
    content: bytes


@dataclass(frozen=True)
class Params:
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return "" if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        value = self.values.get(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise bad_request(f'parameter "{name}" must be an Integer') from error

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in {"true", "1", "yes"}

    def parsed(self, name: str) -> Any:
        """The value itself, or what its text says in JSON; None when absent."""
        value = self.values.get(name)
        if not isinstance(value, str) or value == "":
            return value or None
        try:
            return json.loads(value)
        except ValueError as error:
            raise bad_request(f"can't parse {name} JSON object") from error

    def upload(self, name: str) -> Upload | None:
        """The file given for `name`, directly or as attach://OTHER_NAME."""
        value = self.text(name)
        if value.startswith("attach://"):
            return self.files.get(value.removeprefix("attach://"))
        return self.files.get(name)

    def shown(self) -> dict[str, Any]:
        """For the list of calls: file contents as their size."""
        files = {name: f"<{len(file.content)} bytes>" for name, file in self.files.items()}
        return {**self.values, **files}


async def read_params(request: Request) -> Params:
    query = dict(request.query_params)
    body = await _body(request)
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    match kind.strip().lower():
        case "application/json":
            return Params({**query, **_json(body)})
        case "application/x-www-form-urlencoded":
            return Params({**query, **dict(parse_qsl(body.decode(), keep_blank_values=True))})
        case "multipart/form-data":
            given = _multipart(body, rest)
            return Params({**query, **given.values}, given.files)
        case _:
            return Params(query)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RefusedError(413, "Request Entity Too Large")
    return bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body or b"{}")
    except ValueError as error:
        raise bad_request("can't parse request JSON object") from error
    if not isinstance(values, dict):
        raise bad_request("expected a JSON object")
    return values


def _multipart(body: bytes, parameters: str) -> Params:
    boundary = parameters.partition("boundary=")[2].partition(";")[0].strip().strip('"')
    if not boundary:
        raise bad_request("boundary of the multipart body is missing")
    params = Params()
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:]:
        if part.startswith(b"--"):
            break
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesHeaderParser().parsebytes(head)
        name = str(headers.get_param("name", "", "content-disposition"))
        filename = headers.get_filename()
        if filename is None:
            params.values[name] = content.decode("utf-8", "replace")
        else:
            params.files[name] = Upload(filename, content)
    return params
