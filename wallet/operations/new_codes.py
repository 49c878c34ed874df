"""New claim codes for the sessions that a stop ended, offered once after its recovery.

Granting them is a releasing act: each session needs the factor of its limits, and what needs the host is not
granted in the chat at all. The offer names the stop it belongs to, so whatever is asked twice is found given.
What carries no proof is not granted: a session that somebody bent after the stop, or that was ended while locked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from wallet.domain.authority import Proof
from wallet.domain.chains import Network
from wallet.domain.console import Action, Alert, Challenge, Handle
from wallet.domain.owner import CODE_TTL_MS, Factor, Owner, factor_needed
from wallet.domain.rules import DAY_MS
from wallet.domain.sessions import ABSOLUTE_LIFETIME_SECONDS, KILL_SWITCH, Session
from wallet.errors import Code, RefusedError
from wallet.notifications import claim_codes as words
from wallet.notifications.alerts import CLAIM_CODES, Notice
from wallet.notifications.buttons import new_handle
from wallet.operations.factors import spend_step
from wallet.operations.sessions import grant, new_code
from wallet.operations.taps import Answer, AnswerKind, Press
from wallet.ports.owner_channel import Button
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock, Ids
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring

PURPOSE: Final = "NEW_CODES"
LISTED: Final = 8  # as many as one message holds, with names of any length
CONFIRM_MS: Final = 60_000
CODE_MS: Final = 120_000
CODE_TRIES: Final = 5
_OFFER: Final = (Action.NEW_CODES, Action.PUT_ASIDE)
_WEAKEST_FIRST: Final = tuple(Factor)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an offer would grant now. ``factor`` is None where nothing can be granted in the chat."""

    given: bool
    here: tuple[words.Held, ...]
    host: tuple[words.Held, ...]
    more: int
    factor: Factor | None


