"""The door before there is anything behind it."""

import json
from typing import Any

from wallet.api.doorway import Doorway

HOSTS = frozenset({"127.0.0.1:3100"})


async def ask(door: Doorway, path: str, host: str = "127.0.0.1:3100") -> tuple[int, Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [(b"host", host.encode())]
    await door({"type": "http", "method": "GET", "path": path, "headers": headers}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def test_health_answers_from_the_first_moment() -> None:
    status, body = await ask(Doorway(HOSTS, lambda: 5_000), "/health")
    assert (status, body["status"], body["timestamp"]) == (200, "starting", 5)


async def test_everything_else_is_told_to_come_again() -> None:
    for path in ("/ready", "/v1/wallet/address", "/nowhere"):
        status, body = await ask(Doorway(HOSTS, lambda: 0), path)
        assert (status, body["code"], body["retryable"]) == (503, "STARTING", True)


async def test_a_foreign_host_is_refused_from_the_first_moment() -> None:
    status, body = await ask(Doorway(HOSTS, lambda: 0), "/health", "evil.example")
    assert (status, body["code"]) == (403, "INVALID_HOST")


async def test_the_app_takes_over_once_it_is_there() -> None:
    seen: list[str] = []
    door = Doorway(HOSTS, lambda: 0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await send({"status": 204})
        await send({"body": "{}"})

    door.app = app
    assert await ask(door, "/v1/anything") == (204, {})
    assert seen == ["/v1/anything"]
