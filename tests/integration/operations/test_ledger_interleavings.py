"""Any interleaving of requests, answers, settlements, failures, crashes and time, on the real store.

However they fall, what leaves the chain's account never exceeds a limit, and the checker finds nothing.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.support.chain import ETHER, EVM, FEE, FEE_CEILING
from tests.support.world import World, built
from wallet.domain.owner import Factor
from wallet.domain.sessions import Session
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status
from wallet.errors import WalletError
from wallet.ports.chain import SendOutcome

WINDOW_SECONDS = 3_600
WINDOW_LIMIT = 8 * ETHER
SESSION_LIMITS = (12 * ETHER, 5 * ETHER)
AMOUNTS = (ETHER // 20, ETHER // 2, 2 * ETHER, 6 * ETHER)  # one of each tier
SECONDS = (1, 20, 301, 1_000, 4_000)
FAULTS = (
    "reverts",
    "swallows",
    "down",
    "simulation_fails",
    "dear",
    "unmined",
    "rejects",
    "unknown",
)

ACTIONS = st.one_of(
    st.tuples(st.just("pay"), st.integers(0, len(SESSION_LIMITS) * len(AMOUNTS) - 1)),
    st.tuples(st.just("pay"), st.integers(0, len(SESSION_LIMITS) * len(AMOUNTS) - 1)),
    st.tuples(st.just("pass"), st.integers(0, len(SECONDS) - 1)),
    st.tuples(st.just("settle"), st.just(0)),
    st.tuples(st.just("approve"), st.just(0)),
    st.tuples(st.just("cancel"), st.just(0)),
    st.tuples(st.just("fault"), st.integers(0, len(FAULTS) - 1)),
    st.tuples(st.just("mend"), st.just(0)),
    st.tuples(st.just("restart"), st.just(0)),
)


@dataclass
class Play:
    """A world, its sessions, and every debit the chain shows: (when it was seen, base units)."""

    world: World
    sessions: list[Session]
    debits: list[tuple[int, int]] = field(default_factory=list)
    seen: int = 0

    async def act(self, name: str, number: int) -> None:
        acts: Mapping[str, Callable[[int], Awaitable[None]]] = {
            "pay": self.pay,
            "pass": self.pass_time,
            "settle": self.settle,
            "approve": self.approve,
            "cancel": self.cancel,
            "fault": self.fault,
            "mend": self.mend,
            "restart": self.restart,
        }
        with suppress(WalletError):  # a refusal is an answer
            await acts[name](number)
        await self.world.quiet()
        self.look()

    def look(self) -> None:
        spent = self.world.chain.spent(self.world.wallet.address)
        if spent != self.seen:
            self.debits.append((self.world.clock.now(), spent - self.seen))
            self.seen = spent

    async def pay(self, number: int) -> None:
        session = self.sessions[number % len(self.sessions)]
        await self.world.pay(AMOUNTS[number // len(self.sessions)], session=session)

    async def pass_time(self, number: int) -> None:
        await self.world.passes(SECONDS[number])

    async def settle(self, _: int) -> None:
        self.world.chain.finalize()
        await self.world.poll()

    async def approve(self, _: int) -> None:
        for row in await self.waiting(Tier.APPROVAL):
            approve = self.world.app.operations.approvals.approve
            await approve(row, digest=await self.digest(row), factor=Factor.HOST, actor="host")

    async def cancel(self, _: int) -> None:
        for row in (await self.waiting(Tier.DELAY, Tier.APPROVAL))[:1]:
            cancel = self.world.app.operations.transactions.cancel
            await cancel(row, actor="host", reason="no")

    async def fault(self, number: int) -> None:
        chain = self.world.chain
        match FAULTS[number]:
            case "dear":
                chain.fee = 2 * FEE_CEILING
            case "unmined":
                chain.mines = False
            case "rejects":
                chain.next_send = [SendOutcome.REJECTED, SendOutcome.REJECTED]
            case "unknown":
                chain.next_send = [SendOutcome.UNKNOWN]
            case flag:
                setattr(chain, flag, True)

    async def mend(self, _: int) -> None:
        chain = self.world.chain
        chain.reverts = chain.swallows = chain.down = chain.simulation_fails = False
        chain.mines, chain.fee, chain.next_send = True, FEE, []

    async def restart(self, _: int) -> None:
        await self.world.restart()

    async def waiting(self, *tiers: Tier) -> list[str]:
        rows = await self.world.database.read(
            lambda unit: unit.transactions.in_status(Status.QUEUED)
        )
        return [row.id for row in rows if row.tier in tiers]

    async def digest(self, transaction_id: str) -> str:
        return (await self.world.row(transaction_id)).digest

    def require_within_every_window(self) -> None:
        for end, _ in self.debits:
            start = end - WINDOW_SECONDS * 1000
            left = sum(debit for at, debit in self.debits if start < at <= end)
            assert left <= WINDOW_LIMIT, (left, self.debits)
        assert self.seen <= sum(SESSION_LIMITS)

    async def require_right_books(self) -> None:
        given_to = {self.world.wallet.id: 100 * ETHER}
        check = self.world.app.operations.ledger.check
        report = await check(with_chains=True, funded=given_to)
        assert report.violations == []


async def play(actions: list[tuple[str, int]], folder: Path) -> None:
    async with built(folder) as world:
        limit = {
            "assets": {EVM.native.key: {"limit": str(WINDOW_LIMIT)}},
            "window_seconds": WINDOW_SECONDS,
            "over": "each_wallet",
            "otherwise": "deny",
        }
        await world.set_rule("CUMULATIVE_LIMIT", limit, await world.rule_of("CUMULATIVE_LIMIT"))
        sessions = [
            await world.new_session(world.wallet, limits={EVM.native.key: most})
            for most in SESSION_LIMITS
        ]
        playing = Play(world, sessions)
        for name, number in actions:
            await playing.act(name, number)
        note(f"{len(playing.debits)} debits, {playing.seen} in all")
        await playing.require_right_books()
        await playing.mend(0)
        for _ in range(3):  # everything comes to its end
            await playing.act("pass", len(SECONDS) - 1)
            await playing.act("settle", 0)
        playing.require_within_every_window()
        await playing.require_right_books()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTIONS, min_size=5, max_size=30))
def test_no_interleaving_spends_above_a_limit_or_bends_the_books(
    actions: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "data"
        folder.mkdir(mode=0o700)
        asyncio.run(play(actions, folder))
