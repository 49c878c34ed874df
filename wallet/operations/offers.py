"""Messages with buttons that the owner asked for: what they carry, and which message carries it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wallet.domain.console import Action
from wallet.notifications.buttons import new_handle
from wallet.ports.owner_channel import Button
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock, Ids

OFFER_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class Offers:
    """Each offer is an act and a way to put it aside."""

    store: Store
    clock: Clock
    ids: Ids

    async def offer_kill(self, chat_id: int) -> tuple[Button, Button]:
        """Buttons for a message that offers the kill switch: confirm and dismiss, 10 minutes."""
        return await self._offer(chat_id, Action.CONFIRM_KILL, "")

    async def offer_cancel_recovery(self, chat_id: int) -> tuple[Button, Button]:
        """Buttons for a message about a running recovery: cancel it, and dismiss."""
        return await self._offer(chat_id, Action.CANCEL_RECOVERY, "")

    async def offer_revoke(self, chat_id: int, session_id: str) -> tuple[Button, Button]:
        """Buttons for a message that offers to end a session: revoke and dismiss, 10 minutes."""
        return await self._offer(chat_id, Action.REVOKE_SESSION, session_id)

    async def offer_cancel_loosening(
        self, chat_id: int, loosening_id: str
    ) -> tuple[Button, Button]:
        """Buttons for a message about a rule that will be loosened: keep it, and dismiss, 10 minutes."""
        return await self._offer(chat_id, Action.CANCEL_LOOSENING, loosening_id)

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
