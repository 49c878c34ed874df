"""A play on the real store: agents, the owner, faults, restarts and time, one step after another.

After every step the promises are held against what the chains show.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.chain import ETHER, FEE, FEE_CEILING, SOL, LedgerChain
from tests.support.debits import Asked, Debit, Seen
from tests.support.promises import (
    Promise,
    over,
    require_paid_once,
    require_session_kept,
)
from tests.support.world import World
from wallet.domain.owner import Factor
from wallet.domain.prices import Price, PriceGap
from wallet.domain.sessions import Session
from wallet.domain.tiers import Tier
from wallet.domain.transactions import OPEN, Purpose, Status
from wallet.domain.wallets import Wallet
from wallet.errors import WalletError
from wallet.operations.replacements import Order
from wallet.ports.chain import SendOutcome
from wallet.ports.world import ADMITTED, EXECUTING, ORDERED, SENT, SETTLED, STORED

FUNDED = 100 * ETHER
AMOUNTS = (ETHER // 20, ETHER // 2, 2 * ETHER, 3 * ETHER)  # one of each tier
SECONDS = (1, 20, 301, 1_000, 4_000)
PRICES = (1_000, 3_000, 9_000)  # dollars
LOST_PRICES = (PriceGap.STALE, PriceGap.UNAVAILABLE)
BLOCKS = (160, 1, 40)  # the first is more than a Solana payload lives
RENT = ETHER // 10  # the smallest amount then opens no account
TIERS = {
    "instant_max": str(ETHER // 10),
    "notify_max": str(ETHER),
    "delay_max": str(2 * ETHER),
}
FAULTS = (
    "reverts",
    "down",
    "simulation_fails",
    "dear",
    "rejects",
    "unknown",
    "miscounts",
    "rent",
)
CRASHES = (ADMITTED, EXECUTING, STORED, SENT, SETTLED, ORDERED)


class Killed(BaseException):
    """The process dies here. Nothing of ours catches it, as nothing catches SIGKILL."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A session: on the wallet of that number, with limits of its own."""

    wallet: int
    limit: int
    count: int = 1_000


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays, and what was promised: by each wallet's own rules, and by rules over all wallets."""

    networks: Sequence[str]
    budgets: Sequence[Budget]
    steps: Sequence[str]  # a step named more often is drawn more often
    each: Sequence[Promise] = ()
    all: Sequence[Promise] = ()
    amounts: Sequence[int] = AMOUNTS


