"""The owner's chat with a house: the real bot polls a local Telegram over HTTP and acts on the real operations."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bot import lean

lean.load()

from bot.app import build  # noqa: E402
from bot.doors import Desk  # noqa: E402
from bot.poller import Pace  # noqa: E402
from tests.support.console_world import eventually  # noqa: E402
from tests.support.house import House  # noqa: E402
from tests.support.local_telegram import LocalTelegram, local_telegram  # noqa: E402
from tests.support.telegram_sandbox import Visitor  # noqa: E402
from wallet.sandbox.telegram.state import Fault  # noqa: E402

OWNER_ID = 7  # whom tests.support.world pairs
PACE = Pace(poll=2, first_pause=0.05, longest_pause=0.5, conflict=0.3)
# Whatever the bot says or shows goes out by one of these.
OUTGOING = (
    "sendMessage", "editMessageText", "editMessageReplyMarkup", "answerCallbackQuery", "deleteMessage"
)  # fmt: skip
Message = dict[str, Any]


@dataclass
class Chat:
    """``owner`` and ``stranger`` write and tap; the bot and the outbox run until the context ends."""

    home: House
    telegram: LocalTelegram
    owner: Visitor
    stranger: Visitor
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _works: list[asyncio.Task[None]] = field(default_factory=list)
    _pressing: list[asyncio.Task[Message]] = field(default_factory=list)

    # ---- writing and tapping

    async def asks(
        self, said: str, *words: str, button: str | None = None, who: Visitor | None = None
    ) -> Message:
        """Say it, and wait for a message of the bot that came after it."""
        who = who or self.owner
        mine = await who.says(said)
        return await self.finds(*words, button=button, who=who, after=mine["message_id"])

    async def finds(
        self, *words: str, button: str | None = None, who: Visitor | None = None, after: int = 0
    ) -> Message:
        """The newest message of the bot with all words and, where wanted, a button so labelled."""

        async def look() -> Message | None:
            for message in (await (who or self.owner).messages())[::-1]:
                fits = all(word in message["text"] for word in words)
                has = button is None or data_of(message, button)
                if message["from"] == "bot" and message["message_id"] > after and fits and has:
                    return message
            return None

        found: Message = await eventually(look)
        return found

    async def taps(self, message: Message, label: str, **more: str) -> Message:
        """Press a button as it was shown on this message; the bot's answer, after all that it started."""
        return await self.taps_data(message, data_of(message, label), **more)

    async def taps_data(self, message: Message, data: str, **more: str) -> Message:
        answer = await self.owner.presses(message["message_id"], data, **more)
        assert answer["answered"], "the bot did not answer the tap"
        await self.home.world.quiet()
        return answer

    def taps_unheard(self, message: Message, label: str) -> None:
        """Press it without waiting for an answer."""
        pressing = self.owner.presses(message["message_id"], data_of(message, label))
        self._pressing.append(asyncio.create_task(pressing))

    async def approves(self, *words: str) -> Message:
        """Both taps on the card with these words; what the second was answered."""
        await self.taps(await self.finds(*words, button="Approve"), "Approve")
        return await self.taps(await self.finds(*words, button="Confirm"), "Confirm")

    async def told_all(self) -> None:
        """Wait until the owner was told whatever there is to tell."""

        async def is_done() -> bool:
            return await self.home.world.app.outbox.next_due() is None

        await eventually(is_done)

    # ---- Telegram's side

    def lets_nothing_out(self) -> None:
        """From now on each call of the bot that says or shows something fails; updates still arrive."""
        self.telegram.state.faults += [
            Fault(kind="502", method=method, count=10**6, retry_after=1, seconds=0)
            for method in OUTGOING
        ]

    def lets_out_again(self) -> None:
        self.telegram.state.faults.clear()

    def calls(self, *methods: str) -> list[dict[str, Any]]:
        return [call for call in self.telegram.state.calls if call["method"] in methods]

    # ---- the daemon's side

    async def starts(self) -> None:
        """Compose the bot over what the house is now."""
        app, world = self.home.world.app, self.home.world
        networks = {
            name: (chain.network.symbol, chain.network.decimals)
            for name, chain in world.chains.items()
        }
        desk = Desk(
            app.console, app.inbox, app.queries, app.sessions, app.owner, world.clock, networks
        )
        telegram = build(self.telegram.token, self.telegram.api, desk, pace=PACE)
        app.outbox.attach(telegram.channel)
        self._stopping = asyncio.Event()
        self._works = [
            asyncio.create_task(work(self._stopping)) for work in (telegram.run, app.outbox.run)
        ]

    async def stops(self) -> None:
        self._stopping.set()
        for pressing in self._pressing:
            pressing.cancel()
        await asyncio.gather(*self._works)

    async def restarts(self, *, unlocked: bool = True) -> None:
        """The daemon ends and starts again; Telegram keeps its side."""
        await self.stops()
        await self.home.world.restart(unlocked=unlocked)
        await self.starts()


def labels_of(message: Message) -> list[str]:
    return [button["text"] for row in message["buttons"] for button in row]


def data_of(message: Message, label: str) -> str:
    """What the button carries whose label begins so; empty without one."""
    found = (b["data"] for row in message["buttons"] for b in row if b["text"].startswith(label))
    return str(next(found, ""))


@asynccontextmanager
async def chat_of(home: House) -> AsyncIterator[Chat]:
    async with local_telegram(OWNER_ID) as telegram:
        owner, stranger = Visitor(telegram), Visitor(telegram, "stranger")
        made = Chat(home, telegram, owner, stranger)
        await made.starts()
        try:
            yield made
        finally:
            await made.stops()
            await owner.close()
            await stranger.close()
