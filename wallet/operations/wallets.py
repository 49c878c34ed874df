"""Wallets: create, list, look at."""

import json
from collections.abc import Mapping

from wallet.domain.authority import require_proof
from wallet.domain.chains import Network
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.domain.wallets import Wallet
from wallet.errors import Code, NotFoundError, UnavailableError, bad_field
from wallet.operations.presets import Preset, preset_rules
from wallet.operations.rule_changes import RuleChange, announce_change, write
from wallet.ports.chain import Balance, Chain
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault, WalletKey
from wallet.ports.world import Clock, Ids
from wallet.safety.keyring import Keyring

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
        keyring: Keyring,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._chains = chains
        self._keyring = keyring

    async def create(self, name: str, network: str, *, preset: str, actor: str) -> Wallet:
        """A new key pair with a preset policy, usable at once. KEYSTORE_LOCKED while locked."""
        self._keyring.require()
        chosen = self.network(network)
        await self.require_good(name, preset)
        await self._store.read(_require_normal)
        key = await self._vault.create_wallet(self._ids.new(), chosen.chain.value, chosen.name)
        return await self.adopt(name, key, preset=preset, actor=actor, fact=Fact.WALLET_CREATED)

    async def require_good(self, name: str, preset: str) -> None:
        """Raise VALIDATION_ERROR for a name that is taken or no name, or an unknown preset."""
        if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
            raise bad_field("name", f"must be 1 to {NAME_MAX} printable characters")
        if preset not in list(Preset):
            raise bad_field("preset", f"must be one of {', '.join(Preset)}")
        if any(wallet.name == name for wallet in await self.list()):
            raise bad_field("name", "is already the name of a wallet")

    async def adopt(
        self, name: str, key: WalletKey, *, preset: str, actor: str, fact: Fact
    ) -> Wallet:
        """Give a key that the vault holds its row and first rules. ``fact`` says how it came here."""
        wallet = Wallet(
            id=key.wallet_id,
            name=name,
            chain=key.chain,
            network=key.network,
            address=key.address,
            public_key=key.public_key,
            created_at=self._clock.now(),
        )
        await self._store.run(lambda unit: self._add(unit, wallet, Preset(preset), actor, fact))
        return wallet

    def networks(self) -> list[Network]:
        return [chain.network for chain in self._chains.values()]

    async def list(self) -> list[Wallet]:
        """Every wallet. AUTHORITY_UNPROVED where an address was bent: no payment must go there."""
        wallets = await self._store.read(lambda unit: unit.wallets.all())
        for wallet in wallets:
            require_proof(wallet.proof, f"wallet {wallet.id}")
        return wallets

    async def get(self, wallet_id: str) -> Wallet:
        """WALLET_NOT_FOUND; AUTHORITY_UNPROVED for one whose address nobody entitled wrote."""
        wallet = await self._store.read(lambda unit: unit.wallets.get(wallet_id))
        if wallet is None:
            raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
        require_proof(wallet.proof, f"wallet {wallet.id}")
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

    async def _add(
        self, unit: Unit, wallet: Wallet, preset: Preset, actor: str, fact: Fact
    ) -> None:
        await _require_normal(unit)
        about = {"name": wallet.name, "network": wallet.network, "address": wallet.address}
        await unit.wallets.add(wallet)
        await unit.policies.open_scope(wallet.id)
        await unit.audit.append(
            fact, actor=actor, at=wallet.created_at, wallet_id=wallet.id, details=about
        )
        if fact is Fact.WALLET_IMPORTED:
            kind = fact.value
            await unit.console.alert(f"{kind}:{wallet.id}", kind, about, wallet.created_at)
        for rule_type, rules in preset_rules(preset, self.network(wallet.network)):
            text = json.dumps(rules, sort_keys=True, separators=(",", ":"))
            rule = RuleChange(self._ids.new(), wallet.id, rule_type, text, actor)
            version = await write(unit, rule, wallet.created_at)
            await announce_change(unit, rule, version, wallet.created_at)


async def _require_normal(unit: Unit) -> None:
    if (await unit.authority.state()).state is not StopState.NORMAL:
        raise UnavailableError(Code.SYSTEM_LOCKED, "Stopped: wallets are made after a recovery.")
