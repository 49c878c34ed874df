"""The local EVM node: `python -m wallet.sandbox.evm` serves Ethereum JSON-RPC on loopback.

It prints one JSON line when it is ready and ends on SIGTERM, on SIGINT and, with
`--exit-with-stdin`, when its standard input closes. `POST /control` sets balances, chooses how
blocks are made and makes the node misbehave; `GET /control` tells what was mined.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from wallet.sandbox.evm.engine import Engine
from wallet.sandbox.evm.front import AnswerLostError, ControlError, DownError, Front
from wallet.sandbox.hung_up import HUNG_UP

CHAIN_ID = 31337
_HOSTS = (b"127.0.0.1", b"localhost", b"[::1]")


class Door:
    """The ASGI application: JSON-RPC answered on the shortest way, all else by `other`.

    Requests whose Host is not loopback are refused: pages of other sites must not reach us.
    """

    def __init__(self, front: Front, other: ASGIApp) -> None:
        self._front = front
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not _is_loopback(scope):
            await Response("loopback only", 403)(scope, receive, send)
        elif scope["path"] == "/" and scope["method"] == "POST":
            status, body = await self._answer(await _body(receive))
            length = str(len(body)).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await self._other(scope, receive, send)

    async def _answer(self, body: bytes) -> tuple[int, bytes]:
        try:
            return 200, await self._front.rpc(body)
        except DownError:
            return 503, b"{}"
        except AnswerLostError:
            return 502, b"{}"


async def _body(receive: Receive) -> bytes:
    chunks, more = b"", True
    while more:
        message = await receive()
        chunks += message.get("body", b"")
        more = message.get("more_body", False)
    return chunks


def _is_loopback(scope: Scope) -> bool:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    name, _, port = host.rpartition(b":")
    return host in _HOSTS or (name in _HOSTS and port.isdigit())


def create_app(front: Front) -> ASGIApp:
    """Return the endpoints of one node; the engine's own work is run by the caller."""

    async def control(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse(await front.state())
        try:
            return JSONResponse(await front.control(json.loads(await request.body())))
        except ValueError as error:
            kind = "not JSON" if not isinstance(error, ControlError) else str(error)
            return JSONResponse({"ok": False, "error": kind}, 400)

    routes = [Route("/control", control, methods=["GET", "POST"])]
    return Door(front, Starlette(routes=routes, exception_handlers=HUNG_UP))


class Server(uvicorn.Server):
    """uvicorn that says when it listens and leaves signals to `serve`, which exits with 0."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(options: argparse.Namespace) -> None:
    async with _engine(options) as engine:
        front = Front(engine, finality_depth=options.finality_depth)
        config = uvicorn.Config(
            create_app(front), log_level="warning", access_log=False, lifespan="off", ws="none"
        )
        listener = socket.create_server(("127.0.0.1", options.port), backlog=512)
        ready = partial(_announce, listener.getsockname()[1], options.engine)
        server = Server(config, ready)
        _stop_on_signals(server)
        if options.exit_with_stdin:
            _stop_with_stdin(server)
        async with asyncio.TaskGroup() as group:
            work = group.create_task(engine.run())
            await server.serve([listener])
            work.cancel()


def _announce(port: int, engine: str) -> None:
    rpc = f"http://127.0.0.1:{port}"
    ready = {
        "ready": True,
        "rpc": rpc,
        "control": f"{rpc}/control",
        "chain_id": CHAIN_ID,
        "engine": engine,
    }
    print(json.dumps(ready), flush=True)


@asynccontextmanager
async def _engine(options: argparse.Namespace) -> AsyncIterator[Engine]:
    # An engine is imported when it is wanted: py-evm alone takes more than a second.
    if options.engine == "anvil":
        from wallet.sandbox.evm.anvil import anvil  # noqa: PLC0415

        async with anvil(options.anvil, CHAIN_ID) as engine:
            yield engine
    else:
        from wallet.sandbox.evm.chain import Chain  # noqa: PLC0415
        from wallet.sandbox.evm.local import LocalEngine  # noqa: PLC0415

        yield LocalEngine(Chain(CHAIN_ID, _now))


def _now() -> int:
    return int(time.time())  # noqa: TID251  a process of its own, without the daemon's Clock


def _stop(server: Server) -> None:
    server.should_exit = True
    server.force_exit = True


def _stop_on_signals(server: Server) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, server)


def _stop_with_stdin(server: Server) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        _read_to_end(sys.stdin.fileno())
        with suppress(RuntimeError):  # the loop ended first
            loop.call_soon_threadsafe(_stop, server)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _read_to_end(descriptor: int) -> None:
    # os.read, because a thread inside a buffered reader can stop the interpreter from ending.
    with suppress(OSError):
        while os.read(descriptor, 4096):
            pass


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m wallet.sandbox.evm", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--engine", choices=("py-evm", "anvil"), default="py-evm")
    parser.add_argument("--anvil", type=Path, help="the anvil binary; default: from PATH")
    parser.add_argument("--finality-depth", type=_not_negative, default=0, metavar="N")
    parser.add_argument("--exit-with-stdin", action="store_true")
    options = parser.parse_args(arguments)
    if options.engine == "anvil":
        found = options.anvil or shutil.which("anvil")
        if found is None or not Path(found).is_file():
            parser.error("no anvil binary: give --anvil PATH")
        options.anvil = Path(found)
    return options


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    run: Callable[..., Any] = asyncio.run
    try:
        import uvloop  # noqa: PLC0415  not on every platform

        run = uvloop.run
    except ImportError:
        pass
    run(serve(options))


if __name__ == "__main__":
    main()
