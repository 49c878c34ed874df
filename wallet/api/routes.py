"""What a route is: one table row that serves the call and describes it in the OpenAPI."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, TypeVar, get_args

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from wallet.api import bodies
from wallet.api.operations import Operations
from wallet.domain.sessions import Session
from wallet.domain.wallets import Wallet
from wallet.errors import AuthError, Code, NotFoundError
from wallet.wire.shape import Shape

KEY = "waiaas.call"
S = TypeVar("S", bound=Shape)
_IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Needs(StrEnum):
    """What a caller must show."""

    NOTHING = "NOTHING"
    SESSION = "SESSION"  # agent app: a session token
    SOCKET = "SOCKET"  # owner app: being able to open the socket
    PASSWORD = "PASSWORD"  # noqa: S105 - owner app: X-Master-Password, or a ticket
    CURRENT_FACTOR = (
        "CURRENT_FACTOR"  # PASSWORD, and X-TOTP-Code once an authenticator app is enrolled
    )
    PASSWORD_TO_LOOSEN = "PASSWORD_TO_LOOSEN"  # noqa: S105 - SOCKET to tighten, CURRENT_FACTOR to loosen; the operation judges
    TYPED_PASSWORD = "TYPED_PASSWORD"  # noqa: S105 - the password itself; a ticket does not do
    OPERATION_PROVES = "OPERATION_PROVES"  # a claim code or the password, judged by the operation


class Call:
    """One request. Filled in on its way through the guards; one per request, so kept small."""

    __slots__ = (
        "headers", "operations", "params", "receive", "request_id", "scope", "session", "token", "wallet",
    )  # fmt: skip

    def __init__(self, scope: Scope, headers: dict[bytes, bytes], request_id: str) -> None:
        self.scope = scope
        self.headers = headers
        self.request_id = request_id
        self.params: Mapping[str, str] = {}
        self.token: str | None = None
        self.session: Session | None = None
        self.wallet: Wallet | None = None
        self.receive: Receive
        self.operations: Operations

    @property
    def client_ip(self) -> str:
        client = self.scope.get("client")
        return str(client[0]) if client else "local"

    def header(self, name: bytes) -> str | None:
        """A header as text; None where it is absent."""
        value = self.headers.get(name)
        return None if value is None else value.decode("utf-8", "replace")

    def identifier(self, code: Code = Code.NOT_FOUND) -> str:
        """The ``{id}`` of the path; NotFoundError for what no identifier looks like."""
        found = self.params["id"]
        if _IDENTIFIER.fullmatch(found) is None:
            raise NotFoundError(code, "There is no such thing.")
        return found

    def authenticated(self) -> tuple[Session, Wallet]:
        """The session and its wallet; AuthError where no guard let one in."""
        if self.session is None or self.wallet is None:
            raise AuthError(Code.INVALID_TOKEN, "This route needs a session token.")
        return self.session, self.wallet

    async def body(self, shape: type[S]) -> S:
        return bodies.parse(shape, await bodies.read(self.receive))

    def query(self, shape: type[S]) -> S:
        return bodies.parse_query(shape, self.scope["query_string"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns. ``content`` is a shape or plain JSON-able data."""

    content: Shape | Mapping[str, Any] | bytes
    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()

    def encoded(self) -> bytes:
        if isinstance(self.content, Shape):
            return self.content.__pydantic_serializer__.to_json(self.content, by_alias=True)
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps(self.content, separators=(",", ":")).encode()


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a route table. Shapes are what validates and what the OpenAPI shows."""

    method: str
    path: str
    handler: Handler
    needs: Needs
    summary: str
    answer: type[Shape] | UnionType | None = None
    body: type[Shape] | None = None
    query: type[Shape] | None = None
    status: int = 200
    idempotent: bool = False  # takes Idempotency-Key and Prefer: wait=N

    @property
    def answers(self) -> Sequence[type[Shape]]:
        """The shapes that a good answer may have."""
        if isinstance(self.answer, UnionType):
            return get_args(self.answer)
        return () if self.answer is None else (self.answer,)


class Endpoint:
    """All methods of one path, as a bare ASGI app."""

    def __init__(
        self,
        rows: Mapping[str, Row],
        operations: Callable[[], Operations],
        prove: Callable[[Call, Row], Awaitable[None]] | None,
    ) -> None:
        self._rows = rows
        self._operations = operations
        self._prove = prove

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call: Call = scope[KEY]
        method = scope["method"]
        row = self._rows["GET" if method == "HEAD" else method]
        call.params = scope["path_params"]
        call.receive = receive
        if row.needs is not Needs.NOTHING:
            call.operations = self._operations()
            if self._prove is not None:
                await self._prove(call, row)
        answer = await row.handler(call)
        await write(send, answer.status, answer.encoded(), answer.headers)


async def write(
    send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """One JSON answer."""
    start = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def build_routes(
    rows: Sequence[Row],
    operations: Callable[[], Operations],
    prove: Callable[[Call, Row], Awaitable[None]] | None = None,
) -> list[Route]:
    """One Starlette route per path, in the order of the table."""
    paths: dict[str, dict[str, Row]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method] = row
    return [
        Route(path, Endpoint(methods, operations, prove), methods=sorted(methods))
        for path, methods in paths.items()
    ]
