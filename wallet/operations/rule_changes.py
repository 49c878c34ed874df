"""What a change of the rules writes, inside the transaction that makes it: the rule, its facts, what is announced."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wallet.domain.facts import Fact
from wallet.domain.loosenings import Change, Drop, Loosening
from wallet.ports.store import Unit

EVERY_WALLET: Final = "every wallet"


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule as it is to be. ``rules`` is its body as canonical JSON; None takes the rule away."""

    rule_id: str
    wallet_id: str | None
    type: str
    rules: str | None
    actor: str

    @classmethod
    def of(cls, waiting: Loosening) -> "RuleChange":
        return cls(waiting.rule_id, waiting.wallet_id, waiting.type, waiting.rules, waiting.actor)


async def write(unit: Unit, change: RuleChange, at: int) -> int:
    """Store or remove the rule, with its fact; returns the policy version. A loosening of it that waits dies."""
    if change.rules is None:
        await unit.policies.remove(change.rule_id)
        version = await unit.policies.version()
        fact, details = Fact.POLICY_REMOVED, {"ruleId": change.rule_id}
    else:
        version = await unit.policies.put(
            change.rule_id, change.wallet_id, change.type, change.rules, at
        )
        fact = Fact.POLICY_SET
        details = {
            "ruleId": change.rule_id,
            "type": change.type,
            "rules": change.rules,
            "version": str(version),
        }
    await unit.audit.append(
        fact, actor=change.actor, at=at, wallet_id=change.wallet_id, details=details
    )
    for waiting in await unit.loosenings.of_rule(change.rule_id):
        await drop(unit, waiting, Drop.RULE_CHANGED, at)
    return version


async def announce_change(unit: Unit, change: RuleChange, version: int, at: int) -> None:
    """Tell the owner that a rule counts now which did not before, or that one is gone."""
    shown = change.type if change.rules is not None else f"{change.type} (removed)"
    about = {"type": shown, "wallet": await name_of(unit, change.wallet_id)}
    await _alert(unit, f"POLICY_CHANGED:{version}", "POLICY_CHANGED", about, at)


async def queue(unit: Unit, waiting: Loosening, words: Mapping[str, str]) -> None:
    """Let a loosening wait. One of the same rule that waits already is replaced."""
    for earlier in await unit.loosenings.of_rule(waiting.rule_id):
        await drop(unit, earlier, Drop.REPLACED, waiting.queued_at)
    await unit.loosenings.add(waiting)
    more = {"baseVersion": str(waiting.base_version), "countsAt": str(waiting.counts_at)}
    if waiting.rules is not None:
        more["rules"] = waiting.rules
    fact, at = Fact.POLICY_LOOSENING_QUEUED, waiting.queued_at
    await _note(unit, fact, waiting, at, waiting.actor, **more)
    shown = {**words, "countsAt": str(waiting.counts_at)}
    await _tell(unit, fact, waiting, at, **shown)


async def drop(unit: Unit, waiting: Loosening, why: Drop, at: int) -> None:
    """It will never count, though nobody cancelled it."""
    await unit.loosenings.end(waiting.id)
    fact = Fact.POLICY_LOOSENING_DROPPED
    await _note(unit, fact, waiting, at, "system", reason=why.value)
    if why is not Drop.KILL_SWITCH:  # whose own alert says that everything ended
        await _tell(unit, fact, waiting, at, reason=_WORDS[why])


async def drop_unreadable(unit: Unit, loosening_id: str, at: int) -> None:
    """A row that holds what no version writes is told by its proof, and cannot say what it was about."""
    await unit.loosenings.end(loosening_id)
    about = {"looseningId": loosening_id[:64], "reason": Drop.UNPROVED.value}
    await unit.audit.append(Fact.POLICY_LOOSENING_DROPPED, actor="system", at=at, details=about)


async def finish(
    unit: Unit, fact: Fact, waiting: Loosening, at: int, actor: str, **more: str
) -> None:
    """It was applied or cancelled, as ``fact`` says."""
    await unit.loosenings.end(waiting.id)
    await _note(unit, fact, waiting, at, actor, **more)
    await _tell(unit, fact, waiting, at)


async def end_loosenings(unit: Unit, at: int) -> None:
    """A stop ends whatever waits: nothing that was asked for before it may ripen meanwhile."""
    for waiting in await unit.loosenings.all():
        await drop(unit, waiting, Drop.KILL_SWITCH, at)
    for unreadable in await unit.loosenings.ids():
        await drop_unreadable(unit, unreadable, at)


async def was_claimed(unit: Unit, wallet_id: str | None) -> bool:
    """Whether an agent ever claimed a session of the wallet; with None of any wallet.

    A session that ended counts as well, one that nobody can vouch for, and one whose row is gone.
    """
    sessions = await unit.sessions.all(wallet_id=wallet_id)
    if any(one.claimed_at is not None or one.proof.is_broken for one in sessions):
        return True
    return await unit.audit.tells_of(Fact.SESSION_CLAIMED, wallet_id)


async def name_of(unit: Unit, wallet_id: str | None) -> str:
    """The wallet's name for a person, or "every wallet"."""
    wallet = None if wallet_id is None else await unit.wallets.get(wallet_id)
    return EVERY_WALLET if wallet is None else wallet.name


_WORDS: Final[Mapping[Drop, str]] = {
    Drop.RULE_CHANGED: "The rule was changed meanwhile",
    Drop.REPLACED: "Another change of the same rule takes its place",
    Drop.KILL_SWITCH: "Everything was stopped",
    Drop.UNPROVED: "It carries no valid proof: somebody changed the database",
    Drop.INVALID: "The settings changed, and it is no valid rule any more",
}


async def _note(
    unit: Unit, fact: Fact, waiting: Loosening, at: int, actor: str, **more: str
) -> None:
    about = {
        "looseningId": waiting.id,
        "ruleId": waiting.rule_id,
        "type": waiting.type,
        "change": waiting.change.value,
        **more,
    }
    await unit.audit.append(fact, actor=actor, at=at, wallet_id=waiting.wallet_id, details=about)


async def _tell(unit: Unit, fact: Fact, waiting: Loosening, at: int, **more: str) -> None:
    shown = waiting.type if waiting.change is Change.SET else f"{waiting.type} (to be removed)"
    wallet = await name_of(unit, waiting.wallet_id)
    about = {"id": waiting.id, "type": shown, "wallet": wallet, **more}
    await _alert(unit, f"{fact.value}:{waiting.id}", fact.value, about, at)


async def _alert(unit: Unit, key: str, kind: str, about: Mapping[str, str], at: int) -> None:
    """Tell the owner, once there is one: what was set before he was paired is in /limits."""
    if await unit.authority.owner() is not None:
        await unit.console.alert(key, kind, about, at)
