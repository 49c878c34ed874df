"""Queued loosenings: what waits, the owner's no, and the moment they count."""

from collections.abc import Callable
from functools import partial

from wallet.domain.facts import Fact
from wallet.domain.loosenings import Drop, Loosening
from wallet.errors import Code, NotFoundError, WalletError
from wallet.operations.rule_changes import RuleChange, drop, drop_unreadable, finish, write
from wallet.operations.rule_checks import RuleChecks
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring


class Loosenings:
    """Each counts once, in one transaction, while the daemon is unlocked and nothing is stopped."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        checks: RuleChecks,
        keyring: Keyring,
        gate: Gate,
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._checks = checks
        self._keyring = keyring
        self._gate = gate
        self._changed = changed

    async def list(self, wallet_id: str | None = None) -> list[Loosening]:
        """What waits, the next to count first: of the wallet and of every wallet; with None all."""
        found = await self._store.read(lambda unit: unit.loosenings.all())
        return [one for one in found if wallet_id is None or one.wallet_id in (None, wallet_id)]

    async def cancel(self, loosening_id: str, actor: str) -> Loosening:
        """The rule stays as it is. Works while locked and while stopped. POLICY_NOT_FOUND."""
        now = self._clock.now()

        async def body(unit: Unit) -> Loosening:
            waiting = await unit.loosenings.get(loosening_id)
            if waiting is None:
                raise NotFoundError(
                    Code.POLICY_NOT_FOUND,
                    "No such change waits.",
                    hint="See what waits: waiaas policy list",
                )
            await finish(unit, Fact.POLICY_LOOSENING_CANCELLED, waiting, now, actor)
            return waiting

        return await self._store.run(body)

    async def apply_due(self) -> int:
        """Let count whatever waited long enough, and drop what nobody can vouch for. Returns how many went."""
        if not self._may_count:
            return 0
        now = self._clock.now()
        gone = 0
        for loosening_id in await self._store.read(partial(_ready, now=now)):
            gone += await self._store.run(partial(self._end, loosening_id=loosening_id, now=now))
        if gone:
            self._changed()
        return gone

    @property
    def _may_count(self) -> bool:
        return self._gate.is_normal and self._gate.has_time and self._keyring.is_open

    async def _end(self, unit: Unit, loosening_id: str, now: int) -> int:
        if not self._may_count:
            return 0  # stopped in the very moment
        try:
            waiting = await unit.loosenings.get(loosening_id)
        except WalletError:
            await drop_unreadable(unit, loosening_id, now)
            return 1
        if waiting is None:
            return 0  # cancelled in the very moment
        why = await self._why_not(unit, waiting)
        if why is not None:
            await drop(unit, waiting, why, now)
            return 1
        await unit.loosenings.end(waiting.id)
        version = str(await write(unit, RuleChange.of(waiting), now))
        await finish(unit, Fact.POLICY_LOOSENING_APPLIED, waiting, now, "system", version=version)
        return 1

    async def _why_not(self, unit: Unit, waiting: Loosening) -> Drop | None:
        if waiting.proof.is_broken:
            return Drop.UNPROVED
        stored = await unit.policies.stored(None)
        versions = [int(one["version"]) for one in stored if one["id"] == waiting.rule_id]
        if versions != ([waiting.base_version] if waiting.base_version else []):
            return Drop.RULE_CHANGED
        if waiting.rules is None:
            return None
        try:
            await unit.policies.require_proof(waiting.wallet_id)
        except WalletError:
            return Drop.UNPROVED
        try:
            wallet = (
                None if waiting.wallet_id is None else await unit.wallets.get(waiting.wallet_id)
            )
            self._checks.check(waiting.type, waiting.body or {}, wallet)
        except WalletError:
            return Drop.INVALID
        return None


async def _ready(unit: Unit, now: int) -> list[str]:
    """Ids of what waited long enough, and of what nobody can vouch for, or even read."""
    found = await unit.loosenings.all()
    waits = {one.id for one in found if not one.proof.is_broken and one.counts_at > now}
    return [one for one in await unit.loosenings.ids() if one not in waits]
