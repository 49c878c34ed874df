"""Bytes to validated bodies: every mistake at once, and nothing that two parsers read differently."""

import json
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.types import Receive

from wallet.errors import Code, InputError, bad_field
from wallet.wire.shape import Shape, issues_of

S = TypeVar("S", bound=Shape)

# Where a body has several mistakes, the first of these that occurs names the answer.
_SPECIFIC = (Code.UNSUPPORTED_TYPE, Code.INVALID_AMOUNT, Code.INVALID_MEMO)


class DisconnectedError(Exception):
    """The caller hung up before its body was complete."""


async def read(receive: Receive) -> bytes:
    """The whole body. Its size is bounded by the guard before us."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts = [body]
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        parts.append(message.get("body", b""))
    return b"".join(parts)


# No body of ours comes near it. The parser nests on the C stack, where a library that raises Python's recursion
# limit (py_ecc does, on import) turns a body of brackets into a crash of the process.
MOST_BRACKETS = 500


def parse(shape: type[S], body: bytes) -> S:
    """``body`` as ``shape``; InputError with every issue. An empty body counts as ``{}``.

    The object is validated, not its text: on text pydantic lets a key pass that is the name of a field
    whose alias differs, and a misspelt limit would be no limit.
    """
    found = _plain_object(body or b"{}")
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        raise _refusal(error) from None


def parse_query(shape: type[S], query: bytes) -> S:
    """A query string as ``shape``; repeated and unknown names are refused."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20
        )
        return shape.model_validate(_unique(pairs))
    except ValidationError as error:
        raise _refusal(error) from None
    except ValueError:
        raise bad_field("query", "is not well formed") from None


def _plain_object(body: bytes) -> dict[str, Any]:
    """Refuse what is no JSON object, repeats a key, or holds NaN: readers disagree about those."""
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS:
        raise bad_field("body", "is nested too deeply")
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode(
                "utf-8"
            )  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise bad_field("body", "is not well-formed JSON without repeated keys") from None
    if not isinstance(value, dict):
        raise bad_field("body", "must be a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated key")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refusal(error: ValidationError) -> InputError:
    issues = issues_of(error)
    kinds = {found["type"] for found in error.errors(include_url=False, include_input=False)}
    code = next((code for code in _SPECIFIC if code.value in kinds), Code.VALIDATION_ERROR)
    message = "; ".join(f"{issue['path']}: {issue['message']}" for issue in issues[:3])
    return InputError(code, message, details={"issues": issues[:50]})
