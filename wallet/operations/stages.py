"""How far the owner is with a card: what was pressed, and whether a code is awaited for it."""

from dataclasses import dataclass, replace
from typing import Final

from wallet.domain.console import Challenge, Handle
from wallet.domain.owner import Factor
from wallet.operations.asks import CHALLENGES
from wallet.operations.offers import Offers
from wallet.ports.store import Unit

CONFIRM_MS: Final = 60_000
CODE_MS: Final = 120_000
CODE_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Stages(Offers):
    """One code answers one card, so a card that asks ends what another one waited for."""

    async def _show_stage(self, handle: Handle, stage: str, until: int | None) -> None:
        """Spend the handle and have the card redrawn in ``stage``, in one unit."""

        async def body(unit: Unit) -> None:
            await unit.console.use_handle(handle.handle, self.clock.now())
            await self._end_challenge(unit)
            await _set_stage(unit, handle.subject, stage, until)
            purpose = CHALLENGES.get(stage)
            if purpose is not None and until is not None:
                await unit.console.add_challenge(self._challenge(handle, purpose, until))

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


async def _set_stage(unit: Unit, transaction_id: str, stage: str, until: int | None) -> None:
    card = await unit.console.card(transaction_id)
    if card is not None:
        await unit.console.save_card(replace(card, stage=stage, stage_until=until))
        await unit.console.want_card(transaction_id, card.chat_id)
