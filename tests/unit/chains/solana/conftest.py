"""An endpoint that answers from a script, for what the local node never says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

GENESIS = "E2x4kXQY9md5o8AqmFbCTGHWi3DdV1mwWXz8hKtx3fQv"
Method = Callable[[list[Any]], Any]


class ScriptedEndpoint:
    """Answers JSON-RPC over HTTP: `results` by method, a value or a function of the parameters.

    An `Exception` as a value is an error object with its two arguments. `status` refuses everything,
    `batch_status` refuses batches only, `body` replaces every answer.
    """

    def __init__(self) -> None:
        self.url = ""
        self.results: dict[str, Any] = {"getGenesisHash": GENESIS}
        self.status = 200
        self.batch_status = 200
        self.body: bytes | None = None
        self.reverse = False
        self.requests: list[Any] = []

    def _answer(self, request: Any) -> tuple[int, bytes]:
        self.requests.append(request)
        status = self.batch_status if isinstance(request, list) else self.status
        if isinstance(request, list):
            answers = [self._call(call) for call in request]
            answer: Any = answers[::-1] if self.reverse else answers
        else:
            answer = self._call(request)
        return status, json.dumps(answer).encode() if self.body is None else self.body

    def _call(self, call: Any) -> Any:
        envelope = {"jsonrpc": "2.0", "id": call["id"]}
        result = self.results.get(call["method"], RuntimeError(-32601, "Method not found"))
        if callable(result):
            result = result(call["params"])
        if isinstance(result, Exception):
            code, message = result.args
            return {**envelope, "error": {"code": code, "message": message}}
        return {**envelope, "result": result}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        body = await reader.readexactly(int(lengths[0].partition(b":")[2]))
        status, answer = self._answer(json.loads(body))
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode()
            + answer
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def scripted_endpoint() -> AsyncIterator[ScriptedEndpoint]:
    endpoint = ScriptedEndpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    async with server:
        endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/?key=secret-key"
        yield endpoint


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with scripted_endpoint() as scripted:
        yield scripted
