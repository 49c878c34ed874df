"""Listens to Telegram and hands over what the owner did: stored first, then acknowledged, then handled.

Two loops. One polls; whatever Telegram answers, it backs off and goes on, and only a refused token ends it.
The other handles stored updates one by one, taps that stop something before all others.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aiogram import Bot, Dispatcher
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.types import BotCommand, Update

from bot import texts
from bot.access import caller_of_raw, present_rule
from bot.callbacks import HANDLE_LENGTH
from bot.calls import ALLOWED_UPDATES, RawUpdates
from bot.doors import Desk
from bot.errors import whereabouts
from wallet.domain.console import StoredUpdate

_log = logging.getLogger("waiaas.bot")

REPLY_MS: Final = 600_000  # an answer later than this has lost its meaning
IDLE_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 6 * 86_400  # after a week without updates Telegram starts new numbers
PASSING: Final = (TelegramRetryAfter, TelegramNetworkError, TelegramServerError)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: a long poll, the first and the longest back-off, how long a conflict may last."""

    poll: int = 25
    first_pause: float = 0.5
    longest_pause: float = 30.0
    conflict: float = 60.0


@dataclass(slots=True)
class BotStatus:
    """What /status and doctor show. ``state``: STARTING, POLLING, RETRYING, REFUSED (bad token), STOPPED.

    ``last_poll_at`` is in epoch milliseconds; the wire has seconds.
    """

    state: str = "STARTING"
    username: str | None = None
    last_poll_at: int | None = None
    consecutive_errors: int = 0
    last_error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As on the wire."""
        polled = self.last_poll_at
        return {
            "state": self.state,
            "username": self.username,
            "lastPollAt": None if polled is None else polled // 1000,
            "consecutiveErrors": self.consecutive_errors,
            "lastError": self.last_error,
        }


@dataclass(slots=True)
class _Memory:
    """What only this run knows; losing it costs nothing."""

    offset: int | None = None
    last_update: float = 0.0
    conflict_since: float | None = None
    conflict_told: bool = False
    not_before: dict[int, float] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)


class Poller:
    """One bot's updates. ``run`` returns soon after ``stopping`` is set, and raises for nobody's faults."""

    def __init__(
        self, bot: Bot, dispatcher: Dispatcher, desk: Desk, *, pace: Pace | None = None
    ) -> None:
        self._bot, self._dispatcher, self._desk = bot, dispatcher, desk
        self._pace = pace or Pace()
        self.status = BotStatus()
        self._memory = _Memory()
        self._stir = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen())
            group.create_task(self._work(stopping))
            await stopping.wait()
            listening.cancel()
            self._stir.set()
        if self.status.state != "REFUSED":
            self.status.state = "STOPPED"

    # ---- listening

    async def _listen(self) -> None:
        ready = False
        while True:
            try:
                if not ready:
                    await self._prepare()
                    ready = True
                await self._poll()
                self._polled()
            except TelegramUnauthorizedError as error:
                self._failed(error)
                self.status.state = "REFUSED"
                _log.error(
                    "Telegram refuses the bot token; polling stopped. Everything else goes on."
                )
                return
            except Exception as error:  # noqa: BLE001 - whatever fails, listening goes on
                self._failed(error)
                await self._conflict(error)
                await asyncio.sleep(self._pause(error))

    async def _prepare(self) -> None:
        me = await self._bot.get_me(request_timeout=10)
        self.status.username = me.username
        await self._refuse_webhook()
        commands = [
            BotCommand(command=name, description=what) for name, what in texts.COMMANDS.items()
        ]
        await self._bot.set_my_commands(commands, request_timeout=10)

    async def _refuse_webhook(self) -> None:
        """A webhook we did not set means that somebody else reads the owner's taps."""
        webhook = await self._bot.get_webhook_info(request_timeout=10)
        if webhook.url:
            await self._freeze("a webhook that this wallet did not set")
            await self._bot.delete_webhook(drop_pending_updates=False, request_timeout=10)

    async def _freeze(self, what: str) -> None:
        _log.warning("approving in Telegram is frozen: %s", what)
        await self._desk.console.freeze("POLLER_CONFLICT", {"what": what})

    async def _poll(self) -> None:
        # Without an offset first: what was stored but not acknowledged comes again and is known by its number.
        memory, loop = self._memory, asyncio.get_running_loop()
        if loop.time() - memory.last_update > QUIET_SECONDS:
            memory.offset = None
        # Until one poll succeeded nobody knows whether Telegram answers, so that one asks without waiting.
        seconds = self._pace.poll if self.status.state == "POLLING" else 0
        call = RawUpdates(offset=memory.offset, timeout=seconds, allowed_updates=ALLOWED_UPDATES)
        updates: Any = await self._bot(call, request_timeout=seconds + 10)
        if not updates:
            return
        memory.last_update = loop.time()
        await self._store(updates)

    async def _store(self, updates: list[dict[str, Any]]) -> None:
        rule = await present_rule(self._desk)
        kept = {
            int(update["update_id"]): json.dumps(update)
            for update in updates
            if rule.admits(caller_of_raw(update))
        }
        after = max(int(update["update_id"]) for update in updates) + 1
        await self._desk.inbox.store_updates(kept, next_offset=after)
        self._memory.offset = after
        self._stir.set()

    def _polled(self) -> None:
        self.status.state = "POLLING"
        self.status.last_poll_at = self._desk.clock.now()
        self.status.consecutive_errors = 0
        self._memory.conflict_since, self._memory.conflict_told = None, False

    def _failed(self, error: Exception) -> None:
        self.status.state = "RETRYING"
        self.status.consecutive_errors += 1
        self.status.last_error = type(error).__name__
        if self.status.consecutive_errors in (1, 10, 100):
            _log.warning("polling Telegram failed: %s", whereabouts(error))

    async def _conflict(self, error: Exception) -> None:
        """Somebody else polls, or set a webhook: harmless for a moment, an alarm when it lasts."""
        if not isinstance(error, TelegramConflictError):
            return
        memory, now = self._memory, asyncio.get_running_loop().time()
        memory.conflict_since = memory.conflict_since or now
        with suppress(TelegramAPIError):
            await self._refuse_webhook()
        if now - memory.conflict_since >= self._pace.conflict and not memory.conflict_told:
            memory.conflict_told = True
            await self._freeze("another program polls with the same token")

    def _pause(self, error: Exception) -> float:
        if isinstance(error, TelegramRetryAfter):
            return float(error.retry_after)
        doubled = self._pace.first_pause * 2.0 ** min(self.status.consecutive_errors - 1, 20)
        return min(doubled, self._pace.longest_pause)

    # ---- handling

    async def _work(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            self._stir.clear()
            try:
                update = await self._next()
                if update is not None:
                    await self._handle(update)
                    continue
            except Exception as error:  # noqa: BLE001 - the store may be busy; what waits stays stored
                _log.warning("taking up updates failed: %s", whereabouts(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._until_due()):
                    await self._stir.wait()

    def _until_due(self) -> float:
        now = asyncio.get_running_loop().time()
        due = min(self._memory.not_before.values(), default=now + IDLE_SECONDS)
        return min(max(due - now, 0.05), IDLE_SECONDS)

    async def _next(self) -> StoredUpdate | None:
        """The next update to handle: taps that stop something first, then in order."""
        now = asyncio.get_running_loop().time()
        waiting = await self._desk.inbox.waiting_updates()
        ready = [one for one in waiting if self._memory.not_before.get(one.update_id, 0.0) <= now]
        ready.sort(key=lambda one: one.update_id)
        for update in ready[1:]:
            if await self._stops_something(update):
                return update
        return ready[0] if ready else None

    async def _stops_something(self, update: StoredUpdate) -> bool:
        query = _parsed(update).get("callback_query")
        data = query.get("data") if isinstance(query, Mapping) else None
        if not isinstance(data, str) or len(data) != HANDLE_LENGTH + 2:
            return False
        return await self._desk.inbox.is_protective(data[2:])

    async def _handle(self, stored: StoredUpdate) -> None:
        try:
            update = Update.model_validate(_parsed(stored), context={"bot": self._bot})
            await self._dispatcher.feed_update(self._bot, update)
        except PASSING as error:
            await self._later(stored, error)
        except Exception as error:  # noqa: BLE001 - one update must not stop the others
            _log.error("update %d was not handled: %s", stored.update_id, whereabouts(error))
            self._memory.not_before[stored.update_id] = self._again(stored, 1.0)
            await self._desk.inbox.fail_update(stored)
        else:
            self._forget(stored)
            await self._desk.inbox.finish_update(stored)

    async def _later(self, stored: StoredUpdate, error: TelegramAPIError) -> None:
        """Telegram is the one that failed: try again, as long as an answer still makes sense."""
        if self._desk.clock.now() - stored.received_at > REPLY_MS:
            self._forget(stored)
            await self._desk.inbox.finish_update(stored)
            return
        pause = float(error.retry_after) if isinstance(error, TelegramRetryAfter) else 0.5
        self._memory.not_before[stored.update_id] = self._again(stored, pause)

    def _again(self, stored: StoredUpdate, pause: float) -> float:
        tries = self._memory.tries.get(stored.update_id, 0)
        self._memory.tries[stored.update_id] = tries + 1
        longest = max(pause, self._pace.longest_pause)
        return asyncio.get_running_loop().time() + min(pause * 2.0 ** min(tries, 10), longest)

    def _forget(self, stored: StoredUpdate) -> None:
        self._memory.not_before.pop(stored.update_id, None)
        self._memory.tries.pop(stored.update_id, None)


def _parsed(update: StoredUpdate) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(update.body)
    return parsed