@dataclass
class Play:
    """A world with its cast, and everything that was seen."""

    world: World
    cast: Cast
    wallets: list[Wallet] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    promised: list[tuple[Promise, Wallet | None]] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    async def begin(self) -> None:
        for number, network in enumerate(self.cast.networks):
            wallet = await self.world.new_wallet(f"wallet{number}", network)
            self.wallets.append(wallet)
            await self._write_rules(wallet)
        for rule in self.cast.all:
            await self._write(rule, None)
        for budget in self.cast.budgets:
            wallet = self.wallets[budget.wallet]
            limits = {f"{wallet.network}/native": budget.limit}
            session = await self.world.new_session(
                wallet, limits=limits, max_transactions=budget.count
            )
            self.sessions.append(session)
        for chain in self.chains:
            chain.charges_all = True
        await self.price(0)

    async def act(self, name: str, number: int) -> None:
        """One step, then a look. A refusal is an answer, and a process that died is started again."""
        act: Callable[[int], Awaitable[None]] = getattr(self, name)
        with suppress(WalletError):
            try:
                await act(number)
            except Killed:
                await self.world.restart()
        await self.world.quiet()
        if any(isinstance(one, Killed) for one in self.world.crashes):
            self.world.crashes = [one for one in self.world.crashes if not isinstance(one, Killed)]
            await self.world.restart()
            await self.world.quiet()
        await self.look()

    # ---- steps

    async def pay(self, number: int) -> None:
        session = self.sessions[number % len(self.sessions)]
        amount = self.cast.amounts[number // len(self.sessions) % len(self.cast.amounts)]
        wallet = next(one for one in self.wallets if one.id == session.wallet_id)
        payee = f"payee{len(self.seen.asked)}"
        quote = self.world.prices.table[f"{wallet.network}/native"]
        now = self.world.clock.now()
        about = {"session": session, "wallet": wallet, "key": payee}
        try:
            row = (await self.world.ask(amount, payee, **about)).transaction
        except Killed:  # the agent got no answer, and asks for the same once more
            await self.world.restart()
            row = (await self.world.ask(amount, payee, **about)).transaction
        dollars = quote.value if isinstance(quote, Price) else None
        asked = Asked(row.id, now, session.id, wallet, payee, amount, row.tier, dollars)
        for rule, whose in self.promised:
            if whose in (None, wallet):
                rule.require_decided(self.seen, asked, whose)
        self.seen.asked[asked.id] = asked

    async def wait(self, number: int) -> None:
        await self.world.passes(SECONDS[number % len(SECONDS)])

    async def poll(self, _: int) -> None:
        await self.world.poll()

    async def settle(self, _: int) -> None:
        for chain in self.chains:
            chain.finalize()
        await self.world.poll()

    async def mine(self, number: int) -> None:
        for chain in self.chains:
            chain.mine(BLOCKS[number % len(BLOCKS)])
        await self.world.poll()

    async def take(self, number: int) -> None:
        """A block with any bytes that were ever sent and still could land, whatever our node holds."""
        fitting = [
            (chain, raw)
            for chain in self.chains
            for raw in dict.fromkeys(chain.sent)
            if chain.takes(raw)
        ]
        if fitting:
            chain, raw = fitting[number % len(fitting)]
            chain.take(raw)

    async def approve(self, _: int) -> None:
        approve = self.world.app.operations.approvals.approve
        for known in await self._waiting(Tier.APPROVAL):
            digest = (await self.world.row(known)).digest
            self.seen.consented |= {known}
            await approve(known, digest=digest, factor=Factor.HOST, actor="host")

    async def cancel(self, _: int) -> None:
        cancel = self.world.app.operations.transactions.cancel
        for known in (await self._waiting(Tier.DELAY, Tier.APPROVAL))[:1]:
            await cancel(known, actor="host", reason="no")

    async def speed_up(self, number: int) -> None:
        await self._order(Purpose.SPEED_UP, number)

    async def cancel_sent(self, number: int) -> None:
        await self._order(Purpose.CANCEL, number)

    async def resume(self, _: int) -> None:
        """The owner lets go on what auto-stop holds."""
        for session in self.sessions:
            with suppress(WalletError):
                await self.world.app.operations.holds.resume_session(session.id, actor="host")

    async def price(self, number: int) -> None:
        for key in self.keys:
            dollars = PRICES[number % len(PRICES)]
            self.world.prices.table[key] = Price(dollars, 0, self.world.clock.now())

    async def lose_price(self, number: int) -> None:
        for key in self.keys:
            self.world.prices.table[key] = LOST_PRICES[number % len(LOST_PRICES)]

    async def fault(self, number: int) -> None:
        for chain in self.chains:
            match FAULTS[number % len(FAULTS)]:
                case "dear":
                    chain.fee = 2 * FEE_CEILING
                case "rejects":
                    chain.next_send = [SendOutcome.REJECTED, SendOutcome.REJECTED]
                case "unknown":
                    chain.next_send = [SendOutcome.UNKNOWN]
                case "miscounts":
                    chain.skip_nonces = 1
                case "rent":
                    chain.rent = RENT if chain.network is SOL else 0
                case flag:
                    setattr(chain, flag, True)

    async def hold(self, _: int) -> None:
        """No block takes anything by itself."""
        for chain in self.chains:
            chain.mines = False

    async def lose(self, _: int) -> None:
        """Nodes take payloads and forget them."""
        for chain in self.chains:
            chain.swallows = True

    async def crash(self, number: int) -> None:
        """The process dies when it is there next."""

        def die() -> None:
            raise Killed

        self.world.checkpoints.at[CRASHES[number % len(CRASHES)]] = die

    async def mend(self, _: int) -> None:
        for chain in self.chains:
            chain.reverts = chain.swallows = chain.down = chain.simulation_fails = False
            chain.mines, chain.fee, chain.next_send = True, FEE, []
            chain.skip_nonces = chain.rent = 0

    async def restart(self, _: int) -> None:
        await self.world.restart()

    async def end(self) -> None:
        """Everything comes to its end, whatever was wrong."""
        self.world.checkpoints.at.clear()
        for name in ("mend", "resume", "approve", "poll"):
            await self.act(name, 0)
        for long in (False, False, True, True, False, False):
            await self.act("wait", SECONDS.index(4_000 if long else 301))
            await self.act("wait", SECONDS.index(20))  # two looks find what a nonce waits for
            await self.act("settle", 0)
            await self.act("mine", 0)
        rows = await self.world.database.read(lambda unit: unit.transactions.in_status(*OPEN))
        assert rows == [], "it never ends"

    # ---- what is seen

    @property
    def chains(self) -> list[LedgerChain]:
        return [self.world.chains[name] for name in dict.fromkeys(self.cast.networks)]

    @property
    def keys(self) -> list[str]:
        return [chain.network.native.key for chain in self.chains]

    async def look(self) -> None:
        """Remember what landed since the last look, and hold everything against what was promised."""
        self.seen.now = self.world.clock.now()
        rows = await self.world.database.read(lambda unit: unit.transactions.in_status(*OPEN))
        self.seen.open = frozenset(row.id for row in rows)
        known = {debit.hash for debit in self.seen.debits}
        for chain in self.chains:
            for hashed in [one for one in chain.landed if one not in known]:
                self.seen.debits.append(await self._debit(chain, hashed))
        require_paid_once(self.seen)
        for session in self.sessions:
            require_session_kept(self.seen, session)
        for rule, wallet in self.promised:
            rule.require_kept(self.seen, wallet)

    async def require_right_books(self) -> None:
        given_to = {wallet.id: FUNDED for wallet in self.wallets}
        check = self.world.app.operations.ledger.check
        report = await check(with_chains=True, funded=given_to)
        assert report.violations == []

    async def _debit(self, chain: LedgerChain, hashed: str) -> Debit:
        landed = chain.landed[hashed]
        paid = landed.amount if landed.worked else 0
        now, sender = self.seen.now, landed.sender
        if landed.to != sender:
            [asked] = [one for one in self.seen.asked.values() if one.payee == landed.to]
            assert asked.wallet.address == sender, "another wallet paid for it"
            return Debit(now, hashed, asked, paid, landed.fee)
        assert landed.nonce is not None, "only EVM needs empty payloads"
        network, nonce = chain.network.name, landed.nonce
        stored = await self.world.database.read(
            lambda unit: unit.attempts.at_nonce(network, sender, nonce)
        )
        [empty] = [one for one in stored if one.hash == hashed]
        first = (await self.world.attempts(empty.transaction_id))[0]
        asked = self.seen.asked[empty.transaction_id]
        return Debit(now, hashed, asked, paid, landed.fee, fills_gap=first.nonce != nonce)

    # ---- the owner's part

    async def _waiting(self, *tiers: Tier) -> list[str]:
        rows = await self.world.database.read(
            lambda unit: unit.transactions.in_status(Status.QUEUED)
        )
        return [row.id for row in rows if row.tier in tiers]

    async def _order(self, purpose: Purpose, number: int) -> None:
        """About any payment that is on its way, every other time while fees are as high as the order allows."""
        replacements = self.world.app.operations.replacements
        rows = await self.world.database.read(
            lambda unit: unit.transactions.in_status(Status.SUBMITTED)
        )
        if not rows:
            return
        offer = await replacements.offer(rows[number % len(rows)].id)
        row = offer.transaction
        order = Order(purpose, row.digest, offer.ceiling, Factor.HOST, "host")
        chain = self.world.chains[row.network]
        before = chain.fee
        if number % 2:
            chain.fee = offer.ceiling
        try:
            await replacements.order(row.id, order)
            await self.world.poll()
        finally:
            chain.fee = before

    async def _write_rules(self, wallet: Wallet) -> None:
        """The preset's tiers, the same on every network, and what was promised in place of its window."""
        put = self.world.app.operations.policies.put
        for rule in await self.world.app.operations.policies.list(wallet.id):
            if rule["type"] == "SPENDING_LIMIT":
                body = {"assets": {f"{wallet.network}/native": TIERS}, "delay_seconds": 300}
                await put("SPENDING_LIMIT", body, wallet.id, str(rule["id"]), "host")
            elif self.cast.each:
                await self.world.app.operations.policies.remove(str(rule["id"]), "host")
        for promise in self.cast.each:
            await self._write(promise, wallet)

    async def _write(self, rule: Promise, wallet: Wallet | None) -> None:
        scope, wallet_id = over(wallet)
        assets = self.keys if wallet is None else [f"{wallet.network}/native"]
        body = {**rule.rules(assets), "over": scope}
        if "usd" in body:
            body["usd"] = {**body["usd"], "over": scope}
        await self.world.app.operations.policies.put(rule.type, body, wallet_id, None, "host")
        self.promised.append((rule, wallet))
