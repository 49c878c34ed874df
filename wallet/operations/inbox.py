"""The owner's updates from Telegram: stored before they are acknowledged, handled, then erased."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from wallet.domain.console import Action, StoredUpdate
from wallet.domain.facts import Fact
from wallet.operations.taps import PROTECTIVE
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock

UPDATE_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Inbox:
    """At-least-once handling over idempotent acts. ``wake`` stirs the outbox."""

    store: Store
    clock: Clock
    wake: Callable[[], None]

    async def next_offset(self) -> int:
        return await self.store.read(lambda unit: unit.console.next_update_offset())

    async def store_updates(self, bodies: Mapping[int, str], *, next_offset: int) -> None:
        """Keep updates (id -> JSON) and the offset that acknowledges them, in one unit."""

        async def body(unit: Unit) -> None:
            for update_id, text in sorted(bodies.items()):
                await unit.console.add_update(StoredUpdate(update_id, text, self.clock.now()))
            await unit.console.set_update_offset(next_offset)

        await self.store.run(body)

    async def waiting_updates(self) -> list[StoredUpdate]:
        return await self.store.read(lambda unit: unit.console.waiting_updates())

    async def is_protective(self, handle: str) -> bool:
        """Whether the button stops something; such taps go before everything else."""
        found = await self.store.read(lambda unit: unit.console.handle(handle))
        return found is not None and found.action in PROTECTIVE - {
            Action.BACK,
            Action.DISMISS,
            Action.PUT_ASIDE,
            Action.NO_NEW_CODES,
        }

    async def finish_update(self, update: StoredUpdate) -> None:
        """It is handled: erase what was typed, keep that it came."""
        done = replace(update, body="", handled_at=self.clock.now())
        await self.store.run(lambda unit: unit.console.save_update(done))

    async def fail_update(self, update: StoredUpdate) -> None:
        """Count a failed handling; the third parks the update and tells the owner."""
        attempts = update.attempts + 1

        async def body(unit: Unit) -> None:
            if attempts < UPDATE_TRIES:
                await unit.console.save_update(replace(update, attempts=attempts))
                return
            now = self.clock.now()
            parked = replace(update, attempts=attempts, body="", handled_at=now)
            await unit.console.save_update(parked)
            about = {"updateId": update.update_id, "attempts": attempts}
            await unit.audit.append(Fact.UPDATE_PARKED, actor="telegram", at=now, details=about)
            key, payload = f"UPDATE_PARKED:{update.update_id}", {"update": str(update.update_id)}
            await unit.console.alert(key, "UPDATE_PARKED", payload, now)

        await self.store.run(body)
        self.wake()
