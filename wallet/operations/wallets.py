"""Wallets: create, list, look at."""

from collections.abc import Mapping

from wallet.domain.chains import Network
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.domain.wallets import Wallet
from wallet.errors import Code, NotFoundError, UnavailableError, bad_field
from wallet.operations.policies import Policies, Preset, preset_rules
from wallet.ports.chain import Balance, Chain
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock, Ids

NAME_MAX = 64


class Wallets:
    """A wallet's key is written before its row: a crash between leaves a key nobody uses, never a row without."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        vault: KeyVault,
        chains: Mapping[str, Chain],
        policies: Policies,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._chains = chains
        self._policies = policies

    async def create(self, name: str, network: str, *, preset: str, actor: str) -> Wallet:
        """A new key pair with a preset policy, usable at once."""
        chosen = self.network(network)
        if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
            raise bad_field("name", f"must be 1 to {NAME_MAX} printable characters")
        if preset not in list(Preset):
            raise bad_field("preset", f"must be one of {', '.join(Preset)}")
        await self._require_unused(name)
        wallet_id, now = self._ids.new(), self._clock.now()
        await self._store.read(_require_normal)
        key = await self._vault.create_wallet(wallet_id, chosen.chain.value, chosen.name)
        wallet = Wallet(
            id=wallet_id,
            name=name,
            chain=chosen.chain.value,
            network=chosen.name,
            address=key.address,
            public_key=key.public_key,
            created_at=now,
        )
        await self._store.run(lambda unit: self._add(unit, wallet, Preset(preset), actor))
        return wallet

    def networks(self) -> list[Network]:
        return [chain.network for chain in self._chains.values()]

    async def list(self) -> list[Wallet]:
        return await self._store.read(lambda unit: unit.wallets.all())

    async def get(self, wallet_id: str) -> Wallet:
        wallet = await self._store.read(lambda unit: unit.wallets.get(wallet_id))
        if wallet is None:
            raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
        return wallet

    async def balance(self, wallet: Wallet) -> Balance:
        """Asked of the chain now. CHAIN_UNAVAILABLE when nobody answers."""
        chain = self._chains.get(wallet.network)
        if chain is None:
            raise UnavailableError(
                Code.CHAIN_NOT_SUPPORTED, f"{wallet.network} is not configured any more."
            )
        return await chain.balance(wallet.address)

    def network(self, name: str) -> Network:
        chain = self._chains.get(name)
        if chain is None:
            raise bad_field(
                "network",
                f"is not configured; configured are {', '.join(sorted(self._chains)) or 'none'}",
                Code.CHAIN_NOT_SUPPORTED,
            )
        return chain.network

    async def _require_unused(self, name: str) -> None:
        if any(wallet.name == name for wallet in await self.list()):
            raise bad_field("name", "is already the name of a wallet")

    async def _add(self, unit: Unit, wallet: Wallet, preset: Preset, actor: str) -> None:
        await _require_normal(unit)
        await unit.wallets.add(wallet)
        await unit.audit.append(
            Fact.WALLET_CREATED,
            actor=actor,
            at=wallet.created_at,
            wallet_id=wallet.id,
            details={"name": wallet.name, "network": wallet.network, "address": wallet.address},
        )
        for rule_type, rules in preset_rules(preset, self.network(wallet.network)):
            await self._policies.store_rule(
                unit,
                rule_type,
                rules,
                wallet.id,
                rule_id=None,
                actor=actor,
                now=wallet.created_at,
            )


async def _require_normal(unit: Unit) -> None:
    if (await unit.authority.state()).state is not StopState.NORMAL:
        raise UnavailableError(Code.SYSTEM_LOCKED, "Stopped: wallets are made after a recovery.")
