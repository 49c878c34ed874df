"""The Telegram stand-in in the test's own process: the same server over a real socket, and what it knows at hand."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn

from wallet.sandbox.telegram.__main__ import LOOPBACK, create_app
from wallet.sandbox.telegram.offer import Offer
from wallet.sandbox.telegram.state import Telegram
from wallet.sandbox.telegram.values import User

TOKEN = "1234567890:a-token-that-only-the-stand-in-knows"
BOT = User(1234567890, "Wallet", "waiaas_test_bot", is_bot=True)


@dataclass(frozen=True, slots=True)
class LocalTelegram:
    """``state`` is Telegram's side: tests plant there what no person at the chat page could send."""

    api: str
    token: str
    state: Telegram


class _Server(uvicorn.Server):
    """Leaves signals to the test run."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def local_telegram(owner_id: int) -> AsyncIterator[LocalTelegram]:
    telegram = Telegram(BOT, User(owner_id, "Olga", "olga"), TOKEN)
    listener = socket.create_server((LOOPBACK, 0))
    host = f"{LOOPBACK}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(telegram, Offer(lambda _: None, lambda: None), host),
        log_level="error",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield LocalTelegram(f"http://{host}", TOKEN, telegram)
    finally:
        telegram.close()
        server.should_exit = True
        await serving
