"""What the stand-in's Telegram knows: users, messages, updates, callbacks, faults, listeners.

Nothing here speaks HTTP. All times are epoch seconds unless a name says otherwise.
"""

import asyncio
import itertools
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from wallet.sandbox.telegram.values import (
    Draft,
    Json,
    Message,
    Photo,
    Sender,
    User,
    bad_request,
)

ANSWER_SECONDS: Final = 5
QUERY_SECONDS: Final = 60
MAX_POLL_SECONDS: Final = 50
GRACE_SECONDS: Final = 3
REMEMBERED_CALLS: Final = 2000
OPTIONAL_UPDATES: Final = frozenset(
    {"chat_member", "message_reaction", "message_reaction_count"},
)


@dataclass
class Query:
    """A pressed button that waits for answerCallbackQuery."""

    asked: float  # loop time
    answer: Json | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Poll:
    """One open getUpdates call."""

    stir: asyncio.Event = field(default_factory=asyncio.Event)
    superseded: bool = False
    gone: bool = False

    def leave(self) -> None:
        self.gone = True
        self.stir.set()


@dataclass
class Fault:
    kind: str
    method: str | None
    count: int
    retry_after: int
    seconds: float


def epoch_seconds() -> int:
    return time.time_ns() // 1_000_000_000


