"""Policies: list, set and remove rules. What tightens counts at once; what loosens may have to wait."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wallet.domain.loosenings import Effect, Loosening
from wallet.domain.rules import Rule
from wallet.domain.tightening import Beside, tightens
from wallet.domain.wallets import Wallet
from wallet.errors import Code, NotFoundError, WalletError
from wallet.operations.rule_changes import (
    RuleChange,
    announce_change,
    name_of,
    queue,
    was_claimed,
    write,
)
from wallet.operations.rule_checks import RuleChecks, invalid
from wallet.operations.rule_words import in_words
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock, Ids
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring
from wallet.wire.policies import parse_rule


@dataclass(frozen=True, slots=True)
class Hurdles:
    """What a change that loosens must take: a proof of the owner besides the password, and a wait."""

    require_code: Callable[[str | None], Awaitable[None]]
    wait_seconds: int
    gate: Gate


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a change. ``rule`` is as it counts or, while it waits, as it will count.

    ``waiting`` is the queued loosening; None where the change counts at once.
    """

    rule: Mapping[str, Any]
    waiting: Loosening | None = None

    @property
    def effect(self) -> Effect:
        return Effect.AT_ONCE if self.waiting is None else Effect.QUEUED


class _ProofWantedError(Exception):
    """The change loosens what an agent pays by, and the owner's factor was not looked at yet."""


