"""The one place where a tap in the owner's chat becomes an act.

A tap counts only if its handle is known, unused and in time, its chat, message and text equal what was sent
for that handle, and its subject still waits. Protective acts stop money; releasing acts need the factor of
their amount. A tap that does not fit freezes releasing acts by Telegram until the host lifts it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from wallet.domain.console import Action, Card, Challenge, Handle
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor
from wallet.errors import AuthError, Code, ConflictError, NotFoundError, WalletError
from wallet.notifications.buttons import new_handle
from wallet.operations.asks import APPROVING, ASKS, CHALLENGES, Ask
from wallet.operations.console_needs import (
    Approvals,
    Replacements,
    Safety,
    Sessions,
    StopReport,
    Transactions,
)
from wallet.operations.factor_reset import FactorReset
from wallet.operations.replacements import Order
from wallet.operations.taps import (
    CARD_ACTIONS,
    PROTECTIVE,
    Answer,
    AnswerKind,
    Press,
    fits_card,
    fits_message,
    fits_stage,
    is_spent,
    still_waits,
)
from wallet.ports.owner_channel import Button
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock, Ids

ACTOR: Final = "owner:telegram"
FROZEN: Final = "telegram_frozen"
CONFIRM_MS: Final = 60_000
CODE_MS: Final = 120_000
OFFER_MS: Final = 600_000
CODE_TRIES: Final = 5

# Refusals which say that somebody, or time, was faster than the tap.
_TOO_LATE: Final = frozenset(
    {
        Code.TX_ALREADY_PROCESSED, Code.TX_EXPIRED, Code.TX_NOT_FOUND, Code.INVALID_STATE_TRANSITION,
        Code.SESSION_NOT_FOUND, Code.SESSION_REVOKED,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tap:
    """A tap that fits what was sent."""

    handle: Handle
    card: Card | None


@dataclass(frozen=True, slots=True)
class Console:
    """Taps, typed codes, offers and stored updates of the owner's chat. ``wake`` stirs the outbox."""

    store: Store
    clock: Clock
    ids: Ids
    transactions: Transactions
    approvals: Approvals
    sessions: Sessions
    safety: Safety
    reset: FactorReset
    replacements: Replacements
    wake: Callable[[], None]

    # ---- taps

    async def press(self, press: Press) -> Answer:
        """Judge the tap and do what its button says; never an effect unless everything fits.

        Raises WalletError where the act itself was refused for a reason the owner should read.
        """
        found = await self.store.run(lambda unit: self._judge(unit, press))
        if isinstance(found, Answer):
            self.wake()
            return found
        try:
            return await self._act(found)
        except (ConflictError, NotFoundError, AuthError) as refusal:
            if refusal.code in _TOO_LATE:
                return Answer(AnswerKind.OUT_OF_DATE)
            raise
        finally:
            self.wake()

    async def _judge(self, unit: Unit, press: Press) -> _Tap | Answer:
        now = self.clock.now()
        handle = await unit.console.handle(press.handle)
        owner = await unit.authority.owner()
        known = owner is not None and (press.user_id, press.chat_id) == (
            owner.user_id,
            owner.chat_id,
        )
        if handle is None or not known or is_spent(handle, now):
            return Answer(AnswerKind.OUT_OF_DATE)
        if handle.action in CARD_ACTIONS:
            return await self._judge_card(unit, handle, press)
        if not fits_message(handle, press):
            return await self._mismatch(unit, handle, press)
        return _Tap(handle, None)

    async def _judge_card(self, unit: Unit, handle: Handle, press: Press) -> _Tap | Answer:
        now = self.clock.now()
        card = await unit.console.card(handle.subject)
        transaction = await unit.transactions.get(handle.subject)
        if card is None or transaction is None or not still_waits(handle, transaction, now):
            return await self._redraw(unit, card)
        if press.text is None:  # too old to be shown with the tap: show the card anew
            return await self._redraw(unit, replace(card, message_id=None))
        if not fits_card(card, handle, press):
            if handle.message_id is None:  # a send whose answer was lost, and redrawn since
                return await self._redraw(unit, card)
            return await self._mismatch(unit, handle, press)
        if card.message_id is None:  # sent, but the process ended before it was noted
            card = replace(card, message_id=press.message_id)
            await unit.console.save_card(card)
        if not fits_stage(handle.action, card, now):
            return await self._redraw(unit, card)
        if handle.action not in PROTECTIVE and await _is_frozen(unit):
            return Answer(AnswerKind.FROZEN, alert=True)
        return _Tap(handle, card)

    async def _redraw(self, unit: Unit, card: Card | None) -> Answer:
        if card is not None:
            await unit.console.save_card(card)
            await unit.console.want_card(card.transaction_id, card.chat_id)
        return Answer(AnswerKind.OUT_OF_DATE)

    async def _mismatch(self, unit: Unit, handle: Handle, press: Press) -> Answer:
        details = {"action": handle.action.value, "messageId": press.message_id}
        about: dict[str, Any] = {"transaction_id": handle.subject} if handle.digest else {}
        await unit.audit.append(
            Fact.CARD_MISMATCH, actor=ACTOR, at=self.clock.now(), details=details, **about
        )
        await unit.authority.set_counter(FROZEN, 1, 0)
        payload = {"action": handle.action.value, "id": handle.subject}
        key = f"CARD_MISMATCH:{handle.handle}"
        await unit.console.alert(key, "CARD_MISMATCH", payload, self.clock.now())
        return Answer(AnswerKind.MISMATCH, alert=True)

    async def _act(self, tap: _Tap) -> Answer:
        match tap.handle.action:
            case Action.APPROVE | Action.SPEED_UP | Action.CANCEL_SENT:
                return await self._ask(tap)
            case Action.CONFIRM_APPROVE:
                return await self._confirm(tap)
            case Action.CONFIRM_SPEED_UP | Action.CONFIRM_CANCEL_SENT:
                return await self._confirm_order(tap)
            case Action.BACK:
                await self._show_stage(tap, "CARD", None)
                return Answer(AnswerKind.BACK)
            case Action.REJECT | Action.CANCEL:
                return await self._stop_one(tap)
            case _:
                return await self._act_on_message(tap.handle)

    async def _act_on_message(self, handle: Handle) -> Answer:
        answer = Answer(AnswerKind.DISMISSED)
        match handle.action:
            case Action.REVOKE_SESSION:
                await self.sessions.revoke(
                    handle.subject, actor=ACTOR, reason="Revoked in Telegram"
                )
                answer = Answer(AnswerKind.REVOKED, params={"id": handle.subject})
            case Action.CONFIRM_KILL:
                answer = _stopped(await self.safety.halt("owner in Telegram", ACTOR))
            case Action.CANCEL_RESET:
                await self.reset.cancel(ACTOR, from_chat=True)
                answer = Answer(AnswerKind.RESET_CANCELLED, alert=True)
            case Action.CANCEL_RECOVERY:
                await self.safety.cancel_recovery(ACTOR, from_chat=True)
                answer = Answer(AnswerKind.RECOVERY_CANCELLED, alert=True)
            case _:
                pass
        now = self.clock.now()
        await self.store.run(lambda unit: unit.console.use_handle(handle.handle, now))
        return answer

    async def _stop_one(self, tap: _Tap) -> Answer:
        rejected = tap.handle.action is Action.REJECT
        reason = "Rejected in Telegram" if rejected else "Cancelled in Telegram"
        await self.transactions.cancel(tap.handle.subject, actor=ACTOR, reason=reason)
        await self._show_stage(tap, "CARD", None)
        return Answer(AnswerKind.REJECTED if rejected else AnswerKind.CANCELLED)

    # ---- approving

    async def _ask(self, tap: _Tap) -> Answer:
        """The first tap: ask for the proof that this amount needs."""
        ask = ASKS.get(tap.handle.action, APPROVING)
        needs = self.approvals if ask is APPROVING else self.replacements
        match await needs.factor_needed(tap.handle.subject):
            case Factor.TAP:
                await self._show_stage(tap, ask.confirm, self.clock.now() + CONFIRM_MS)
                return Answer(AnswerKind.CONFIRM_ASKED)
            case Factor.CODE:
                await self._show_stage(tap, ask.code, self.clock.now() + CODE_MS)
                return Answer(AnswerKind.CODE_ASKED, alert=True)
            case Factor.HOST:
                params = {"id": tap.handle.subject, "command": ask.command}
                return Answer(AnswerKind.HOST_NEEDED, alert=True, params=params)

    async def _confirm_order(self, tap: _Tap) -> Answer:
        handle, ask = tap.handle, ASKS[tap.handle.action]
        offer = await self.replacements.offer(handle.subject)
        if offer.factor is not Factor.TAP:
            return await self._ask(tap)  # other releases used up what a tap may release
        await self._order(ask, handle.subject, handle.digest, Factor.TAP, None)
        await self._show_stage(tap, "CARD", None)
        return Answer(ask.done)

    async def _order(
        self, ask: Ask, subject: str, digest: str, factor: Factor, step: int | None
    ) -> None:
        """The ceiling is the one on the card: it was noted when the buttons were first shown."""
        assert ask.purpose is not None  # only orders get here
        ceiling = (await self.replacements.offer(subject)).ceiling
        order = Order(ask.purpose, digest, ceiling, factor, ACTOR, step)
        await self.replacements.order(subject, order)

    async def _confirm(self, tap: _Tap) -> Answer:
        handle = tap.handle
        if await self.approvals.factor_needed(handle.subject) is not Factor.TAP:
            return await self._ask(tap)  # other approvals used up what a tap may release
        await self.approvals.approve(
            handle.subject, digest=handle.digest, factor=Factor.TAP, actor=ACTOR
        )
        await self._show_stage(tap, "CARD", None)
        return Answer(AnswerKind.APPROVED)

    async def _show_stage(self, tap: _Tap, stage: str, until: int | None) -> None:
        """Spend the handle and have the card redrawn in ``stage``, in one unit."""

        async def body(unit: Unit) -> None:
            await unit.console.use_handle(tap.handle.handle, self.clock.now())
            await self._end_challenge(unit)
            await _set_stage(unit, tap.handle.subject, stage, until)
            purpose = CHALLENGES.get(stage)
            if purpose is not None and until is not None:
                await unit.console.add_challenge(self._challenge(tap.handle, purpose, until))

        await self.store.run(body)

    def _challenge(self, handle: Handle, purpose: str, until: int) -> Challenge:
        return Challenge(
            id=self.ids.new(),
            purpose=purpose,
            subject=handle.subject,
            digest=handle.digest,
            factor=Factor.CODE.value,
            tries_left=CODE_TRIES,
            expires_at=until,
        )

    async def _end_challenge(self, unit: Unit) -> None:
        """One code answers one card: end any wait for a code and take its card back."""
        now = self.clock.now()
        waiting = await unit.console.open_challenge(now)
        if waiting is not None:
            await unit.console.end_challenges(now)
            await _set_stage(unit, waiting.subject, "CARD", None)

    async def typed_code(self, chat_id: int, text: str) -> Answer:
        """Answer the open challenge of the chat with a six-digit code."""
        challenge = await self.store.read(lambda unit: self._challenge_of(unit, chat_id))
        if isinstance(challenge, Answer):
            return challenge
        try:
            step = await self.approvals.check_code(text)
            done = await self._release(challenge, step)
        except WalletError as refusal:
            return await self._code_refused(challenge, refusal)
        await self.store.run(self._end_challenge)
        self.wake()
        return Answer(done)

    async def _release(self, challenge: Challenge, step: int) -> AnswerKind:
        """Do what the code was asked for."""
        ask = next((one for one in ASKS.values() if one.name == challenge.purpose), None)
        if ask is not None:
            await self._order(ask, challenge.subject, challenge.digest, Factor.CODE, step)
            return ask.done
        await self.approvals.approve(
            challenge.subject,
            digest=challenge.digest,
            factor=Factor.CODE,
            actor=ACTOR,
            totp_step=step,
        )
        return AnswerKind.APPROVED

    async def _challenge_of(self, unit: Unit, chat_id: int) -> Challenge | Answer:
        owner = await unit.authority.owner()
        challenge = await unit.console.open_challenge(self.clock.now())
        if owner is None or owner.chat_id != chat_id or challenge is None:
            return Answer(AnswerKind.NOT_WAITING)
        if await _is_frozen(unit):
            return Answer(AnswerKind.FROZEN, alert=True)
        return challenge

    async def _code_refused(self, challenge: Challenge, refusal: WalletError) -> Answer:
        left = challenge.tries_left - 1 if refusal.code is Code.FACTOR_INVALID else 0
        if left > 0:
            kept = replace(challenge, tries_left=left)
            await self.store.run(lambda unit: unit.console.save_challenge(kept))
            return Answer(AnswerKind.WRONG_CODE, params={"left": str(left)})
        await self.store.run(self._end_challenge)
        self.wake()
        if refusal.code is Code.FACTOR_INVALID:
            return Answer(AnswerKind.WRONG_CODE, params={"left": "0"})
        if refusal.code in _TOO_LATE:
            return Answer(AnswerKind.OUT_OF_DATE)
        raise refusal

    # ---- offers

    async def offer_kill(self, chat_id: int) -> tuple[Button, Button]:
        """Buttons for a message that offers the kill switch: confirm and dismiss, 10 minutes."""
        return await self._offer(chat_id, Action.CONFIRM_KILL, "")

    async def offer_revoke(self, chat_id: int, session_id: str) -> tuple[Button, Button]:
        """Buttons for a message that offers to end a session: revoke and dismiss, 10 minutes."""
        return await self._offer(chat_id, Action.REVOKE_SESSION, session_id)

    async def _offer(self, chat_id: int, action: Action, subject: str) -> tuple[Button, Button]:
        expires = self.clock.now() + OFFER_MS
        act = new_handle(self.ids, action, subject, chat_id, expires_at=expires)
        dismiss = new_handle(self.ids, Action.DISMISS, "", chat_id, expires_at=expires)

        async def body(unit: Unit) -> None:
            await unit.console.add_handle(act)
            await unit.console.add_handle(dismiss)

        await self.store.run(body)
        return Button(act.action, act.handle), Button(dismiss.action, dismiss.handle)

    async def bind(self, buttons: Sequence[Button], message_id: int, rendering: str) -> None:
        """Note which message, with which text, carries these buttons."""
        handles = [button.handle for button in buttons]
        await self.store.run(
            lambda unit: unit.console.bind_handles(handles, message_id, rendering)
        )

    # ---- freezing

    async def freeze(self, kind: str, payload: Mapping[str, str]) -> None:
        """Freeze releasing acts by Telegram and tell the owner; ``kind`` names the alert."""

        async def body(unit: Unit) -> None:
            now = self.clock.now()
            await unit.authority.set_counter(FROZEN, 1, 0)
            about = {"actor": "telegram", "at": now, "details": {"kind": kind, **payload}}
            await unit.audit.append(Fact.CARD_MISMATCH, **about)
            await unit.console.alert(f"{kind}:{self.ids.new()}", kind, payload, now)

        await self.store.run(body)
        self.wake()

    async def is_frozen(self) -> bool:
        """Whether the host has to lift a freeze before anything is released by Telegram."""
        return await self.store.read(_is_frozen)


async def _is_frozen(unit: Unit) -> bool:
    count, _ = await unit.authority.counter(FROZEN)
    return count > 0


async def _set_stage(unit: Unit, transaction_id: str, stage: str, until: int | None) -> None:
    card = await unit.console.card(transaction_id)
    if card is not None:
        await unit.console.save_card(replace(card, stage=stage, stage_until=until))
        await unit.console.want_card(transaction_id, card.chat_id)


def _stopped(report: StopReport) -> Answer:
    params = {
        "sessions": str(report.sessions_revoked),
        "transactions": str(report.transactions_cancelled),
        "exposure": str(len(report.exposure)),
    }
    return Answer(AnswerKind.STOPPED, alert=True, params=params)
