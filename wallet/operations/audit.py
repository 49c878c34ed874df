"""The audit log: read, verified along its chain, checked at start, and its head told to the owner once a day."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from wallet.domain.audit_chain import (
    HMAC,
    PLAIN,
    SHORT,
    START,
    Head,
    Verdict,
    missing_end,
    nothing_walked,
    short,
    verify,
)
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.errors import Code, UnavailableError
from wallet.operations.safety import Safety
from wallet.ports.store import Reads, Store, Unit
from wallet.ports.world import Clock
from wallet.safety.keyring import Keyring

log = structlog.get_logger(__name__)

DAILY_HEAD: Final = "AUDIT_HEAD"
TAIL_ROWS: Final = 1_000
CHUNK: Final = 200  # rows between two breaths of the event loop
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Walked:
    """A part of a verification. ``done`` when it reached the end of the log."""

    verdict: Verdict
    done: bool


class AuditLog:
    """Reads only; works on a running daemon's store and on a stopped one's file alike."""

    def __init__(self, store: Reads, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    async def page(
        self, after: int, limit: int, transaction_id: str | None = None
    ) -> list[Mapping[str, Any]]:
        """At most ``limit`` rows beyond the number ``after``, in order."""
        return await self._store.read(
            lambda unit: unit.audit.rows(after=after, limit=limit, transaction_id=transaction_id)
        )

    async def head(self) -> Head:
        return await self._store.read(lambda unit: unit.audit.head())

    async def walk(
        self, head: Head = START, *, limit: int, known: Mapping[int, str] | None = None
    ) -> Walked:
        """Verify at most ``limit`` rows from ``head`` on, with the key while the keystore is open.

        ``known`` maps numbers to the beginning of a hash that was noted elsewhere; the heads that were told
        to the owner count as known too. A head that is known and lies beyond the end says that the end was cut.
        """
        noted = {**await self._store.read(_told_heads), **(known or {})}
        verdict = nothing_walked(head)
        key = self._keyring.audit_key()
        left = limit
        while left:
            rows = await self.page(verdict.head[0], min(CHUNK, left))
            verdict = verdict.then(verify(rows, key, head=verdict.head, known=noted))
            if not verdict.is_sound:
                return Walked(verdict, done=True)
            if not rows:
                return Walked(missing_end(verdict, noted), done=True)
            left -= len(rows)
            await asyncio.sleep(0)
        return Walked(verdict, done=False)


class AuditGuard:
    """Looks at the newest rows before anything is signed, and tells the owner where the log stands."""

    def __init__(self, store: Store, clock: Clock, safety: Safety) -> None:
        self._store = store
        self._clock = clock
        self._safety = safety

    async def require_sound_tail(self, key: bytes | None) -> Mapping[str, str]:
        """Check the last rows: with ``key`` all of them, without it those that are chained plainly.

        Answers which plain rows the next HMAC row seals, for the fact of an unlock. A row that does not fit
        stops everything: somebody wrote to the database behind the daemon's back. A recovery accepts what
        is there, so the check begins at the last one. A stop that is told after it was not recovered from,
        whatever the stored state says. Raises SYSTEM_LOCKED.
        """
        rows, head = await self._store.read(_tail)
        verdict = verify(rows, key, head=head)
        if verdict.is_sound:
            await self._require_ended_stops(rows)
            return _to_seal(rows)
        log.error("audit_does_not_fit", first_bad=verdict.first_bad, reason=verdict.reason)
        if (await self._safety.state()).state is StopState.NORMAL:
            await self._stop(verdict)
        raise UnavailableError(
            Code.SYSTEM_LOCKED,
            f"The audit log was changed: {verdict.reason}. Everything is stopped.",
            hint="Look with: waiaas audit verify. Then on the host: waiaas recover.",
        )

    async def _require_ended_stops(self, rows: list[Mapping[str, Any]]) -> None:
        told = any(row["fact"] == Fact.KILL_SWITCH_ACTIVATED for row in rows)
        if not told or (await self._safety.state()).state is not StopState.NORMAL:
            return
        now = self._clock.now()
        await self._store.run(
            lambda unit: unit.audit.append(Fact.STATE_UNTRUSTED, actor="system", at=now)
        )
        await self._safety.halt("the audit log tells of a stop that no recovery ended", "system")
        raise UnavailableError(
            Code.SYSTEM_LOCKED,
            "The audit log tells of a stop that no recovery ended, so everything is stopped.",
            hint="Somebody wrote to the database. On the host: waiaas recover.",
        )

    async def _stop(self, verdict: Verdict) -> None:
        now = self._clock.now()
        about = {"firstBad": str(verdict.first_bad), "reason": str(verdict.reason)}
        await self._store.run(
            lambda unit: unit.audit.append(
                Fact.AUDIT_UNTRUSTED, actor="system", at=now, details=about
            )
        )
        await self._safety.halt(f"the audit log was changed: {verdict.reason}", "system")

    async def tell_head(self) -> bool:
        """Put today's head into the owner's chat, once per UTC day; True when it was put there now.

        The first day needs none: everything it holds is younger than the pairing.
        """
        now = self._clock.now()
        day = datetime.fromtimestamp(now / 1000, UTC).date().isoformat()

        async def body(unit: Unit) -> bool:
            oldest = await unit.audit.rows(limit=1)
            if await unit.authority.owner() is None or not oldest:
                return False
            if oldest[0]["at"] // DAY_MS >= now // DAY_MS:
                return False
            head = await unit.audit.head()
            about = {"day": day, "number": str(head[0]), "hash": head[1], "head": short(head)}
            return await unit.console.alert(f"{DAILY_HEAD}:{day}", DAILY_HEAD, about, now)

        return await self._store.run(body)


async def _told_heads(unit: Unit) -> dict[int, str]:
    """The heads of the daily messages, as they were stored with them."""
    found: dict[int, str] = {}
    for alert in await unit.console.alerts_of(DAILY_HEAD):
        number, digits = alert.payload.get("number", ""), alert.payload.get("hash", "")
        if number.isdecimal() and len(digits) >= SHORT:
            found[int(number)] = digits
    return found


async def _tail(unit: Unit) -> tuple[list[Mapping[str, Any]], Head]:
    """The rows to check, and the head they must follow."""
    number, _ = await unit.audit.head()
    rows = await unit.audit.rows(after=max(0, number - TAIL_ROWS - 1), limit=TAIL_ROWS + 1)
    head = START
    if number > TAIL_ROWS:
        head, rows = (int(rows[0]["number"]), str(rows[0]["hash"])), rows[1:]
    for place in range(len(rows) - 1, 0, -1):
        row, before = rows[place], rows[place - 1]
        if row["fact"] == Fact.KILL_SWITCH_RECOVERED and row["chaining"] == HMAC:
            return rows[place:], (row["number"] - 1, str(before["hash"]))
    return rows, head


def _to_seal(rows: list[Mapping[str, Any]]) -> dict[str, str]:
    """The plain rows at the end, which whatever is chained with the key next seals."""
    last = first = None
    for row in reversed(rows):
        if row["chaining"] != PLAIN:
            break
        first = row["number"]
        last = last or first
    return {} if first is None else {"sealedFrom": str(first), "sealedTo": str(last)}
