"""From the master password to derived keys: the keystore opens whole, and it is the one of the stored wallets."""

from collections.abc import Mapping
from functools import partial

import structlog

from wallet.domain.facts import Fact
from wallet.domain.rules import DAY_MS
from wallet.errors import Code, KeystoreError, UnavailableError
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault, Subkeys
from wallet.ports.world import Clock

log = structlog.get_logger(__name__)


async def open_keystore(store: Store, clock: Clock, vault: KeyVault, password: str) -> Subkeys:
    """Start the signer where it is gone, and open everything or nothing.

    Raises WRONG_PASSWORD, and KEYSTORE_CORRUPTED with the keys wiped again. Damage is evidence: it is audited
    and the owner is told.
    """
    if not vault.alive:
        await vault.restart()
    try:
        subkeys = await vault.unlock(password)
        await require_same_wallets(store, vault)
    except KeystoreError as error:
        if error.code is Code.KEYSTORE_CORRUPTED:
            await _tell_of_damage(store, clock, error)
        raise
    return subkeys


async def require_same_wallets(store: Store, vault: KeyVault) -> None:
    """Every wallet row must have a key whose derived address is the stored one.

    Raises KEYSTORE_CORRUPTED, with the keys wiped again. The vault must be unlocked.
    """
    keys = {key.wallet_id: key for key in await vault.wallets()}
    for wallet in await store.read(lambda unit: unit.wallets.all()):
        key = keys.get(wallet.id)
        if key is None or key.address != wallet.address:
            vault.kill()
            raise KeystoreError(
                Code.KEYSTORE_CORRUPTED,
                f"The database and the keystore disagree about wallet {wallet.name}.",
                hint="Restore database and keystore from the same backup. Nothing was changed.",
            )


async def _tell_of_damage(store: Store, clock: Clock, error: KeystoreError) -> None:
    """Once a day for each file: whoever tries again and again must not fill the log."""
    about = {"file": str(error.details.get("file", "")), "reason": error.message[:500]}
    try:
        await store.run(partial(_note_damage, about=about, now=clock.now()))
    except UnavailableError as unavailable:  # what the caller is told stays the damage
        log.warning("damage_not_noted", code=unavailable.code.value)


async def _note_damage(unit: Unit, about: Mapping[str, str], now: int) -> None:
    key = f"KEYSTORE_CORRUPTED:{about['file'] or about['reason']}:{now // DAY_MS}"
    if await unit.console.alert(key, "KEYSTORE_CORRUPTED", about, now):
        await unit.audit.append(Fact.KEYSTORE_CORRUPTED, actor="system", at=now, details=about)
