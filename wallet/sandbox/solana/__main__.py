"""The local Solana node: `python -m wallet.sandbox.solana`.

Serves Solana JSON-RPC on a free loopback port, on LiteSVM, and prints one JSON line once it
answers. `POST /control` bends it (balances, slots, lost answers, outages); `GET /control` lists every
landed transaction, so that a test can count payments.
"""

import argparse
import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from solders.pubkey import Pubkey
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typing_extensions import override

from wallet.sandbox.hung_up import HUNG_UP
from wallet.sandbox.solana.ledger import GENESIS_HASH, U64_MAX, Landed, Ledger, first_transfer
from wallet.sandbox.solana.methods import Faults, Rpc
from wallet.sandbox.solana.shapes import Json, error_json, memo_of

DEFAULT_REJECTION = (
    "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
)


class Node:
    """One running stand-in: its chain, its JSON-RPC and its controls."""

    def __init__(self, ledger: Ledger, *, slot_ms: int) -> None:
        self.ledger = ledger
        self.faults = Faults()
        self.slot_ms = slot_ms
        self.latency_ms = 0
        self._rpc = Rpc(ledger, self.faults)
        self._pace_changed = asyncio.Event()
        # Loop time until which the RPC is down: 0 is up, infinity is until told otherwise.
        self._down_until = 0.0
        # A control is the method of that name, so the list of controls cannot fall behind.
        self._controls: dict[str, Callable[[Any], None]] = {
            name.removeprefix("control_"): getattr(self, name)
            for name in dir(self)
            if name.startswith("control_")
        }

    def app(self) -> Starlette:
        # Anything but a loopback Host is a web page reaching for the node by DNS rebinding.
        loopback = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
        return Starlette(
            routes=[
                Route("/", self._serve_rpc, methods=["POST"]),
                Route("/health", self._serve_health, methods=["GET"]),
                Route("/control", self._serve_control, methods=["POST"]),
                Route("/control", self._serve_state, methods=["GET"]),
            ],
            middleware=[loopback],
            exception_handlers=HUNG_UP,
        )

    async def keep_slots(self) -> None:
        """Open a slot every `slot_ms`; with 0 slots move only by hand and by transactions."""
        while True:
            pause = self.slot_ms / 1000 if self.slot_ms else None
            self._pace_changed.clear()
            try:
                await asyncio.wait_for(self._pace_changed.wait(), pause)
            except TimeoutError:
                self.ledger.advance(1)

    # ---- HTTP

    async def _serve_rpc(self, request: Request) -> Response:
        body = await request.body()
        if self.latency_ms:
            await asyncio.sleep(self.latency_ms / 1000)
        if self.down:
            return Response("Service unavailable", 503)
        answer = self._rpc.answer(body)
        if self.faults.answer_lost:
            self.faults.answer_lost = False
            return Response("Bad gateway", 502)
        return JSONResponse(answer)

    async def _serve_health(self, _: Request) -> Response:
        return Response("unavailable", 503) if self.down else Response("ok")

    async def _serve_state(self, _: Request) -> Response:
        return JSONResponse(self.state())

    async def _serve_control(self, request: Request) -> Response:
        try:
            self._obey(json.loads(await request.body()))
        except ValueError as error:
            return JSONResponse({"ok": False, "error": str(error)}, 400)
        return JSONResponse({"ok": True, **self.summary()})

    def _obey(self, orders: Any) -> None:
        known = ", ".join(self._controls)
        if not isinstance(orders, dict) or not orders.keys() <= self._controls.keys():
            raise ValueError(f"the body must be a JSON object with some of: {known}")
        for name, order in orders.items():
            self._controls[name](order)

    # ---- state

    @property
    def down(self) -> bool:
        return asyncio.get_running_loop().time() < self._down_until

    def summary(self) -> Json:
        return {
            "slot": self.ledger.slot,
            "height": self.ledger.height,
            "slot_ms": self.slot_ms,
            "finality_depth": self.ledger.finality_depth,
            "latency_ms": self.latency_ms,
            "down": self.down,
            "hold": self.ledger.holding,
            "held": [str(signature) for signature in self.ledger.held],
            "drop_next": self.faults.drop,
            "lose_answer_next": self.faults.lose_answer,
            "double_next": self.faults.double,
            "reject_next": self.faults.reject,
            "genesis": self.faults.genesis or GENESIS_HASH,
        }

    def state(self) -> Json:
        """Return the settings and every landed transaction, oldest first, airdrops left out."""
        faucet = self.ledger.faucet
        landed = [one for one in self.ledger.landed.values() if one.payer != faucet]
        return {"ok": True, **self.summary(), "landed": [_landed_row(one) for one in landed]}

    # ---- controls

    def control_set_balance(self, order: Any) -> None:
        """`{"address", "amount"}`: make the balance exactly `amount`, lamports as a string."""
        amount = str(_field(order, "amount"))
        if not amount.isascii() or not amount.isdigit():
            raise ValueError("amount must be a decimal string of lamports")
        address = Pubkey.from_string(str(_field(order, "address")))
        self.ledger.set_balance(address, int(amount))

    def control_advance(self, order: Any) -> None:
        """`{"slots": n}`: move on by n slots at once."""
        self.ledger.advance(_whole(order, "slots"))

    def control_slot_ms(self, order: Any) -> None:
        """`400` or `{"ms": 400}`: the length of a slot; 0 stops the timer."""
        self.slot_ms = _whole(order if isinstance(order, dict) else {"ms": order}, "ms")
        self._pace_changed.set()

    def control_latency(self, order: Any) -> None:
        """`{"ms": n}`: answer every RPC call that much later."""
        self.latency_ms = _whole(order, "ms")

    def control_drop_next(self, order: Any) -> None:
        """`{"count": n}`: answer the next n sends with the signature, and never land them."""
        self.faults.drop = _whole(order, "count")

    def control_lose_answer_next(self, order: Any) -> None:
        """`{"count": n}`: land the next n accepted sends, but answer 502."""
        self.faults.lose_answer = _whole(order, "count")

    def control_double_next(self, order: Any) -> None:
        """`{"count": n}`: the next n sends arrive twice, and the second answer is heard."""
        self.faults.double = _whole(order, "count")

    def control_reject_next(self, order: Any) -> None:
        """`{"count": n, "message": "..."}`: refuse the next n sends as a failed preflight."""
        self.faults.reject = _whole(order, "count")
        self.faults.reject_message = str(order.get("message") or DEFAULT_REJECTION)

    def control_hold(self, order: Any) -> None:
        """`{"on": true}`: accepted transactions wait; `{"on": false}` lands them in order."""
        self.ledger.hold(on=_field(order, "on") is True)

    def control_down(self, order: Any) -> None:
        """`{"seconds": n}`: answer RPC with 503 for n seconds, or with null until `up`."""
        seconds = order.get("seconds") if isinstance(order, dict) else None
        forever = float("inf")
        now = asyncio.get_running_loop().time()
        self._down_until = forever if seconds is None else now + float(seconds)

    def control_up(self, _: Any) -> None:
        """Answer RPC again."""
        self._down_until = 0.0

    def control_genesis(self, order: Any) -> None:
        """`{"value": "..."}`: claim to be another chain; null tells the truth again."""
        value = _field(order, "value")
        self.faults.genesis = None if value is None else str(value)

    def control_priority_fee(self, order: Any) -> None:
        """`{"microlamports": n}`: what getRecentPrioritizationFees says was paid per unit."""
        self.faults.priority_fee = _whole(order, "microlamports")