class Policies:
    """Every change is audited and announced in the chat."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        checks: RuleChecks,
        keyring: Keyring,
        hurdles: Hurdles,
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._checks = checks
        self._keyring = keyring
        self._hurdles = hurdles
        self._changed = changed

    async def list(self, wallet_id: str | None = None) -> list[Mapping[str, Any]]:
        """As stored; with None every rule there is. Times in epoch ms."""
        return await self._store.read(lambda unit: unit.policies.stored(wallet_id))

    async def put(
        self,
        rule_type: str,
        rules: Mapping[str, Any],
        wallet_id: str | None,
        rule_id: str | None,
        actor: str,
        *,
        code: str | None = None,
    ) -> Changed:
        """Add a rule, or replace the one with ``rule_id``; at once, or after a wait where it loosens.

        Raises POLICY_INVALID with every issue, KEYSTORE_LOCKED while nothing can be proved,
        AUTHORITY_UNPROVED where the rules beside it carry no valid proof: remove them first. A loosening that
        waits raises FACTOR_REQUIRED or FACTOR_INVALID as well, and SYSTEM_LOCKED while everything is stopped.
        """
        changed_id = rule_id or self._ids.new()

        async def change(unit: Unit) -> RuleChange:
            wallet = None if wallet_id is None else await _wallet(unit, wallet_id)
            checked = self._checks.check(rule_type, rules, wallet)
            if rule_id is not None:
                stored = await _stored(unit, rule_id)
                if (stored["walletId"], stored["type"]) != (wallet_id, rule_type):
                    raise invalid("id", "names a rule of another wallet or type")
            await unit.policies.require_proof(wallet_id)
            text = json.dumps(checked, sort_keys=True, separators=(",", ":"))
            return RuleChange(changed_id, wallet_id, rule_type, text, actor)

        return await self._make(change, code)

    async def remove(self, rule_id: str, actor: str, *, code: str | None = None) -> Changed:
        """Take a rule away, at once or after a wait. What nothing grants any more is denied.

        Raises as ``put`` does.
        """

        async def change(unit: Unit) -> RuleChange:
            stored = await _stored(unit, rule_id)
            return RuleChange(rule_id, stored["walletId"], str(stored["type"]), None, actor)

        return await self._make(change, code)

    async def _make(
        self, change: Callable[[Unit], Awaitable[RuleChange]], code: str | None
    ) -> Changed:
        self._keyring.require()
        proved = code is not None
        if proved:
            await self._hurdles.require_code(code)

        async def body(unit: Unit) -> Changed:
            return await self._judge(unit, await change(unit), proved=proved)

        try:
            made = await self._store.run(body)
        except _ProofWantedError:
            await self._hurdles.require_code(code)
            proved = True
            made = await self._store.run(body)
        self._changed()
        return made

    async def _judge(self, unit: Unit, change: RuleChange, *, proved: bool) -> Changed:
        now = self._clock.now()
        if not await _loosens(unit, change) or not await was_claimed(unit, change.wallet_id):
            return await self._count_now(unit, change, now)
        self._hurdles.gate.require_normal()
        self._hurdles.gate.require_time()
        if not proved:
            raise _ProofWantedError
        if not self._hurdles.wait_seconds:
            return await self._count_now(unit, change, now)
        return await self._queue(unit, change, now)

    async def _count_now(self, unit: Unit, change: RuleChange, now: int) -> Changed:
        before = await _found(unit, change.rule_id)
        version = await write(unit, change, now)
        await announce_change(unit, change, version, now)
        return Changed(await _found(unit, change.rule_id) or before or {})

    async def _queue(self, unit: Unit, change: RuleChange, now: int) -> Changed:
        before = await _found(unit, change.rule_id)
        waiting = Loosening(
            id=self._ids.new(),
            rule_id=change.rule_id,
            wallet_id=change.wallet_id,
            type=change.type,
            rules=change.rules,
            base_version=0 if before is None else int(before["version"]),
            queued_at=now,
            counts_at=now + self._hurdles.wait_seconds * 1000,
            actor=change.actor,
        )
        wallet = await name_of(unit, change.wallet_id)
        await queue(unit, waiting, self._words(before, change, wallet))
        return Changed({**_nothing(change), **(before or {}), **_proposed(change)}, waiting)

    def _words(
        self, before: Mapping[str, Any] | None, change: RuleChange, wallet: str
    ) -> Mapping[str, str]:
        """The rule in words, as it counts and as it will count."""
        now, then = None if before is None else before["rules"], _proposed(change).get("rules")
        return {
            "now": self._said(change.type, now, wallet),
            "then": self._said(change.type, then, wallet),
        }

    def _said(self, rule_type: str, rules: Mapping[str, Any] | None, wallet: str) -> str:
        if rules is None:
            return ""
        try:
            return in_words(parse_rule(rule_type, rules), wallet, self._checks.networks)
        except WalletError:  # a stored rule that was bent, and may still be taken away
            return ""


async def _loosens(unit: Unit, change: RuleChange) -> bool:
    applied = await unit.policies.applied(None)
    before = next((one.rule for one in applied if one.id == change.rule_id), None)
    if before is None and await _found(unit, change.rule_id) is not None:
        return True  # it carries no proof: what it says proves nothing
    beside = Beside.of(applied, change.rule_id, change.wallet_id)
    return not tightens(before, _rule(change), beside)


def _rule(change: RuleChange) -> Rule | None:
    return None if change.rules is None else parse_rule(change.type, json.loads(change.rules))


def _nothing(change: RuleChange) -> Mapping[str, Any]:
    """A rule that is not there yet."""
    about = {"id": change.rule_id, "walletId": change.wallet_id, "type": change.type}
    return {**about, "version": 0, "createdAt": None, "updatedAt": None}


def _proposed(change: RuleChange) -> Mapping[str, Any]:
    return {} if change.rules is None else {"rules": json.loads(change.rules)}


async def _found(unit: Unit, rule_id: str) -> Mapping[str, Any] | None:
    stored = await unit.policies.stored(None)
    return next((one for one in stored if one["id"] == rule_id), None)


async def _stored(unit: Unit, rule_id: str) -> Mapping[str, Any]:
    found = await _found(unit, rule_id)
    if found is None:
        raise NotFoundError(Code.POLICY_NOT_FOUND, "There is no such rule.")
    return found


async def _wallet(unit: Unit, wallet_id: str) -> Wallet:
    wallet = await unit.wallets.get(wallet_id)
    if wallet is None:
        raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
    return wallet
