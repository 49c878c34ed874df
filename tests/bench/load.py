"""The load: a closed loop of raw HTTP/1.1 requests on kept connections, in a process of its own.

`run` starts that process and returns what it counted. The client does as little as it can per answer, so that
on a small machine the figure is the daemon's and not its own.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

GRACE_SECONDS = 60


@dataclass(frozen=True)
class Load:
    """What came of it: answers a second, latencies in ms, statuses, and answers without the expected text."""

    answers: int
    seconds: float
    p50: float
    p95: float
    statuses: dict[str, int]
    unexpected: int
    cpu_seconds: float = 0.0  # of the process under load and its children

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


def request(
    method: str, path: str, *, host: str, token: str, body: Any = None, **headers: str
) -> str:
    """One request as text. Header names are given with underscores."""
    text = "" if body is None else json.dumps(body, separators=(",", ":"))
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if text:
        lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
    return "\r\n".join([*lines, "", text])


def run(url: str, connections: Sequence[Sequence[str]], seconds: float, expect: str = "") -> Load:
    """Ask for ``seconds`` over as many connections as there are lists, each list in a circle."""
    where = urlsplit(url)
    order = {
        "host": where.hostname,
        "port": where.port,
        "seconds": seconds,
        "connections": connections,
        "expect": expect,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=seconds + GRACE_SECONDS,
        check=True,
    )
    return Load(**json.loads(done.stdout))


class _Tally:
    def __init__(self, expect: str) -> None:
        self.expect = expect.encode()
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.unexpected = 0

    def count(self, answer: bytes, seconds: float) -> None:
        self.latencies.append(seconds)
        self.statuses[answer[9:12].decode()] += 1
        if self.expect not in answer:
            self.unexpected += 1


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is whole."""

    def __init__(self, requests: Sequence[bytes], tally: _Tally, until: float) -> None:
        self._requests = requests
        self._tally = tally
        self._until = until
        self._sent = 0
        self._at = 0.0
        self._received = b""
        self._transport: asyncio.Transport
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's is not one by inheritance
        self._next()

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        head = received.find(b"\r\n\r\n")
        if head < 0:
            return
        start = received.lower().index(b"content-length:", 0, head) + 15
        length = int(received[start : received.index(b"\r\n", start)])
        if len(received) < head + 4 + length:
            return
        now = time.perf_counter()
        self._tally.count(received, now - self._at)
        self._received = b""
        if now < self._until:
            self._next()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _next(self) -> None:
        self._at = time.perf_counter()
        self._transport.write(self._requests[self._sent % len(self._requests)])
        self._sent += 1


async def _drive(order: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    tally = _Tally(order["expect"])
    began = time.perf_counter()
    until = began + order["seconds"]
    opened = []
    for texts in order["connections"]:
        requests = [text.encode() for text in texts]
        _, protocol = await loop.create_connection(
            lambda requests=requests: _Connection(requests, tally, until),  # type: ignore[misc]
            order["host"],
            order["port"],
        )
        opened.append(protocol)
    await asyncio.gather(*(protocol.over for protocol in opened))
    seconds = time.perf_counter() - began
    ordered = sorted(tally.latencies)
    return {
        "answers": len(ordered),
        "seconds": seconds,
        "p50": 1000 * ordered[len(ordered) // 2],
        "p95": 1000 * ordered[len(ordered) * 95 // 100],
        "statuses": dict(tally.statuses),
        "unexpected": tally.unexpected,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_drive(json.load(sys.stdin)))))
