"""The watch over the host's clock: asks the world, remembers a doubt over restarts, tells the owner."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from wallet.domain.clock import agree, difference
from wallet.domain.facts import Fact
from wallet.errors import WalletError
from wallet.ports.chain import Chain
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock
from wallet.safety.clock_guard import ClockGuard

COUNTER: Final = "clock_doubted"
ASK_SECONDS: Final = 5.0
DOUBTED_EVERY_SECONDS: Final = 2.0
TRUSTED_EVERY_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class World:
    """Who may know the time. ``public``: networks whose newest block is never ahead of the time.

    ``has_reference``: somebody outside this host can be asked, so that a start after a long pause waits for it.
    """

    chains: Mapping[str, Chain]
    public: frozenset[str]
    has_reference: bool


class ClockWatch:
    """What is stored is whether the clock was in doubt; a restart believes nothing that was doubted."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        guard: ClockGuard,
        world: World,
        settled: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._guard = guard
        self._world = world
        self._settled = settled  # what waited for the time may try at once
        self._told_doubt = False
        self._asked_at = float("-inf")

    @property
    def guard(self) -> ClockGuard:
        return self._guard

    async def load(self) -> None:
        """At start: compare the clock with the last fact. A long pause proves nothing, so the world is asked."""
        doubted, last = await self._store.read(_remembered)
        now = self._clock.now()
        if doubted:
            self._told_doubt = True
            self._guard.doubt("it was in doubt before the restart")
        elif last is not None and now < last and not agree(now, last):
            self._guard.doubt(f"the host's clock is {difference(now, last)} before the last fact")
        elif last is not None and not agree(now, last) and self._world.has_reference:
            self._told_doubt = True  # a usual start: nothing to alarm about
            self._guard.doubt("nobody has confirmed the host's clock since the start")

    async def tick(self) -> None:
        """Compare, tell what changed, and ask the chains: often while in doubt, rarely otherwise."""
        trusted = self._guard.is_trusted
        await self._tell(trusted=trusted)
        now = self._clock.monotonic()
        every = TRUSTED_EVERY_SECONDS if trusted else DOUBTED_EVERY_SECONDS
        if now - self._asked_at < every:
            return
        self._asked_at = now
        for name, chain in self._world.chains.items():
            await self._ask(name, chain)
        await self._tell(trusted=self._guard.is_trusted)

    async def trust(self, actor: str) -> None:
        """The owner on the host says that the clock is right. The door has asked for the password."""
        self._guard.believe()
        await self._store.run(lambda unit: self._note(unit, Fact.CLOCK_TRUSTED, actor, ""))
        self._told_doubt = False
        self._settled()

    async def _ask(self, name: str, chain: Chain) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                at = await chain.latest_time()
        except (WalletError, TimeoutError):
            return
        self._guard.hear_block(at, name, is_public=name in self._world.public)

    async def _tell(self, *, trusted: bool) -> None:
        if trusted is not self._told_doubt:
            return
        fact = Fact.CLOCK_TRUSTED if trusted else Fact.CLOCK_DOUBTED
        reason = self._guard.reason
        await self._store.run(lambda unit: self._note(unit, fact, "system", reason))
        self._told_doubt = not trusted
        if trusted:
            self._settled()

    async def _note(self, unit: Unit, fact: Fact, actor: str, reason: str) -> None:
        now = self._clock.now()
        known, _ = await unit.authority.counter(COUNTER)
        doubted = fact is Fact.CLOCK_DOUBTED
        await unit.authority.set_counter(COUNTER, int(doubted), 0)
        if not doubted and not known and actor == "system":
            return  # a usual start was confirmed
        number = await unit.audit.append(fact, actor=actor, at=now, details={"reason": reason})
        await unit.console.alert(f"{fact.value}:{number}", fact.value, {"reason": reason}, now)


async def _remembered(unit: Unit) -> tuple[bool, int | None]:
    """(whether the clock was in doubt, when the last fact was written)."""
    doubted, _ = await unit.authority.counter(COUNTER)
    number, _ = await unit.audit.head()
    rows = await unit.audit.rows(after=number - 1, limit=1) if number else []
    return doubted > 0, int(rows[0]["at"]) if rows else None
