"""New demo sessions after a recovery: offered in the terminal and on the chat page, made when one is taken."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from wallet.errors import WalletError
from wallet.sandbox import words
from wallet.sandbox.place import Place
from wallet.sandbox.prepare import Held, OwnerClient, renewed
from wallet.sandbox.processes import Child

WATCH_SECONDS: Final = 1.0
_TROUBLE: Final = (WalletError, httpx.HTTPError, TimeoutError, OSError)


@dataclass(slots=True)
class Renewal:
    """``running`` answers daemon.json of the present daemon; ``as_json`` is how the terminal is told."""

    place: Place
    chat: Child
    held: Sequence[Held]
    running: Callable[[], Awaitable[dict[str, Any]]]
    as_json: bool

    async def watch(self, owner: OwnerClient) -> None:
        """A stop ends every session, so the way back to NORMAL opens the offer and a stop withdraws it."""
        before = "NORMAL"
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(WalletError, httpx.HTTPError, KeyError):
                state = str((await owner.get("/v1/kill-switch"))["state"])
                if (state == "NORMAL") != (before == "NORMAL"):
                    await self._offer(is_open=state == "NORMAL")
                before = state

    async def serve(self) -> None:
        """Make new sessions for every press the chat page tells of, until it ends."""
        assert self.chat.process.stdout is not None
        while await self.chat.process.stdout.readline():
            try:
                await self._renew()
            except _TROUBLE as error:
                await self._tell(offer=True, failed=str(error) or "The daemon does not answer.")
            else:
                await self._tell(offer=False, failed=None)

    async def _offer(self, *, is_open: bool) -> None:
        if is_open and not self.as_json:
            lines = words.session_lines(self.place, self.held)
            head = "Running again. Press “New demo session” on the chat page, or make your own:"
            print("\n".join([head, *lines]), flush=True)
        await self._tell(offer=is_open)

    async def _renew(self) -> None:
        """All sessions first, then the files: a failure between leaves the printed lines as they were."""
        running = await self.running()
        url = running["agent_url"]
        owner = OwnerClient(Path(running["owner_socket"]), self.place.password)
        try:
            self.held = await renewed(owner, url, self.held)
        finally:
            await owner.close()
        for one in self.held:
            self.place.write_private(words.env_file(one), words.env_text(one, url))
        if self.as_json:
            made = [{"walletId": one.wallet["id"], "token": one.token} for one in self.held]
            print(json.dumps({"sessions": made}), flush=True)
        else:
            head = "The demo agents have new sessions. These lines work again:"
            print("\n".join([head, *words.send_lines(self.place, self.held)]), flush=True)

    async def _tell(self, **said: Any) -> None:
        assert self.chat.process.stdin is not None
        with suppress(ConnectionError):  # the chat ended, and with it the sandbox
            self.chat.process.stdin.write(json.dumps(said).encode() + b"\n")
            await self.chat.process.stdin.drain()
