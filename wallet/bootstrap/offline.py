"""The audit log of a data directory without its daemon: read-only, with the key where the password is given."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from wallet.bootstrap.world import SystemClock, SystemIds
from wallet.errors import Code, NotFoundError
from wallet.operations.audit import AuditLog
from wallet.persistence.offline import ReadOnlyDatabase
from wallet.safety.keyring import Keyring
from wallet.settings import Secret, Settings
from wallet.signer.client import KeyVault
from wallet.wire.policies import parse_rule


@asynccontextmanager
async def offline_audit(settings: Settings, password: Secret | None) -> AsyncIterator[AuditLog]:
    """Nothing is written and nothing is migrated, so it works beside a running daemon too.

    Raises WRONG_PASSWORD, KEYSTORE_CORRUPTED, NOT_FOUND where there is no database yet.
    """
    if not settings.database.path.exists():
        raise NotFoundError(Code.NOT_FOUND, f"There is no database at {settings.database.path}.")
    keyring = Keyring()
    async with AsyncExitStack() as stack:
        if password is not None:
            vault = await KeyVault.start(settings.data_dir / "keystore")
            stack.push_async_callback(vault.close)
            keyring.fill(await vault.unlock(password.reveal()))
            vault.kill()  # the derived key is all that is needed
        database = ReadOnlyDatabase(
            settings.database.path, ids=SystemIds(), clock=SystemClock(), parse_rule=parse_rule
        )
        stack.callback(database.close)
        yield AuditLog(database, keyring)
