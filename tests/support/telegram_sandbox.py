"""The Telegram stand-in as a process of its own, and a client that plays the owner."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class TelegramSandbox:
    """A running stand-in; `api` and `chat` are loopback URLs."""

    api: str
    chat: str
    token: str
    owner_id: int
    bot_username: str
    process: subprocess.Popen[str]

    def says(self, **line: Any) -> None:
        """What the process that started the stand-in tells it; needs --exit-with-stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def hears(self) -> Any:
        """The next line the stand-in prints."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def telegram_sandbox(*options: str) -> Iterator[TelegramSandbox]:
    command = [sys.executable, "-m", "wallet.sandbox.telegram", *options]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready.pop("ready") is True
        yield TelegramSandbox(process=process, **ready)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        process.stdin.close()
        process.stdout.close()


class Reachable(Protocol):
    """A stand-in, whichever process it runs in."""

    @property
    def api(self) -> str: ...


class Visitor:
    """A person at the chat: the owner, or the stranger."""

    def __init__(self, sandbox: Reachable, name: str = "owner") -> None:
        self.name = name
        self._http = httpx.AsyncClient(base_url=sandbox.api, timeout=10)

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        response = await self._http.post(path, json={"as": self.name, **body})
        response.raise_for_status()
        return response.json()

    async def says(self, text: str) -> dict[str, Any]:
        message: dict[str, Any] = await self._post("/chat/messages", {"text": text})
        return message

    async def presses(self, message_id: int, data: str, **more: str) -> dict[str, Any]:
        body = {"message_id": message_id, "data": data, **more}
        answer: dict[str, Any] = await self._post("/chat/press", body)
        return answer

    async def deletes(self, message_id: int) -> None:
        await self._post("/chat/delete", {"message_id": message_id})

    async def plants(self, kind: str, **more: Any) -> None:
        await self._post("/chat/fault", {"kind": kind, **more})

    async def messages(self) -> list[dict[str, Any]]:
        response = await self._http.get("/chat/messages", params={"as": self.name})
        messages: list[dict[str, Any]] = response.json()
        return messages

    async def calls(self, method: str) -> list[dict[str, Any]]:
        response = await self._http.get("/chat/calls")
        return [call for call in response.json() if call["method"] == method]

    async def sees(
        self, wanted: Callable[[dict[str, Any]], Any], seconds: float = 5
    ) -> dict[str, Any]:
        """Return the first message for which `wanted` holds, waiting at most `seconds`."""
        async with asyncio.timeout(seconds):
            while True:
                for message in await self.messages():
                    if wanted(message):
                        return message
                await asyncio.sleep(0.02)
