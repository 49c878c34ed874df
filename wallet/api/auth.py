"""Who is calling: session tokens on the agent app, the master password on the owner app."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from wallet.api.limits import CLAIM_PATH
from wallet.api.operations import Operations
from wallet.api.routes import KEY, Call, Needs, Row
from wallet.errors import AuthError, Code

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json", CLAIM_PATH})
_SCHEME = "bearer "


class SessionAuth:
    """Every path but the open ones needs a session token, known routes or not."""

    def __init__(self, app: ASGIApp, operations: Callable[[], Operations]) -> None:
        self._app = app
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            call: Call = scope[KEY]
            call.token = _bearer(call)
            call.session, call.wallet = self._operations().sessions.authenticate(call.token)
        await self._app(scope, receive, send)


def _bearer(call: Call) -> str:
    value = call.header(b"authorization") or ""
    token = value[len(_SCHEME) :].strip()
    if value[: len(_SCHEME)].lower() != _SCHEME or not token.isascii() or not token:
        raise AuthError(
            Code.INVALID_TOKEN,
            "The session token is missing or not valid.",
            hint="Send Authorization: Bearer wai_sess_… from a claim.",
        )
    return token


async def prove_owner(call: Call, row: Row) -> None:
    """Ask for the master password or a ticket where the row of the owner's table says so."""
    match row.needs:
        case Needs.PASSWORD:
            await call.operations.password.require(
                call.header(b"x-master-password"), ticket=call.header(b"x-ticket")
            )
        case Needs.CURRENT_FACTOR:
            await call.operations.password.require(
                call.header(b"x-master-password"), ticket=call.header(b"x-ticket")
            )
            await call.operations.approvals.require_current_code(call.header(b"x-totp-code"))
        case Needs.PASSWORD_TO_LOOSEN:
            if proof_given(call):
                await call.operations.password.require(
                    call.header(b"x-master-password"), ticket=call.header(b"x-ticket")
                )
        case Needs.TYPED_PASSWORD:
            await call.operations.password.require(typed_password(call))
        case Needs.NOTHING | Needs.SOCKET | Needs.SESSION | Needs.OPERATION_PROVES:
            return


def proof_given(call: Call) -> bool:
    """Whether the call carries a password or a ticket at all."""
    return call.header(b"x-master-password") is not None or call.header(b"x-ticket") is not None


def typed_password(call: Call) -> str:
    """The password itself."""
    password = call.header(b"x-master-password")
    if not password:
        raise AuthError(
            Code.MASTER_PASSWORD_REQUIRED,
            "This needs the master password.",
            hint="Send it as X-Master-Password; a ticket is not enough here.",
        )
    return password


async def code_step(call: Call, code: str | None) -> int | None:
    """The time step of a TOTP code; FACTOR_INVALID for a wrong one, None where none was given."""
    return None if code is None else await call.operations.approvals.check_code(code)
