"""A lost authenticator app: a new one may be enrolled without a code of the old one, after a long wait.

The wait is announced in the chat. The host may cancel it at will; the chat once, so that whoever holds the
Telegram account cannot keep the owner out for ever.
"""

from wallet.domain.authority import RESET_CHAT_CANCELS as CHAT_CANCELS
from wallet.domain.authority import RESET_COUNTER as COUNTER
from wallet.domain.facts import Fact
from wallet.errors import Code, ConflictError, RefusedError
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring


class FactorReset:
    """Starts with the master password; ends when a new app is confirmed, or when it is cancelled.

    Its counter is (1, when it may be used, epoch ms) while it is under way.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        vault: KeyVault,
        keyring: Keyring,
        gate: Gate,
        wait_seconds: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._keyring = keyring
        self._gate = gate
        self._wait_ms = wait_seconds * 1000

    async def start(self, actor: str) -> int:
        """When the reset may be used (epoch ms). A running one keeps its time.

        KEYSTORE_LOCKED while locked, CLOCK_UNTRUSTED while nobody knows when the wait would be over.
        """
        self._keyring.require()
        self._gate.require_time()
        if not await self._vault.totp_enrolled():
            raise ConflictError(
                Code.NOT_FACTOR_ENROLLED,
                "No authenticator app is enrolled, so there is nothing to reset.",
                hint="waiaas factor totp enrols one.",
            )
        now = self._clock.now()

        async def body(unit: Unit) -> int:
            running, ready_at = await unit.authority.counter(COUNTER)
            if running:
                return ready_at
            ready_at = now + self._wait_ms
            await unit.authority.set_counter(COUNTER, 1, ready_at)
            facts = {"readyAt": str(ready_at)}
            await unit.audit.append(Fact.FACTOR_RESET_STARTED, actor=actor, at=now, details=facts)
            await unit.console.alert(
                f"FACTOR_RESET_STARTED:{now}", "FACTOR_RESET_STARTED", facts, now
            )
            return ready_at

        return await self._store.run(body)

    async def cancel(self, actor: str, *, from_chat: bool) -> None:
        """End a running reset. The chat may do it once until an app is confirmed."""
        now = self._clock.now()

        async def body(unit: Unit) -> None:
            running, _ = await unit.authority.counter(COUNTER)
            if not running:
                raise ConflictError(
                    Code.NOT_FOUND, "No reset of the authenticator app is running."
                )
            cancelled, _ = await unit.authority.counter(CHAT_CANCELS)
            if from_chat and cancelled:
                raise RefusedError(
                    Code.FACTOR_REQUIRED,
                    "The chat cancelled a reset before.",
                    hint="On the host: waiaas factor reset --cancel.",
                )
            await unit.authority.set_counter(COUNTER, 0, 0)
            if from_chat:
                await unit.authority.set_counter(CHAT_CANCELS, 1, 0)
            await unit.audit.append(Fact.FACTOR_RESET_CANCELLED, actor=actor, at=now)
            await unit.console.alert(
                f"FACTOR_RESET_CANCELLED:{now}", "FACTOR_RESET_CANCELLED", {}, now
            )

        await self._store.run(body)


async def reset_is_over(unit: Unit, now: int) -> bool:
    """Whether a reset ran its whole wait, so that a code of the lost app is not asked for."""
    running, ready_at = await unit.authority.counter(COUNTER)
    return bool(running) and now >= ready_at


async def end_reset(unit: Unit) -> None:
    """A new app was confirmed."""
    await unit.authority.set_counter(COUNTER, 0, 0)
    await unit.authority.set_counter(CHAT_CANCELS, 0, 0)
