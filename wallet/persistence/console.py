"""What the owner sees and presses: cards, alerts, handles, challenges, stored updates."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from wallet.domain.console import Alert, AlertState, Card, Challenge, Handle, StoredUpdate
from wallet.persistence import owner_models as models
from wallet.persistence.fields import encode_json
from wallet.persistence.rows import Connection, Table

RENDERINGS_KEPT = 3  # a tap must match one of the last texts that were shown

_CARD_COLUMNS = tuple(f.name for f in fields(Card))


def _card(*columns: Any) -> Card:
    card = Card(*columns)
    return replace(card, renderings=tuple(card.renderings))


_CARDS: Table[Card] = Table(models.Card, _card, _CARD_COLUMNS)
_ALERTS = Table.of(models.Alert, Alert)
_HANDLES = Table.of(models.Handle, Handle)
_CHALLENGES = Table.of(models.Challenge, Challenge)
_UPDATES = Table.of(models.TelegramUpdate, StoredUpdate)
_OFFSET = "telegram_offset"


class SqlConsole:
    def __init__(self, db: Connection) -> None:
        self._db = db
        self.touched = False  # whether something was written that the owner should see

    # Cards

    async def want_card(self, transaction_id: str, chat_id: int) -> None:
        self.touched = True
        card = Card(transaction_id, chat_id, wanted=1, shown=0)
        again = "ON CONFLICT (transaction_id) DO UPDATE SET wanted = wanted + 1, retry_at = 0"
        _CARDS.add(self._db, card, otherwise=again)

    async def card(self, transaction_id: str) -> Card | None:
        return _CARDS.one(self._db, "transaction_id = ?", (transaction_id,))

    async def card_by_message(self, chat_id: int, message_id: int) -> Card | None:
        return _CARDS.one(self._db, "chat_id = ? AND message_id = ?", (chat_id, message_id))

    async def cards_due(self, now: int, limit: int) -> list[Card]:
        where = "wanted > shown AND retry_at <= ? ORDER BY retry_at, transaction_id LIMIT ?"
        return _CARDS.find(self._db, where, (now, limit))

    async def save_card(self, card: Card) -> None:
        kept = replace(card, renderings=card.renderings[-RENDERINGS_KEPT:])
        self._save(_CARDS, kept, "transaction_id", but=("wanted",))

    # Alerts

    async def alert(self, dedup_key: str, kind: str, payload: Mapping[str, str], at: int) -> bool:
        self.touched = True
        sql = (
            "INSERT INTO alerts (dedup_key, kind, payload, state, attempts, retry_at, created_at)"
            " VALUES (?, ?, ?, ?, 0, ?, ?) ON CONFLICT (dedup_key) DO NOTHING"
        )
        waiting = AlertState.WAITING.value
        return (
            self._db.run(sql, (dedup_key, kind, encode_json(dict(payload)), waiting, at, at)) == 1
        )

    async def alerts_of(self, kind: str) -> list[Alert]:
        return _ALERTS.find(self._db, "kind = ? ORDER BY id", (kind,))

    async def alerts_due(self, now: int, limit: int) -> list[Alert]:
        where = "state = 'WAITING' AND retry_at <= ? ORDER BY retry_at, id LIMIT ?"
        return _ALERTS.find(self._db, where, (now, limit))

    async def save_alert(self, alert: Alert) -> None:
        self._save(_ALERTS, alert, "id")

    async def next_retry(self) -> int | None:
        rows = self._db.rows(
            "SELECT min(retry_at) FROM cards WHERE wanted > shown"
            " UNION ALL SELECT min(retry_at) FROM alerts WHERE state = 'WAITING'"
        )
        return min((int(at) for (at,) in rows if at is not None), default=None)

    # Handles

    async def add_handle(self, handle: Handle) -> None:
        _HANDLES.add(self._db, handle)

    async def handle(self, handle: str) -> Handle | None:
        if (
            not handle.isascii()
        ):  # none of ours, and half a surrogate pair could not even be asked for
            return None
        return _HANDLES.one(self._db, "handle = ?", (handle,))

    async def handles_of(self, subject: str) -> list[Handle]:
        return _HANDLES.find(self._db, "subject = ? ORDER BY rowid", (subject,))

    async def use_handle(self, handle: str, at: int) -> bool:
        where = "handle = ? AND used_at IS NULL"
        return _HANDLES.change(self._db, {"used_at": at}, where, (handle,)) == 1

    async def bind_handles(self, handles: Sequence[str], message_id: int, rendering: str) -> None:
        marks = ", ".join("?" * len(handles))
        changes = {"message_id": message_id, "rendering": rendering}
        _HANDLES.change(self._db, changes, f"handle IN ({marks})", handles)

    # Challenges

    async def add_challenge(self, challenge: Challenge) -> None:
        _CHALLENGES.add(self._db, challenge)

    async def open_challenge(self, now: int) -> Challenge | None:
        where = "consumed_at IS NULL AND expires_at > ? ORDER BY rowid DESC LIMIT 1"
        return _CHALLENGES.one(self._db, where, (now,))

    async def save_challenge(self, challenge: Challenge) -> None:
        self._save(_CHALLENGES, challenge, "id")

    async def end_challenges(self, at: int) -> None:
        _CHALLENGES.change(self._db, {"consumed_at": at}, "consumed_at IS NULL", ())

    # Updates

    async def add_update(self, update: StoredUpdate) -> bool:
        added = _UPDATES.add(self._db, update, otherwise="ON CONFLICT (update_id) DO NOTHING")
        if await self.next_update_offset() <= update.update_id:
            await self.set_update_offset(update.update_id + 1)
        return added

    async def waiting_updates(self) -> list[StoredUpdate]:
        return _UPDATES.find(self._db, "handled_at IS NULL ORDER BY update_id")

    async def save_update(self, update: StoredUpdate) -> None:
        self._save(_UPDATES, update, "update_id")

    async def next_update_offset(self) -> int:
        rows = self._db.rows("SELECT value FROM numbers WHERE name = ?", (_OFFSET,))
        return int(rows[0][0]) if rows else 0

    async def set_update_offset(self, offset: int) -> None:
        sql = (
            "INSERT INTO numbers (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        self._db.run(sql, (_OFFSET, offset))

    def _save(self, table: Table[Any], value: Any, key: str, but: Sequence[str] = ()) -> None:
        """Write every column back but the key and those in ``but``."""
        changes = {
            name: getattr(value, name) for name in table.columns if name != key and name not in but
        }
        table.change(self._db, changes, f"{key} = ?", (getattr(value, key),))