class NewCodes:
    """The subject of an offer is the moment of its stop, in epoch milliseconds."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        vault: KeyVault,
        keyring: Keyring,
        gate: Gate,
        *,
        networks: Mapping[str, Network],
    ) -> None:
        self._store, self._clock, self._ids = store, clock, ids
        self._vault, self._keyring, self._gate = vault, keyring, gate
        self._networks = networks

    async def notice(self, alert: Alert) -> Notice:
        """The message after a recovery; with a button where something can be granted in the chat."""
        subject = alert.payload.get("stoppedAt", "")
        plan = await self._plan_now(subject)
        ended = bool(plan.here or plan.host)
        lines = words.offer_lines(plan.here, plan.host, plan.more, plan.factor, self._networks)
        facts = {
            **alert.payload,
            "agents": words.ENDED if ended else words.NOTHING_ENDED,
            "lines": "\n".join(lines),
        }
        if plan.given or plan.factor is None:
            return Notice(facts)
        return Notice(facts, _OFFER, subject, bound=True)

    # ---- taps

    async def press(self, handle: Handle, press: Press) -> Answer:
        """A tap that fits its message, on one of the three buttons of an offer."""
        plan = await self._plan_now(handle.subject)
        if plan.given:
            return Answer(AnswerKind.CODES_GIVEN_BEFORE, bare=True)
        if handle.action is Action.NO_NEW_CODES:
            return await self._take_back(handle, press, AnswerKind.BACK)
        if plan.factor is None:
            return Answer(AnswerKind.CODES_ON_HOST, alert=True, bare=True)
        lapsed = handle.expires_at is not None and handle.expires_at <= self._clock.now()
        if handle.action is Action.CONFIRM_NEW_CODES and lapsed:
            return await self._take_back(handle, press, AnswerKind.OUT_OF_DATE)
        if handle.action is Action.CONFIRM_NEW_CODES and plan.factor is Factor.TAP:
            messages = await self.give(handle.subject, Factor.TAP, "owner:telegram")
            return Answer(AnswerKind.CODES_GIVEN, bare=True, bare_messages=messages)
        return await self._ask(handle, press, plan.factor)

    async def _ask(self, handle: Handle, press: Press, factor: Factor) -> Answer:
        """The first tap: ask for the proof that these limits need."""
        now = self._clock.now()
        if factor is Factor.TAP:
            actions = (Action.CONFIRM_NEW_CODES, Action.NO_NEW_CODES)
            buttons = await self._carry(handle, press, actions, now + CONFIRM_MS)
            return Answer(AnswerKind.CONFIRM_ASKED, buttons=buttons)
        challenge = Challenge(
            id=self._ids.new(),
            purpose=PURPOSE,
            subject=handle.subject,
            digest="",
            factor=Factor.CODE.value,
            tries_left=CODE_TRIES,
            expires_at=now + CODE_MS,
        )
        await self._store.run(lambda unit: unit.console.add_challenge(challenge))
        buttons = await self._carry(handle, press, (Action.NO_NEW_CODES,))
        return Answer(AnswerKind.CODE_ASKED, alert=True, buttons=buttons)

    async def _take_back(self, handle: Handle, press: Press, kind: AnswerKind) -> Answer:
        """The offer stands as it first did."""
        now = self._clock.now()

        async def body(unit: Unit) -> None:
            waiting = await unit.console.open_challenge(now)
            if waiting is not None and waiting.purpose == PURPOSE:
                await unit.console.end_challenges(now)

        await self._store.run(body)
        return Answer(kind, buttons=await self._carry(handle, press, _OFFER))

    async def _carry(
        self, old: Handle, press: Press, actions: tuple[Action, ...], until: int | None = None
    ) -> tuple[Button, ...]:
        """Fresh buttons for the pressed message, bound to it and to the text that came with the tap."""
        handles = [
            replace(
                new_handle(self._ids, action, old.subject, press.chat_id),
                message_id=press.message_id,
                rendering=press.text,
                expires_at=until if action is Action.CONFIRM_NEW_CODES else None,
            )
            for action in actions
        ]

        async def body(unit: Unit) -> None:
            for handle in handles:
                await unit.console.add_handle(handle)

        await self._store.run(body)
        return tuple(Button(handle.action, handle.handle) for handle in handles)

    # ---- granting

    async def is_asked(self, unit: Unit, subject: str) -> bool:
        """Whether a code that is awaited for this offer would still grant something."""
        return not await _given(unit, subject)

    async def give(
        self, subject: str, factor: Factor, actor: str, totp_step: int | None = None
    ) -> tuple[int, ...]:
        """Grant the sessions anew and have their codes said, once; returns the offer's messages.

        Raises FACTOR_REQUIRED when the limits need a stronger proof by now, FACTOR_INVALID when the code was
        used before, SYSTEM_LOCKED while stopped, KEYSTORE_LOCKED while nothing could prove the new sessions,
        CLOCK_UNTRUSTED. Given before: nothing happens.
        """
        self._keyring.require()
        self._gate.require_time()  # the day that the bands count goes by it
        enrolled, now = await self._enrolled(), self._clock.now()

        async def body(unit: Unit) -> tuple[int, ...]:
            plan = await self._plan(unit, subject, enrolled)
            carrying = await unit.console.handles_of(subject)
            messages = {one.message_id for one in carrying if one.message_id is not None}
            if not plan.given:
                _require(plan, factor)
                if factor is Factor.CODE:
                    await spend_step(unit, totp_step)
                await self._grant_all(unit, plan, subject, factor, actor)
                await unit.authority.set_counter(_mark(subject), 1, now)
            return tuple(sorted(messages))

        return await self._store.run(body)

    async def _grant_all(
        self, unit: Unit, plan: Plan, subject: str, factor: Factor, actor: str
    ) -> None:
        now, given = self._clock.now(), []
        for ended, wallet in plan.here:
            session, code = self._renewed(ended, now), new_code(self._ids)
            proof = {"factor": factor.value}
            await grant(unit, session, code, actor=actor, details=proof)
            given.append((session, wallet, code))
        facts = {
            "untilAt": str(now + CODE_TTL_MS),
            "lines": "\n".join(words.code_lines(given)),
        }
        await unit.console.alert(f"{CLAIM_CODES}:{subject}", CLAIM_CODES, facts, now)

    def _renewed(self, ended: Session, now: int) -> Session:
        """The same name, wallet and limits; nothing spent, no token, its own lifetime."""
        return Session(
            id=self._ids.new(),
            wallet_id=ended.wallet_id,
            name=ended.name,
            source="telegram",
            limits=ended.limits,
            ttl_seconds=ended.ttl_seconds,
            created_at=now,
            expires_at=now + ended.ttl_seconds * 1000,
            absolute_expires_at=now + ABSOLUTE_LIFETIME_SECONDS * 1000,
            spent={},
        )

    # ---- what is due

    async def _enrolled(self) -> bool:
        return not self._vault.locked and await self._vault.totp_enrolled()

    async def _plan_now(self, subject: str) -> Plan:
        enrolled = await self._enrolled()
        return await self._store.read(lambda unit: self._plan(unit, subject, enrolled))

    async def _plan(self, unit: Unit, subject: str, enrolled: bool) -> Plan:  # noqa: FBT001
        ended = await _ended(unit, subject)
        wallets = {wallet.id: wallet for wallet in await unit.wallets.all()}
        known = [(one, wallets[one.wallet_id]) for one in ended if self._is_as_it_ended(one)]
        owner = await _known_owner(unit, self._clock.now())
        here: list[words.Held] = []
        host: list[words.Held] = []
        granted: dict[str, int] = {}
        factors: list[Factor] = []
        for session, wallet in known[-LISTED:]:
            total = {a: granted.get(a, 0) + n for a, n in session.limits.amounts.items()}
            factor = await self._factor(unit, owner, total, enrolled)
            if factor is Factor.HOST:
                host.append((session, wallet))
                continue
            here.append((session, wallet))
            factors.append(factor)
            granted |= total
        strongest = max(factors, key=_WEAKEST_FIRST.index, default=None)
        more = len(ended) - len(known[-LISTED:])
        return Plan(await _given(unit, subject), tuple(here), tuple(host), more, strongest)

    def _is_as_it_ended(self, session: Session) -> bool:
        """Whether it carries its proof. Locked, nobody can say, and nothing is granted either."""
        wanted = Proof.PROVED if self._keyring.is_open else Proof.UNKNOWN
        return session.proof is wanted

    async def _factor(
        self,
        unit: Unit,
        owner: Owner | None,
        total: Mapping[str, int],
        enrolled: bool,  # noqa: FBT001
    ) -> Factor:
        """The strongest that any asset needs; sessions of one offer count together, and the day's approvals."""
        if owner is None:
            return Factor.HOST
        since = self._clock.now() - DAY_MS
        needed = [
            factor_needed(
                owner,
                asset,
                amount,
                await unit.authority.released_by(asset, since),
                code_enrolled=enrolled,
            )
            for asset, amount in total.items()
        ]
        return max(needed, key=_WEAKEST_FIRST.index, default=Factor.HOST)


