"""Delivers alerts: what the owner is told beside the cards, some of it with buttons."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from wallet.domain.console import Action, Alert, AlertState
from wallet.errors import WalletError
from wallet.notifications.buttons import new_handle
from wallet.notifications.pauses import pause_ms
from wallet.ports.owner_channel import Button, ChannelError, OwnerChannel
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock, Ids

ATTEMPTS: Final = 50
CHAT: Final = "chatId"  # an alert for somebody who is the owner no more names his chat
# Alerts that offer to cancel what they announce.
CANCELS: Final = {
    "KILL_SWITCH_RECOVERY_STARTED": Action.CANCEL_RECOVERY,
    "FACTOR_RESET_STARTED": Action.CANCEL_RESET,
    "POLICY_LOOSENING_QUEUED": Action.CANCEL_LOOSENING,
}
RECOVERED: Final = "KILL_SWITCH_RECOVERED"
CLAIM_CODES: Final = "CLAIM_CODES"
_log = logging.getLogger("waiaas.outbox")


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert as it is said now. ``subject`` is what its buttons are about."""

    facts: Mapping[str, str]
    actions: tuple[Action, ...] = ()
    subject: str = ""
    bound: bool = False  # whether its text must come back with a press: so for what releases


class Recovered(Protocol):
    async def notice(self, alert: Alert) -> Notice:
        """What is said after a recovery: the ended sessions, and how they get new claim codes."""
        ...


class Alerts:
    """Stored before they are sent, and tried until they arrive or were tried often enough."""

    def __init__(
        self, store: Store, clock: Clock, ids: Ids, recovered: Recovered | None = None
    ) -> None:
        self._store, self._clock, self._ids = store, clock, ids
        self._recovered = recovered

    async def deliver(self, channel: OwnerChannel, chat_id: int, alert: Alert) -> bool:
        """Whether it arrived."""
        chat_id = int(alert.payload.get(CHAT, chat_id))
        try:
            notice = await self._notice(alert)
            if notice.actions:
                await self._offer(channel, chat_id, alert.kind, notice)
            else:
                await channel.say(chat_id, replace(alert, payload=notice.facts))
        except ChannelError as error:
            await self._failed(alert, error)
            return False
        except (
            WalletError
        ) as error:  # the signer is just being ended: what is offered is asked again
            await self._failed(alert, ChannelError(error.code.value))
            return False
        sent = replace(alert, state=AlertState.SENT, attempts=alert.attempts + 1)
        await self._store.run(lambda unit: unit.console.save_alert(_emptied(sent)))
        return True

    async def _notice(self, alert: Alert) -> Notice:
        if alert.kind == RECOVERED and self._recovered is not None:
            return await self._recovered.notice(alert)
        if alert.kind in CANCELS:
            subject = alert.payload.get("id", "")
            return Notice(alert.payload, (CANCELS[alert.kind], Action.PUT_ASIDE), subject)
        return Notice(alert.payload)

    async def _offer(self, channel: OwnerChannel, chat_id: int, kind: str, notice: Notice) -> None:
        text = channel.render_alert(kind, notice.facts) if notice.bound else ""
        handles = [
            replace(new_handle(self._ids, action, notice.subject, chat_id), rendering=text)
            for action in notice.actions
        ]

        async def store(unit: Unit) -> None:
            for handle in handles:
                await unit.console.add_handle(handle)

        await self._store.run(store)
        buttons = [Button(handle.action, handle.handle) for handle in handles]
        message_id = await channel.offer(chat_id, kind, notice.facts, buttons)
        words = [handle.handle for handle in handles]
        await self._store.run(lambda unit: unit.console.bind_handles(words, message_id, text))

    async def _failed(self, alert: Alert, error: ChannelError) -> None:
        attempts = alert.attempts + 1
        state = AlertState.PARKED if attempts >= ATTEMPTS else AlertState.WAITING
        retry_at = self._clock.now() + pause_ms(attempts, error)
        failed = replace(alert, state=state, attempts=attempts, retry_at=retry_at)
        if state is AlertState.PARKED:
            failed = _emptied(failed)
        await self._store.run(lambda unit: unit.console.save_alert(failed))
        parked = " and was set aside" if state is AlertState.PARKED else ""
        _log.warning(
            "alert %s was not delivered (attempt %d)%s: %s", alert.kind, attempts, parked, error
        )


def _emptied(alert: Alert) -> Alert:
    """Claim codes stay in the store no longer than until they are said."""
    return replace(alert, payload={}) if alert.kind == CLAIM_CODES else alert
