"""One JSON call over HTTP, to the owner's Unix socket or an agent URL. Standard library only: it starts quickly."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from typing_extensions import override

from wallet.errors import (
    AuthError,
    Code,
    NotFoundError,
    RefusedError,
    UnavailableError,
    WalletError,
)

SECONDS: Final = 60.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask. ``headers`` may hold secrets and never appear in an error."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def target(self) -> str:
        given = {name: value for name, value in self.query.items() if value is not None}
        return f"{self.path}?{urlencode(given)}" if given else self.path


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket; the owner app knows itself as ``waiaas``."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("waiaas", timeout=timeout)
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def over_socket(path: str, call: Call, *, seconds: float = SECONDS) -> Json:
    """Ask the owner app. Raises the WalletError that it answered, or DAEMON_NOT_RUNNING."""
    return _exchange(_UnixConnection(path, seconds), call, path)


def over_url(base_url: str, call: Call, *, seconds: float = SECONDS) -> Json:
    """Ask the agent app behind ``base_url``."""
    url = urlsplit(base_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise RefusedError(
            Code.CONFIG_ERROR,
            "The address of the daemon must begin with http:// or https://.",
            hint="Set WAIAAS_BASE_URL, such as http://127.0.0.1:3100.",
        )
    make = HTTPSConnection if url.scheme == "https" else HTTPConnection
    return _exchange(make(url.hostname, url.port, timeout=seconds), call, base_url)


def _exchange(connection: HTTPConnection, call: Call, where: str) -> Json:
    body = None if call.body is None else json.dumps(call.body)
    headers = dict(call.headers)
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(call.method, call.target, body, headers)
        response = connection.getresponse()
        status, text = response.status, response.read()
    except (OSError, HTTPException) as error:
        raise UnavailableError(
            Code.DAEMON_NOT_RUNNING,
            f"The daemon does not answer at {where} ({type(error).__name__}).",
            hint="Start it with: waiaas start. What is wrong: waiaas doctor.",
        ) from None
    finally:
        connection.close()
    return _answer(status, text)


def _answer(status: int, text: bytes) -> Json:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = {"message": "The answer was not JSON; is this the daemon?"}
    if status < 400 and isinstance(found, dict):  # noqa: PLR2004 - HTTP: 4xx and 5xx are errors
        return found
    raise error_of(status, found if isinstance(found, dict) else {})


def error_of(status: int, body: Mapping[str, Any]) -> WalletError:
    """The daemon's flat error body as the error it was."""
    code = body.get("code")
    known = Code(code) if code in set(Code) else Code.INTERNAL_ERROR
    kinds: dict[int, type[WalletError]] = {401: AuthError, 404: NotFoundError}
    kind = kinds.get(status, UnavailableError if status >= 500 else RefusedError)  # noqa: PLR2004
    return kind(
        known,
        str(body.get("message") or f"The daemon answered {status}."),
        retryable=bool(body.get("retryable")),
        details=body.get("details"),
        hint=body.get("hint"),
    )
