"""The one place where a tap in the owner's chat becomes an act.

A tap counts only if its handle is known, unused and in time, its chat, message and text equal what was sent
for that handle, and its subject still waits. Protective acts stop money; releasing acts need the factor of
their amount. A tap that does not fit freezes releasing acts by Telegram until the host lifts it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from wallet.domain.console import Action, Card, Challenge, Handle
from wallet.domain.owner import Factor
from wallet.domain.safety import SystemState
from wallet.errors import AuthError, Code, ConflictError, NotFoundError, WalletError
from wallet.notifications.buttons import is_stuck, is_waiting_for_owner
from wallet.operations.asks import APPROVING, ASKS, ORDERS, Ask
from wallet.operations.console_needs import (
    Approvals,
    Loosenings,
    Replacements,
    Safety,
    Sessions,
    StopReport,
    Transactions,
)
from wallet.operations.factor_reset import FactorReset
from wallet.operations.freezing import Alarm, freeze, is_frozen
from wallet.operations.new_codes import PURPOSE, NewCodes
from wallet.operations.replacements import Order
from wallet.operations.stages import CODE_MS, CONFIRM_MS, Stages
from wallet.operations.taps import (
    CARD_ACTIONS,
    CODES_ACTIONS,
    PROTECTIVE,
    Answer,
    AnswerKind,
    Fit,
    Press,
    fits_card,
    fits_message,
    fits_stage,
    is_spent,
    still_waits,
)
from wallet.ports.store import Unit

ACTOR: Final = "owner:telegram"

# Refusals which say that somebody, or time, was faster than the tap.
_TOO_LATE: Final = frozenset(
    {
        Code.TX_ALREADY_PROCESSED, Code.TX_EXPIRED, Code.TX_NOT_FOUND, Code.INVALID_STATE_TRANSITION,
        Code.SESSION_NOT_FOUND, Code.SESSION_REVOKED, Code.POLICY_NOT_FOUND,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tap:
    """A tap that fits what was sent."""

    handle: Handle
    card: Card | None
    press: Press


@dataclass(frozen=True, slots=True)
class Console(Stages):
    """Taps and typed codes of the owner's chat. ``wake`` stirs the outbox."""

    transactions: Transactions
    approvals: Approvals
    sessions: Sessions
    safety: Safety
    reset: FactorReset
    codes: NewCodes
    replacements: Replacements
    loosenings: Loosenings
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
        if not known:
            return Answer(AnswerKind.OUT_OF_DATE)
        if handle is not None and handle.action in CODES_ACTIONS:
            return await self._judge_codes(unit, handle, press)
        if handle is None or is_spent(handle, now):
            return await self._dead(unit, press)
        if handle.action in CARD_ACTIONS:
            return await self._judge_card(unit, handle, press)
        if not fits_message(handle, press):
            return await self._mismatch(unit, handle, press)
        return _Tap(handle, None, press)

    async def _judge_card(self, unit: Unit, handle: Handle, press: Press) -> _Tap | Answer:
        now = self.clock.now()
        card = await unit.console.card(handle.subject)
        transaction = await unit.transactions.get(handle.subject)
        if card is None or transaction is None or not still_waits(handle, transaction, now):
            return await self._out_of_date(unit, card, handle, press)
        if press.text is None:  # too old to be shown with the tap: show the card anew
            return await self._redraw(unit, replace(card, message_id=None))
        match fits_card(card, handle, press):
            case Fit.FORGED:
                return await self._mismatch(unit, handle, press)
            case Fit.OLD:
                return await self._out_of_date(unit, card, handle, press)
            case Fit.CARD:
                pass
        if not fits_stage(handle.action, card, now):
            return await self._out_of_date(unit, card, handle, press)
        if handle.action not in PROTECTIVE and await is_frozen(unit):
            return Answer(AnswerKind.FROZEN, alert=True)
        return _Tap(handle, await self._adopt(unit, card, handle, press), press)

    async def _judge_codes(self, unit: Unit, handle: Handle, press: Press) -> _Tap | Answer:
        """Their handles outlive a tap: what was given once is never given again, whoever presses what."""
        if press.text is None:  # what is not shown again releases nothing
            return Answer(AnswerKind.OUT_OF_DATE, bare=True)
        if not fits_message(handle, press):
            return await self._mismatch(unit, handle, press)
        if handle.action not in PROTECTIVE and await is_frozen(unit):
            return Answer(AnswerKind.FROZEN, alert=True)
        if handle.action is Action.NEW_CODES:
            await self._end_challenge(unit)
        return _Tap(handle, None, press)

    async def _adopt(self, unit: Unit, card: Card, handle: Handle, press: Press) -> Card:
        """The pressed message is the card from now on; the outbox takes the buttons off any other copy."""
        await _note_message(unit, handle, press)
        if card.message_id != press.message_id:
            card = replace(card, message_id=press.message_id)
            await unit.console.save_card(card)
        return card

    async def _dead(self, unit: Unit, press: Press) -> Answer:
        """A button without a meaning: a card is shown as it is now, anything else loses its buttons."""
        card = await unit.console.card_by_message(press.chat_id, press.message_id)
        if card is not None:
            return await self._redraw(unit, card)
        return Answer(AnswerKind.OUT_OF_DATE, bare=True)

    async def _out_of_date(
        self, unit: Unit, card: Card | None, handle: Handle, press: Press
    ) -> Answer:
        """Nothing happens, and what was pressed will not ask any more."""
        if card is None or handle.chat_id != press.chat_id:
            return Answer(AnswerKind.OUT_OF_DATE, bare=True)
        if card.message_id is None:  # sent, but the process ended before it was noted
            card = replace(card, message_id=press.message_id)
        await _note_message(unit, handle, press)
        return await self._redraw(unit, card)

    async def _redraw(self, unit: Unit, card: Card) -> Answer:
        await unit.console.save_card(card)
        await unit.console.want_card(card.transaction_id, card.chat_id)
        return Answer(AnswerKind.OUT_OF_DATE)

    async def _mismatch(self, unit: Unit, handle: Handle, press: Press) -> Answer:
        details = {"action": handle.action.value, "messageId": press.message_id}
        about: dict[str, Any] = {"transaction_id": handle.subject} if handle.digest else {}
        notice = Alarm(
            "CARD_MISMATCH", handle.handle, {"action": handle.action.value, "id": handle.subject}
        )
        await freeze(unit, notice, self.clock.now(), actor=ACTOR, details=details, **about)
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
                await self._show_stage(tap.handle, "CARD", None)
                return Answer(AnswerKind.BACK)
            case Action.REJECT | Action.CANCEL:
                return await self._stop_one(tap)
            case action if action in CODES_ACTIONS:
                return await self.codes.press(tap.handle, tap.press)
            case _:
                return await self._act_on_message(tap.handle)

    async def _act_on_message(self, handle: Handle) -> Answer:
        answer = Answer(AnswerKind.DISMISSED)
        match handle.action:
            case Action.PUT_ASIDE:
                answer = Answer(AnswerKind.PUT_ASIDE, bare=True)
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
            case Action.CANCEL_LOOSENING:
                await self.loosenings.cancel(handle.subject, ACTOR)
                answer = Answer(AnswerKind.LOOSENING_CANCELLED, alert=True)
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
        await self._show_stage(tap.handle, "CARD", None)
        return Answer(AnswerKind.REJECTED if rejected else AnswerKind.CANCELLED)

    # ---- approving

    async def _ask(self, tap: _Tap) -> Answer:
        """The first tap: ask for the proof that this amount needs."""
        ask = ASKS.get(tap.handle.action, APPROVING)
        needs = self.approvals if ask is APPROVING else self.replacements
        match await needs.factor_needed(tap.handle.subject):
            case Factor.TAP:
                await self._show_stage(tap.handle, ask.confirm, self.clock.now() + CONFIRM_MS)
                return Answer(AnswerKind.CONFIRM_ASKED)
            case Factor.CODE:
                await self._show_stage(tap.handle, ask.code, self.clock.now() + CODE_MS)
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
        await self._show_stage(tap.handle, "CARD", None)
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
        await self._show_stage(tap.handle, "CARD", None)
        return Answer(AnswerKind.APPROVED)

    async def typed_code(self, chat_id: int, text: str) -> Answer:
        """Answer the open challenge of the chat with a six-digit code."""
        challenge = await self.store.read(lambda unit: self._challenge_of(unit, chat_id))
        if isinstance(challenge, Answer):
            return challenge
        try:
            step = await self.approvals.check_code(text)
            answer = await self._release(challenge, step)
        except WalletError as refusal:
            return await self._code_refused(challenge, refusal)
        await self.store.run(self._end_challenge)
        self.wake()
        return answer

    async def _release(self, challenge: Challenge, step: int) -> Answer:
        """Do what the code was asked for."""
        if challenge.purpose == PURPOSE:
            messages = await self.codes.give(challenge.subject, Factor.CODE, ACTOR, step)
            return Answer(AnswerKind.CODES_GIVEN, bare_messages=messages)
        ask = ORDERS.get(challenge.purpose)
        if ask is not None:
            await self._order(ask, challenge.subject, challenge.digest, Factor.CODE, step)
            return Answer(ask.done)
        await self.approvals.approve(
            challenge.subject,
            digest=challenge.digest,
            factor=Factor.CODE,
            actor=ACTOR,
            totp_step=step,
        )
        return Answer(AnswerKind.APPROVED)

    async def _challenge_of(self, unit: Unit, chat_id: int) -> Challenge | Answer:
        owner = await unit.authority.owner()
        challenge = await unit.console.open_challenge(self.clock.now())
        if owner is None or owner.chat_id != chat_id or challenge is None:
            return Answer(AnswerKind.NOT_WAITING)
        if not await self._is_asked(unit, challenge):
            return Answer(
                AnswerKind.NOT_WAITING
            )  # decided meanwhile: the code is not even looked at
        if await is_frozen(unit):
            return Answer(AnswerKind.FROZEN, alert=True)
        return challenge

    async def _is_asked(self, unit: Unit, challenge: Challenge) -> bool:
        if challenge.purpose == PURPOSE:
            return await self.codes.is_asked(unit, challenge.subject)
        row = await unit.transactions.get(challenge.subject)
        if row is None:
            return False
        if challenge.purpose in ORDERS:
            return is_stuck(row)
        return is_waiting_for_owner(row, self.clock.now())

    async def _code_refused(self, challenge: Challenge, refusal: WalletError) -> Answer:
        if refusal.details.get("usedBefore"):  # a right one: no guess, so no try is lost
            return Answer(AnswerKind.USED_CODE)
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

    # ---- freezing

    async def freeze(self, kind: str, payload: Mapping[str, str]) -> None:
        """Freeze releasing acts by Telegram and tell the owner; ``kind`` names the alert."""
        notice, now = Alarm(kind, self.ids.new(), payload), self.clock.now()
        details = {"kind": kind, **payload}
        await self.store.run(
            lambda unit: freeze(unit, notice, now, actor="telegram", details=details)
        )
        self.wake()

    async def stop_state(self) -> SystemState:
        return await self.safety.state()

    async def is_frozen(self) -> bool:
        """Whether the host has to lift a freeze before anything is released by Telegram."""
        return await self.store.read(is_frozen)


async def _note_message(unit: Unit, handle: Handle, press: Press) -> None:
    """The message of a send whose answer was lost became known by a tap on it."""
    if handle.message_id is None and press.text is not None:
        sent = handle.rendering or press.text
        await unit.console.bind_handles([handle.handle], press.message_id, sent)


def _stopped(report: StopReport) -> Answer:
    if not report.stored:
        return Answer(AnswerKind.STOPPED_UNSTORED, alert=True)
    params = {
        "sessions": str(report.sessions_revoked),
        "transactions": str(report.transactions_cancelled),
        "exposure": str(len(report.exposure)),
    }
    return Answer(AnswerKind.STOPPED, alert=True, params=params)
