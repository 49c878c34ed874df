"""Telegram without Telegram: a Bot API on loopback and a chat page where the visitor is the owner.

`python -m wallet.sandbox.telegram` prints one JSON line when it is ready and ends at SIGTERM,
SIGINT or, with --exit-with-stdin, when its standard input closes. Until then each line read there
and each further line printed is about the sandbox's own offer on the page (offer.py).
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wallet.sandbox.hung_up import HUNG_UP
from wallet.sandbox.telegram.chat import Chat
from wallet.sandbox.telegram.methods import METHODS, unknown_method
from wallet.sandbox.telegram.offer import Offer
from wallet.sandbox.telegram.params import Params, read_params
from wallet.sandbox.telegram.state import Fault, Poll, Telegram
from wallet.sandbox.telegram.values import RefusedError, User

LOOPBACK: Final = "127.0.0.1"
CONFLICT: Final = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)


class Truncated(Response):
    """An answer that never arrives whole: the connection breaks after its head."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        head = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class BotApi:
    """Answers /bot<token>/<method>."""

    def __init__(self, telegram: Telegram) -> None:
        self._telegram = telegram

    async def endpoint(self, request: Request) -> Response:
        token, method = request.path_params["token"], request.path_params["method"]
        if not secrets.compare_digest(token.encode(), self._telegram.token.encode()):
            return _refusal(RefusedError(401, "Unauthorized"))
        try:
            params = await read_params(request)
        except RefusedError as refused:
            return _refusal(refused)
        call = self._telegram.record(method, params.shown())
        fault = self._telegram.take_fault(method)
        response = await self._answer(request, method, params, fault)
        call["status"] = response.status_code
        return Truncated() if fault and fault.kind == "drop_answer" else response

    async def _answer(
        self, request: Request, method: str, params: Params, fault: Fault | None
    ) -> Response:
        try:
            await self._suffer(fault)
            if method.lower() == "getupdates":
                return _result(await self._get_updates(request, params))
            act = METHODS.get(method.lower(), unknown_method)
            return _result(act(self._telegram, params))
        except RefusedError as refused:
            return _refusal(refused)

    async def _suffer(self, fault: Fault | None) -> None:
        match fault:
            case Fault(kind="429", retry_after=seconds):
                what = f"Too Many Requests: retry after {seconds}"
                raise RefusedError(429, what, {"retry_after": seconds})
            case Fault(kind="409"):
                raise RefusedError(409, CONFLICT)
            case Fault(kind="502"):
                raise RefusedError(502, "Bad Gateway")
            case Fault(kind="delay", seconds=pause):
                await self._telegram.pause(pause)
            case _:
                return

    async def _get_updates(self, request: Request, params: Params) -> list[dict[str, Any]]:
        if self._telegram.webhook:
            raise RefusedError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        allowed = params.parsed("allowed_updates")
        if allowed is not None or "allowed_updates" in params.values:
            self._telegram.allowed = allowed or []
        self._telegram.confirm(params.number("offset"))
        limit = min(max(params.number("limit", 100), 1), 100)
        return await self._poll(request, limit, params.number("timeout"))

    async def _poll(self, request: Request, limit: int, seconds: int) -> list[dict[str, Any]]:
        poll = Poll()
        with self._telegram.polling(poll):
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_leave_when_gone(request, poll))
                updates = await self._telegram.next_updates(poll, limit, seconds)
                watch.cancel()
        if poll.superseded:
            raise RefusedError(409, CONFLICT)
        return updates


async def _leave_when_gone(request: Request, poll: Poll) -> None:
    """End the poll of a bot that died, so that the page can say it is away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    poll.leave()


def _result(value: Any) -> Response:
    return JSONResponse({"ok": True, "result": value})


def _refusal(refused: RefusedError) -> Response:
    body = {"ok": False, "error_code": refused.status, "description": refused.description}
    if refused.parameters:
        body["parameters"] = refused.parameters
    return JSONResponse(body, refused.status)


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


class Guard:
    """Refuse any Host but ours and any foreign Origin: no page elsewhere may press buttons."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app, self._host = app, host.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope.get("headers", [])
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        foreign = any(origin != b"http://" + self._host for origin in origins)
        app = self._app
        if hosts != [self._host] or foreign:
            app = PlainTextResponse("this Host or Origin is not served here", 403)
        await app(scope, receive, send)


def create_app(telegram: Telegram, offer: Offer, host: str) -> ASGIApp:
    """The Bot API and the chat, served only under `host` ("127.0.0.1:PORT")."""
    api = Route("/bot{token}/{method}", BotApi(telegram).endpoint, methods=["GET", "POST"])
    routes = [api, *Chat(telegram, offer).routes()]
    return Guard(
        Starlette(routes=routes, exception_handlers={HTTPException: _error, **HUNG_UP}), host
    )


class Server(uvicorn.Server):
    """Says when it is ready and leaves signals to `run`."""

    ready_line = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.ready_line, flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(options: argparse.Namespace) -> None:
    telegram = _telegram(options)
    offer = Offer(_print, lambda: telegram.tell_all("info", {}))
    listener = socket.create_server((LOOPBACK, options.port))
    host = f"{LOOPBACK}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(telegram, offer, host),
        log_level="error",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = Server(config)
    server.ready_line = _ready_line(telegram, host)

    def stop() -> None:
        telegram.close()
        offer.close()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if options.exit_with_stdin:
        arguments = (loop, offer.hear, stop)
        threading.Thread(target=_read_input, args=arguments, daemon=True).start()
    await server.serve(sockets=[listener])


def _print(said: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens: the press is answered in time
        print(json.dumps(said), flush=True)


def _read_input(
    loop: asyncio.AbstractEventLoop, hear: Callable[[str], None], stop: Callable[[], None]
) -> None:
    # Not through sys.stdin: a thread that waits in it holds its lock when the process ends.
    with contextlib.suppress(OSError, RuntimeError):  # the loop may have ended first
        with os.fdopen(0, encoding="utf-8", errors="replace", closefd=False) as lines:
            for line in lines:
                loop.call_soon_threadsafe(hear, line)
        loop.call_soon_threadsafe(stop)


def _telegram(options: argparse.Namespace) -> Telegram:
    token = options.token or f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_urlsafe(26)}"
    number = token.partition(":")[0]
    if not number.isdecimal() or ":" not in token:
        raise SystemExit("--token must look like 123456:LETTERS")
    bot = User(int(number), options.bot_name, options.bot_username, is_bot=True)
    owner = User(options.owner_id, options.owner_name, "sandbox_owner")
    return Telegram(bot, owner, token)


def _ready_line(telegram: Telegram, host: str) -> str:
    return json.dumps(
        {
            "ready": True,
            "api": f"http://{host}",
            "chat": f"http://{host}/chat",
            "token": telegram.token,
            "owner_id": telegram.owner.id,
            "bot_username": telegram.bot.username,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m wallet.sandbox.telegram", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    parser.add_argument("--token", default="", help="the bot's token; made up when absent")
    parser.add_argument("--owner-id", type=int, default=1001)
    parser.add_argument("--owner-name", default="Sandbox Owner")
    parser.add_argument("--bot-username", default="waiaas_sandbox_bot")
    parser.add_argument("--bot-name", default="WAIaaS Sandbox")
    parser.add_argument("--exit-with-stdin", action="store_true")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
