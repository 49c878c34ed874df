"""The master password as a credential of the owner app: verified by the signer, one at a time, counted."""

import asyncio
from dataclasses import dataclass

from wallet.domain.facts import Fact
from wallet.errors import AuthError, Code, LimitedError
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock, Ids

COUNTER = "master_password"
TICKET_MS = 600_000


@dataclass(frozen=True, slots=True)
class _Ticket:
    """Good before ``until`` (seconds of the monotonic clock, which nobody sets back).

    ``locked``: the keystore was, when the password was checked.
    """

    until: float
    locked: bool


class MasterPassword:
    """Five failures lock the password for thirty minutes; the count outlives a restart."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        vault: KeyVault,
        attempts: int,
        lockout_seconds: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._attempts = attempts
        self._lockout_ms = lockout_seconds * 1000
        self._one_at_a_time = asyncio.Lock()
        self._tickets: dict[str, _Ticket] = {}

    async def require(self, password: str | None, *, ticket: str | None = None) -> None:
        """Raise unless the password, or a ticket it was exchanged for, is right."""
        if ticket is not None and password is None:
            self._require_good(ticket)
            return
        if not password:
            raise _required("This needs the master password.")
        async with self._one_at_a_time:
            await self._require_unlocked_counter()
            if not self._vault.alive:
                await self._vault.restart()
            if not await self._vault.verify_password(password):
                raise await self._failed()
            await self._store.run(lambda unit: unit.authority.set_counter(COUNTER, 0, 0))

    async def ticket(self, password: str | None) -> tuple[str, int]:
        """(ticket, expires_at): ten minutes without typing the password again. Kept in memory only.

        While locked the password is the one of whatever keystore stands in the directory. Only an unlock finds out
        that it is the wallets' own, so a ticket from before counts no more afterwards.
        """
        await self.require(password)
        now = self._clock.monotonic()
        self._tickets = {t: made for t, made in self._tickets.items() if made.until > now}
        ticket = self._ids.secret(24).hex()
        self._tickets[ticket] = _Ticket(now + TICKET_MS / 1000, locked=self._vault.locked)
        return ticket, self._clock.now() + TICKET_MS

    def forget_tickets(self) -> None:
        """Everything is stopped: what the password was exchanged for before counts no more."""
        self._tickets.clear()

    def _require_good(self, ticket: str) -> None:
        made = self._tickets.get(ticket)
        is_proved = made is not None and (self._vault.locked or not made.locked)
        if made is None or not is_proved or self._clock.monotonic() >= made.until:
            raise _required("The ticket has expired.")

    async def _require_unlocked_counter(self) -> None:
        _, until = await self._store.read(lambda unit: unit.authority.counter(COUNTER))
        left = until - self._clock.now()
        if left > 0:
            raise LimitedError(
                Code.MASTER_PASSWORD_LOCKED,
                "Too many wrong passwords.",
                details={"retryAfter": -(-left // 1000)},
                hint="Wait, then try again with the right password.",
            )

    async def _failed(self) -> AuthError:
        now = self._clock.now()

        async def body(unit: Unit) -> int:
            count = (await unit.authority.counter(COUNTER))[0] + 1
            until = now + self._lockout_ms if count >= self._attempts else 0
            await unit.authority.set_counter(COUNTER, 0 if until else count, until)
            await unit.audit.append(
                Fact.MASTER_PASSWORD_FAILED, actor="host", at=now, details={"count": str(count)}
            )
            return max(0, self._attempts - count)

        left = await self._store.run(body)
        minutes = self._lockout_ms // 60_000
        hint = f"{left} more before it is locked." if left else f"Locked for {minutes} minutes."
        return AuthError(
            Code.INVALID_MASTER_PASSWORD,
            "The master password is wrong.",
            details={"triesLeft": left},
            hint=hint,
        )


def _required(message: str) -> AuthError:
    return AuthError(
        Code.MASTER_PASSWORD_REQUIRED,
        message,
        hint="Send it as X-Master-Password, or a ticket as X-Ticket.",
    )