class Telegram:
    """One bot, its owner and a stranger, as Telegram's servers would keep them."""

    def __init__(
        self, bot: User, owner: User, token: str, now: Callable[[], int] = epoch_seconds
    ) -> None:
        self.bot, self.owner, self.token, self._now = bot, owner, token, now
        self.people: dict[Sender, User] = {
            "owner": owner,
            "stranger": User(owner.id + 1001, "Stranger", "stranger"),
        }
        self.open_chats = {owner.id}
        self.messages: dict[int, Message] = {}
        self.photos: dict[str, Photo] = {}
        self.commands: dict[tuple[str, str], list[Json]] = {}
        self.about: dict[str, str] = {}
        self.webhook = ""
        self.allowed: list[str] = []
        self.updates: deque[Json] = deque()
        self.queries: dict[str, Query] = {}
        self.calls: deque[Json] = deque(maxlen=REMEMBERED_CALLS)
        self.faults: list[Fault] = []
        self.closing = asyncio.Event()
        self._listeners: dict[asyncio.Queue[tuple[str, Json] | None], int] = {}
        self._poll: Poll | None = None
        self._poll_ended = -math.inf
        self._message_ids = itertools.count(1)
        self._update_ids = itertools.count(500_000_001)
        self._chat_instance = str(secrets.randbits(62))

    # ---- messages

    def person(self, user_id: int) -> User | None:
        return next((user for user in self.people.values() if user.id == user_id), None)

    def history(self, chat_id: int) -> list[Message]:
        return [m for m in self.messages.values() if m.chat.id == chat_id]

    def post(self, chat: User, sender: Sender, draft: Draft) -> Message:
        author = self.bot if sender == "bot" else self.people[sender]
        number = next(self._message_ids)
        message = Message(number, chat, author, sender, self._now(), draft)
        self.messages[number] = message
        self._tell(chat.id, "message", message.as_chat_json())
        return message

    def says(self, sender: Sender, draft: Draft) -> Message:
        """A person writes to the bot; the first words press Start."""
        person = self.people[sender]
        self.open_chats.add(person.id)
        message = self.post(person, sender, draft)
        self._push("message", self.as_json(message))
        return message

    def edit(self, message: Message, draft: Draft) -> Message:
        seen = (draft.text, draft.photo) != (message.draft.text, message.draft.photo)
        edited = message.edited or seen or draft.entities != message.draft.entities
        changed = replace(message, draft=draft, edit_date=self._now(), edited=edited)
        self.messages[message.message_id] = changed
        self._tell(message.chat.id, "edit", changed.as_chat_json())
        return changed

    def delete(self, message: Message) -> None:
        del self.messages[message.message_id]
        self._tell(message.chat.id, "delete", {"message_id": message.message_id})

    def typing(self, chat_id: int, action: str) -> None:
        self._tell(chat_id, "typing", {"action": action})

    def as_json(self, message: Message) -> Json:
        """A Message of the Bot API."""
        draft = message.draft
        shown: Json = {
            "message_id": message.message_id,
            "from": message.author.as_json(),
            "chat": message.chat.as_chat(),
            "date": message.date,
        }
        if message.edit_date is not None:
            shown["edit_date"] = message.edit_date
        text, entities = ("caption", "caption_entities") if draft.photo else ("text", "entities")
        parts: Json = {
            "photo": [draft.photo.as_json()] if draft.photo else None,
            text: draft.text,
            entities: list(draft.entities),
            "reply_markup": {"inline_keyboard": draft.keyboard} if draft.keyboard else None,
            "reply_to_message": self._replied(draft),
        }
        return {**shown, **{key: value for key, value in parts.items() if value}}

    def _replied(self, draft: Draft) -> Json | None:
        message = self.messages.get(draft.reply_to) if draft.reply_to else None
        if message is None:
            return None
        return self.as_json(replace(message, draft=replace(message.draft, reply_to=None)))

    # ---- updates

    def _push(self, kind: str, content: Json) -> None:
        wanted = kind in self.allowed if self.allowed else kind not in OPTIONAL_UPDATES
        if wanted:
            self.deliver(kind, content)

    def deliver(self, kind: str, content: Json) -> None:
        """Queue an update, also of a kind that the bot did not ask for: Telegram sends those for a while."""
        self.updates.append({"update_id": next(self._update_ids), kind: content})
        if self._poll is not None:
            self._poll.stir.set()

    def confirm(self, offset: int) -> None:
        """Forget updates before `offset`; a negative one keeps that many of the last."""
        while offset > 0 and self.updates and self.updates[0]["update_id"] < offset:
            self.updates.popleft()
        while offset < 0 and len(self.updates) > -offset:
            self.updates.popleft()

    @property
    def polled(self) -> bool:
        """Whether a bot is listening now, or was a moment ago."""
        now = asyncio.get_running_loop().time()
        return self._poll is not None or now - self._poll_ended < GRACE_SECONDS

    @contextmanager
    def polling(self, poll: Poll) -> Iterator[None]:
        """Make `poll` the one listener; an older one ends with a conflict."""
        was_polled = self.polled
        older, self._poll = self._poll, poll
        if older is not None:
            older.superseded = True
            older.stir.set()
        elif not was_polled:
            self.tell_all("info", {})
        try:
            yield
        finally:
            if self._poll is poll:
                self._poll = None
                self._poll_ended = asyncio.get_running_loop().time()

    async def next_updates(self, poll: Poll, limit: int, seconds: float) -> list[Json]:
        """Up to `limit` updates, as soon as there is one, `seconds` passed or the poll is over."""
        try:
            async with asyncio.timeout(min(seconds, MAX_POLL_SECONDS)):
                while not (self.updates or poll.superseded or poll.gone or self.closing.is_set()):
                    poll.stir.clear()
                    await poll.stir.wait()
        except TimeoutError:
            return []
        return list(itertools.islice(self.updates, limit))

    # ---- buttons

    async def press(self, sender: Sender, shown: Json, data: str) -> Json | None:
        """Send a callback query about the message as `shown`; what the bot answered, or None."""
        query = Query(asyncio.get_running_loop().time())
        query_id = str(secrets.randbits(62))
        self.queries[query_id] = query
        self._push(
            "callback_query",
            {
                "id": query_id,
                "from": self.people[sender].as_json(),
                "message": shown,
                "chat_instance": self._chat_instance,
                "data": data,
            },
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await query.done.wait()
        except TimeoutError:
            return None
        return query.answer

    def answer(self, query_id: str, answer: Json) -> None:
        query = self.queries.pop(query_id, None)
        now = asyncio.get_running_loop().time()
        if query is None or now - query.asked > QUERY_SECONDS:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        query.answer = answer
        query.done.set()

    # ---- faults and calls

    def record(self, method: str, params: Json) -> Json:
        call: Json = {"at": self._now(), "method": method, "params": params, "status": None}
        self.calls.append(call)
        return call

    def take_fault(self, method: str) -> Fault | None:
        """The first planted fault for `method`, used up by one."""
        for fault in self.faults:
            if fault.method is None or fault.method.lower() == method.lower():
                fault.count -= 1
                if fault.count <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    async def pause(self, seconds: float) -> None:
        """Wait, unless the process is asked to end."""
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    # ---- listeners

    @contextmanager
    def listening(self, chat_id: int) -> Iterator[asyncio.Queue[tuple[str, Json] | None]]:
        """A queue of (event, content) about one chat; None when the process ends."""
        queue: asyncio.Queue[tuple[str, Json] | None] = asyncio.Queue()
        self._listeners[queue] = chat_id
        if self.closing.is_set():
            queue.put_nowait(None)
        try:
            yield queue
        finally:
            del self._listeners[queue]

    def _tell(self, chat_id: int, event: str, content: Json) -> None:
        for queue, listens_to in self._listeners.items():
            if listens_to == chat_id:
                queue.put_nowait((event, content))

    def tell_all(self, event: str, content: Json) -> None:
        for queue in self._listeners:
            queue.put_nowait((event, content))

    def close(self) -> None:
        """Wake everything that waits, so that the process can end at once."""
        self.closing.set()
        if self._poll is not None:
            self._poll.stir.set()
        for query in self.queries.values():
            query.done.set()
        for queue in self._listeners:
            queue.put_nowait(None)
