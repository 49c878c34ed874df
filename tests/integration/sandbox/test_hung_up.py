"""A caller that dies in the middle of a call: its stand-ins answer nobody, and fail in nothing."""

import secrets
from collections.abc import Callable

import pytest
from starlette.types import ASGIApp, Message

from wallet.sandbox.solana.__main__ import Node
from wallet.sandbox.solana.ledger import Ledger
from wallet.sandbox.telegram.__main__ import create_app
from wallet.sandbox.telegram.offer import Offer
from wallet.sandbox.telegram.state import Telegram
from wallet.sandbox.telegram.values import User

HOST = b"127.0.0.1:1"


def telegram() -> ASGIApp:
    bot, owner = User(1, "Bot", "bot"), User(2, "Owner", "owner")
    offer = Offer(lambda _: None, lambda: None)
    return create_app(Telegram(bot, owner, "1:token"), offer, HOST.decode())


def solana() -> ASGIApp:
    salt = secrets.token_bytes(8)
    return Node(Ledger(finality_depth=1, wall=lambda: 1.0, salt=salt), slot_ms=0).app()


@pytest.mark.parametrize(
    ("made", "path"), [(telegram, "/bot1:token/getMe"), (solana, "/"), (solana, "/control")]
)
async def test_a_body_that_never_ends_is_nothing_to_complain_about(
    made: Callable[[], ASGIApp], path: str
) -> None:
    received: list[Message] = [
        {"type": "http.request", "body": b'{"jsonrpc', "more_body": True},
        {"type": "http.disconnect"},
    ]
    answered: list[Message] = []

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        answered.append(message)

    headers = [(b"host", HOST), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": headers,
        "query_string": b"", "scheme": "http", "server": ("127.0.0.1", 1), "http_version": "1.1",
    }  # fmt: skip
    await made()(scope, receive, send)

    assert answered[0]["status"] == 400
