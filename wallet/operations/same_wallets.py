"""The keystore and the database must tell of the same wallets before anything may be signed."""

from wallet.errors import Code, KeystoreError
from wallet.ports.store import Store
from wallet.ports.vault import KeyVault


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