def _field(order: Any, name: str) -> Any:
    if not isinstance(order, dict) or name not in order:
        raise ValueError(f"missing field {name!r}")
    return order[name]


def _whole(order: Any, name: str) -> int:
    value = _field(order, name)
    if type(value) is not int or not 0 <= value <= U64_MAX:
        raise ValueError(f"{name} must be a whole number, zero or more")
    return value


def _landed_row(landed: Landed) -> Json:
    recipient, lamports = first_transfer(landed.transaction) or (None, None)
    return {
        "signature": str(landed.signature),
        "payer": str(landed.payer),
        "to": None if recipient is None else str(recipient),
        "lamports": lamports,
        "err": error_json(landed.err),
        "slot": landed.slot,
        "fee": landed.meta.fee(),
        "memo": memo_of(landed.transaction),
    }


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready, and leaves signals to us: its own way is to die of them."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or []:
            _announce(listening.getsockname()[1])

    def stop(self) -> None:
        # Forced, since a caller waiting out a latency must not hold up the exit.
        self.should_exit = self.force_exit = True


def _watch_stdin(stop: Callable[[], object]) -> None:
    """Call `stop` when stdin closes; raw reads, as a buffered one held here would break the exit."""

    def drain() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop()

    threading.Thread(target=drain, daemon=True, name="stdin").start()


async def _run(options: argparse.Namespace) -> None:
    salt = secrets.token_bytes(32)
    wall = time.time  # noqa: TID251 - a chain has a clock of its own
    ledger = Ledger(finality_depth=options.finality_depth, wall=wall, salt=salt)
    node = Node(ledger, slot_ms=options.slot_ms)
    config = uvicorn.Config(
        node.app(), http="httptools", ws="none", lifespan="off", log_level="error"
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    with socket.create_server(("127.0.0.1", options.port)) as listening:
        # asyncio sees no TCP in this socket and would leave Nagle on: 40 ms for every answer.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if options.exit_with_stdin:
            _watch_stdin(lambda: loop.call_soon_threadsafe(server.stop))
        async with asyncio.TaskGroup() as tasks:
            slots = tasks.create_task(node.keep_slots())
            await server.serve(sockets=[listening])
            slots.cancel()


def _announce(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    ready = {
        "ready": True,
        "rpc": url,
        "control": f"{url}/control",
        "genesis": GENESIS_HASH,
        "engine": "litesvm",
    }
    print(json.dumps(ready), flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or, when asked, the end of stdin."""
    parser = argparse.ArgumentParser(prog="wallet.sandbox.solana", description="local Solana node")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--slot-ms", type=int, default=400, help="length of a slot; 0: by hand")
    parser.add_argument("--finality-depth", type=int, default=0, help="slots until finalized")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when stdin closes")
    asyncio.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