async def _known_owner(unit: Unit, now: int) -> Owner | None:
    """The owner, where it is certain who that is and what the factors released in the last day."""
    owner = await unit.authority.owner()
    if owner is None or owner.proof.is_broken:
        return None
    behind_at = (await unit.authority.state()).behind_at
    return None if behind_at is not None and now < behind_at + DAY_MS else owner


async def _ended(unit: Unit, subject: str) -> list[Session]:
    """The sessions that this stop ended while they were alive, oldest first."""
    if not subject.isdecimal():
        return []
    stopped_at = int(subject)
    return [
        session
        for session in await unit.sessions.all()
        if (session.revoked_reason, session.revoked_at) == (KILL_SWITCH, stopped_at)
        and session.expires_at > stopped_at
    ]


def _mark(subject: str) -> str:
    return f"new_codes:{subject}"


async def _given(unit: Unit, subject: str) -> bool:
    count, _ = await unit.authority.counter(_mark(subject))
    return count > 0


def _require(plan: Plan, factor: Factor) -> None:
    needed = plan.factor or Factor.HOST
    if _WEAKEST_FIRST.index(factor) < _WEAKEST_FIRST.index(needed):
        raise RefusedError(
            Code.FACTOR_REQUIRED,
            "These limits need a stronger proof by now.",
            details={"factor": needed.value},
            hint="On the host: waiaas session create.",
        )
