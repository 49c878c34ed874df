"""An HTTP server that answers JSON-RPC as a test tells it to, for what real nodes do too rarely."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

Result = Callable[[list[Any]], Any]


@dataclass(slots=True)
class ScriptedNode:
    """``results`` per method; a dict with "error" is sent as the error. ``asked`` keeps the order."""

    url: str = ""
    results: dict[str, Result] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    requests: int = 0
    connections: set[object] = field(default_factory=set)
    takes_batches: bool = True
    shuffles_batches: bool = False
    raw: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def answers(self, **results: Any) -> None:
        for method, value in results.items():
            self.results[method] = value if callable(value) else partial(_constant, value)

    async def serve(self, http: web.Request) -> web.Response:
        self.requests += 1
        self.connections.add(http.transport)
        body = json.loads(await http.read())
        if self.raw is not None or self.status != 200:
            return web.Response(body=self.raw, status=self.status, headers=self.headers)
        if not isinstance(body, list):
            return web.json_response(self._one(body))
        if not self.takes_batches:
            error = {"code": -32600, "message": "batches are not supported"}
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": error})
        answers = [self._one(call) for call in body]
        return web.json_response(answers[::-1] if self.shuffles_batches else answers)

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(call["method"])
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        if call["method"] not in self.results:
            return answer | {"error": {"code": -32601, "message": "method not found"}}
        value = self.results[call["method"]](call["params"])
        if isinstance(value, dict) and "error" in value:
            return answer | value
        return answer | {"result": value}


def _constant(value: Any, _: list[Any]) -> Any:
    return value


@asynccontextmanager
async def scripted_node() -> AsyncIterator[ScriptedNode]:
    node = ScriptedNode()
    app = web.Application()
    app.router.add_post("/{tail:.*}", node.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        node.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v3/secret-key"
        node.answers(eth_chainId="0x7a69")
        yield node
    finally:
        await runner.cleanup()


def error(message: str, code: int = -32000, data: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message} | ({} if data is None else {"data": data})}
