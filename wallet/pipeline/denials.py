"""Denials: explained to the agent, and cheap enough that a flood of them fills nothing.

The first twenty a minute per session are audited one by one. Beyond that they are answered from memory and
summed up in one audit row a minute.
"""

from dataclasses import dataclass, field

from wallet.domain.decisions import Decision
from wallet.domain.facts import Fact
from wallet.domain.intents import Intent
from wallet.domain.money import format_units
from wallet.domain.prices import USD, USD_DECIMALS
from wallet.errors import RefusedError
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock

WRITTEN_PER_MINUTE = 20
MINUTE_MS = 60_000
REMEMBERED_MS = 2_000  # short, so that a loosened policy or a freed window is felt at once
REMEMBERED_AT_MOST = 1_000


@dataclass(slots=True)
class _Minute:
    started_at: int
    seen: int = 0
    unwritten: int = 0
    answers: dict[str, tuple[int, RefusedError]] = field(default_factory=dict)


class Denials:
    """Per session: what was denied in the current minute."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._minutes: dict[str, _Minute] = {}
        self._summed: dict[str, int] = {}

    def remembered(self, session_id: str, request_hash: str) -> RefusedError | None:
        """The refusal of a moment ago, where the session is over its share of written denials."""
        minute = self._minutes.get(session_id)
        if minute is None or minute.seen < WRITTEN_PER_MINUTE:
            return None
        until, refusal = minute.answers.get(request_hash, (0, None))
        if refusal is None or self._clock.now() >= until:
            return None
        return RefusedError(
            refusal.code, refusal.message, details=refusal.details, hint=refusal.hint
        )

    def count_unwritten(self, session_id: str) -> None:
        """One more denial was answered from memory; it is summed up later."""
        self._minute(session_id).unwritten += 1

    def may_write(self, session_id: str) -> bool:
        """Whether one more denial of the session gets its own audit row; counts it."""
        minute = self._minute(session_id)
        minute.seen += 1
        if minute.seen <= WRITTEN_PER_MINUTE:
            return True
        minute.unwritten += 1
        return False

    def remember(self, session_id: str, request_hash: str, refusal: RefusedError) -> None:
        answers = self._minute(session_id).answers
        if len(answers) >= REMEMBERED_AT_MOST:
            answers.clear()
        answers[request_hash] = (self._clock.now() + REMEMBERED_MS, refusal)

    def forget(self) -> None:
        """Something that decides changed; every remembered answer is void."""
        for minute in self._minutes.values():
            minute.answers.clear()

    async def write_sums(self) -> None:
        """Write one audit row per session for what was not written in minutes that are over."""
        now = self._clock.now()
        for session_id, minute in list(self._minutes.items()):
            if now - minute.started_at >= MINUTE_MS:
                self._close(session_id, minute)
        summed, self._summed = self._summed, {}
        if not summed:
            return

        async def body(unit: Unit) -> None:
            for session_id, count in summed.items():
                await unit.audit.append(
                    Fact.TX_DENIALS_SUMMED,
                    actor=f"session:{session_id}",
                    at=now,
                    session_id=session_id,
                    details={"count": str(count)},
                )

        await self._store.run(body)

    def _minute(self, session_id: str) -> _Minute:
        now = self._clock.now()
        minute = self._minutes.get(session_id)
        if minute is not None and now - minute.started_at < MINUTE_MS:
            return minute
        if minute is not None:
            self._close(session_id, minute)
        fresh = self._minutes[session_id] = _Minute(now)
        return fresh

    def _close(self, session_id: str, minute: _Minute) -> None:
        del self._minutes[session_id]
        if minute.unwritten:
            self._summed[session_id] = self._summed.get(session_id, 0) + minute.unwritten


def denial(decision: Decision, intent: Intent, policy_version: int) -> RefusedError:
    """A denial as the agent sees it: rule, limit, used, remaining, reset, and what would pass."""
    why = decision.explanation
    return RefusedError(
        decision.code,
        f"Denied: {decision.reason}.",
        details={
            "ruleId": decision.rule_id,
            "rule": None if decision.rule is None else decision.rule.value,
            "asset": why.unit or intent.asset.key,
            "limit": _shown(why.limit, why.unit),
            "used": _shown(why.used, why.unit),
            "remaining": _shown(why.remaining, why.unit),
            "resetsAt": None if why.resets_at is None else why.resets_at // 1000,
            "smallestPassing": why.smallest_passing,
            "ownerCanHelp": why.owner_can_help,
            "policyVersion": policy_version,
        },
        hint=why.smallest_passing,
    )


def _shown(amount: int | None, unit: str | None) -> str | None:
    """Base units; dollars as a decimal."""
    if amount is None:
        return None
    return format_units(amount, USD_DECIMALS) if unit == USD else str(amount)


async def alarm_broken_rule(unit: Unit, refusal: RefusedError, now: int) -> None:
    """A rule that failed denied something: the owner must know, once per version of it."""
    rule, version = str(refusal.details["ruleId"]), str(refusal.details["policyVersion"])
    about = {"ruleId": rule, "rule": str(refusal.details["rule"]), "reason": refusal.message}
    await unit.console.alert(f"POLICY_ERROR:{rule}:{version}", "POLICY_ERROR", about, now)
