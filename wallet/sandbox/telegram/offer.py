"""What the sandbox itself offers on the chat page: new demo sessions after a recovery. The bot knows nothing of it.

The process that started the stand-in says in lines on standard input whether there is an offer, and
hears of a press in a line on standard output. Neither carries a token.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, Literal

from starlette.exceptions import HTTPException

MAKE_SECONDS: Final = 60
PRESSED: Final = {"pressed": "new_demo_session"}


class Offer:
    """One offer at a time. ``tell`` sends a line to the parent, ``changed`` redraws the page."""

    def __init__(
        self, tell: Callable[[dict[str, Any]], None], changed: Callable[[], None]
    ) -> None:
        self._tell, self._changed = tell, changed
        self._is_open = False
        self._making: asyncio.Future[str | None] | None = None

    @property
    def state(self) -> Literal["OPEN", "MAKING"] | None:
        """What the page shows; None shows nothing."""
        if self._making is not None:
            return "MAKING"
        return "OPEN" if self._is_open else None

    def hear(self, line: str) -> None:
        """A line of the parent: ``{"offer": true|false}``; with ``failed`` as well it answers a press.

        ``failed`` is null when the sessions are there, otherwise the reason why they are not.
        Anything else is ignored.
        """
        try:
            said = json.loads(line)
            self._is_open = bool(said["offer"])
        except (ValueError, TypeError, KeyError):
            return
        if "failed" in said:
            self._end(said["failed"])
        self._changed()

    async def take(self) -> None:
        """Ask the parent for new sessions and wait for them. HTTPException when there will be none."""
        if self.state != "OPEN":
            raise HTTPException(409, "no new demo session is offered now")
        self._making = asyncio.get_running_loop().create_future()
        made = self._making
        self._tell(PRESSED)
        self._changed()
        try:
            async with asyncio.timeout(MAKE_SECONDS):
                reason = await asyncio.shield(made)
        except TimeoutError:
            self._end("the sandbox did not answer in time")
            self._changed()
            raise HTTPException(504, "the sandbox did not answer in time") from None
        if reason is not None:
            raise HTTPException(502, reason)

    def close(self) -> None:
        """Let go of whoever waits, so that the process can end at once."""
        self._end("the sandbox is ending")

    def _end(self, reason: str | None) -> None:
        made, self._making = self._making, None
        if made is not None and not made.done():
            made.set_result(reason)
