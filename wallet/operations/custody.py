"""Custody: keys come in from files, keys go out into files, the master password changes. No daemon runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from wallet.domain.facts import Fact
from wallet.domain.safety import is_trusted_normal
from wallet.domain.wallets import Wallet
from wallet.errors import Code, ConflictError, KeystoreError, NotFoundError, UnavailableError
from wallet.operations.wallets import Wallets
from wallet.ports.store import Store, Unit
from wallet.ports.vault import CustodyVault, WalletKey
from wallet.ports.world import Clock, Ids
from wallet.safety.halt_file import HaltFile
from wallet.safety.keyring import Keyring

ACTOR = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A key file that is to become a wallet. ``chain`` and ``address`` are the file's own word."""

    text: bytes
    chain: str
    address: str
    network: str
    name: str
    preset: str


class Custody:
    """What leaves a trace in audit and chat before anything leaves the keystore."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        vault: CustodyVault,
        keyring: Keyring,
        wallets: Wallets,
        halt_file: HaltFile,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._vault = vault
        self._keyring = keyring
        self._wallets = wallets
        self._halt_file = halt_file

    async def unlock(self, password: str) -> None:
        """Open the keystore. Raises WRONG_PASSWORD, KEYSTORE_CORRUPTED."""
        self._keyring.fill(await self._vault.unlock(password))

    async def password_changed(self, details: Mapping[str, str]) -> None:
        """Write down, and announce in the chat, that the keystore has a new password."""
        await self._store.run(
            lambda unit: self._tell(unit, Fact.KEYSTORE_PASSWORD_CHANGED, None, details)
        )

    async def import_key(self, arrival: Arrival, password: str) -> Wallet:
        """The wallet of a key file, with its first rules. Raises WALLET_ALREADY_EXISTS for a known key.

        The key is durable before its row: what a crash leaves between is taken up by the same command.
        """
        await self._require_normal()
        network = self._wallets.network(arrival.network)
        if network.chain.value != arrival.chain:
            raise ConflictError(
                Code.NETWORK_MISMATCH,
                f"The key file is for {arrival.chain}, and {network.name} is not.",
            )
        await self._require_new(arrival.address)
        await self._wallets.require_good(arrival.name, arrival.preset)
        key = await self._vault.import_key(self._ids.new(), network.name, arrival.text, password)
        return await self._wallets.adopt(
            arrival.name, key, preset=arrival.preset, actor=ACTOR, fact=Fact.WALLET_IMPORTED
        )

    async def export_key(self, wanted: str, password: str) -> tuple[Wallet, bytes]:
        """The wallet and the text of its key file. Audited and announced before it is handed over."""
        await self._require_normal()
        wallet = await self._find(wanted)
        await self._require_same(wallet)
        text = await self._vault.export_key(
            wallet.id,
            network=network_word(wallet.chain, wallet.network),
            name=wallet.name,
            password=password,
        )
        about = {"name": wallet.name, "network": wallet.network, "address": wallet.address}
        await self._store.run(lambda unit: self._tell(unit, Fact.WALLET_EXPORTED, wallet, about))
        return wallet, text

    async def _tell(
        self, unit: Unit, fact: Fact, wallet: Wallet | None, details: Mapping[str, str]
    ) -> None:
        now = self._clock.now()
        wallet_id = None if wallet is None else wallet.id
        await unit.audit.append(fact, actor=ACTOR, at=now, wallet_id=wallet_id, details=details)
        await unit.console.alert(f"{fact.value}:{self._ids.new()}", fact.value, details, now)

    async def _require_normal(self) -> None:
        """Keys neither come nor go while everything is stopped: a recovery and its wait come first."""
        state = await self._store.read(lambda unit: unit.authority.state())
        trusted = is_trusted_normal(self._keyring.require().row_mac, state)
        if self._halt_file.is_there() or not trusted:
            raise UnavailableError(
                Code.SYSTEM_LOCKED,
                "The kill switch is active, so no key is imported or exported.",
                hint="Start the daemon, then: waiaas recover.",
            )

    async def _require_new(self, address: str) -> None:
        for wallet in await self._wallets.list():
            if wallet.address == address:
                raise ConflictError(
                    Code.WALLET_ALREADY_EXISTS,
                    f"The key of {address} is the wallet {wallet.name} already.",
                    details={"walletId": wallet.id},
                )

    async def _find(self, wanted: str) -> Wallet:
        found = [one for one in await self._wallets.list() if _is_meant(one, wanted)]
        if len(found) != 1:
            known = ", ".join(one.name for one in await self._wallets.list()) or "none"
            raise NotFoundError(
                Code.WALLET_NOT_FOUND,
                "There is no such wallet." if not found else "Several wallets match.",
                hint=f"There are: {known}.",
            )
        return found[0]

    async def _require_same(self, wallet: Wallet) -> None:
        keys: dict[str, WalletKey] = {one.wallet_id: one for one in await self._vault.wallets()}
        key = keys.get(wallet.id)
        if key is None or key.address != wallet.address:
            raise KeystoreError(
                Code.KEYSTORE_CORRUPTED,
                f"The database and the keystore disagree about wallet {wallet.name}.",
                hint="Restore database and keystore from the same backup. Nothing was changed.",
            )


def network_word(chain: str, network: str) -> str:
    """A network as key files call it: ``devnet`` of Solana, ``sepolia`` of Ethereum, ours elsewhere."""
    return network.removeprefix(f"{chain}-")


def network_names(chain: str, word: str) -> tuple[str, ...]:
    """What a key file's network may be called here, the likeliest first."""
    usual = word.removesuffix("-beta")
    return tuple(dict.fromkeys((f"{chain}-{usual}", usual, word)))


def _is_meant(wallet: Wallet, wanted: str) -> bool:
    least = 8  # one group of hex digits of an id
    return wanted in (wallet.id, wallet.name, wallet.address) or (
        len(wanted) >= least and wallet.id.startswith(wanted)
    )
